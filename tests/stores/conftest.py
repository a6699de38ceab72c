"""Buckets of real servers, and stores on them."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # noqa: TID253
import pytest
from moto.server import ThreadedMotoServer

from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.stores.s3.settings import S3Settings as Settings
from ops_pipelines.vault.stores.s3.store import S3Store
from tests.servers.ceph import Ceph
from tests.unit.vaults import TRUST

PART_MIB = 5


@dataclass(frozen=True)
class Bucket:
    """A bucket of our own, and the owner's client, which sees what we did not mean to show."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str
    client: Any

    def settings(self, **changes: Any) -> Settings:
        """A store's settings as in `ops.yaml`, impatient."""
        given = {
            "kind": "s3",
            "bucket": self.name,
            "prefix": "backups",
            "endpoint": self.endpoint,
            "credentials": {"access_key": self.access_key, "secret_key": self.secret_key},
            "part_mib": PART_MIB,
            "timeout": "20s",
            "retries": 2,
        }
        return Settings.model_validate({**given, **changes})

    def listed(self) -> list[str]:
        """Everything in it."""
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def key(self, end: str) -> str:
        """The one key that ends so."""
        (found,) = (key for key in self.listed() if key.endswith(end))
        return found

    def versions(self) -> list[Any]:
        """Every version and every mark in it."""
        listed = self.client.list_object_versions(Bucket=self.name)
        return [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]

    def read(self, key: str) -> bytes:
        """An object."""
        content: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def write(self, key: str, content: bytes) -> None:
        """Overwrite an object behind the store's back."""
        self.client.put_object(Bucket=self.name, Key=key, Body=content)


MakeBucket = Callable[..., Bucket]
MakeStore = Callable[..., S3Store]


def new_bucket(endpoint: str, access_key: str, secret_key: str, *, lock: bool = False) -> Bucket:
    """A new bucket, with object lock if wanted."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
    )
    name = f"acme-{secrets.token_hex(5)}"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
    return Bucket(name, endpoint, access_key, secret_key, client)


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The endpoint of a moto server, which knows many features and enforces few."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto_bucket(moto: str) -> Bucket:
    return new_bucket(moto, "moto-access", secrets.token_hex(16))


@pytest.fixture
def bucket(ceph: Ceph) -> Bucket:
    """A bucket of Ceph."""
    return new_bucket(ceph.endpoint, ceph.access_key, ceph.secret_key)


@pytest.fixture
def locked_bucket(ceph: Ceph) -> Bucket:
    """A bucket of Ceph with object lock."""
    return new_bucket(ceph.endpoint, ceph.access_key, ceph.secret_key, lock=True)


@pytest.fixture
def open_store(tmp_path: Path) -> MakeStore:
    """A store on a bucket; further settings as in `ops.yaml`."""

    def make(bucket: Bucket, /, *, cache: str = "cache", **changes: Any) -> S3Store:
        return S3Store("far", bucket.settings(**changes), TRUST, cache=tmp_path / cache)

    return make


@pytest.fixture
def local(tmp_path: Path) -> DirectoryStore:
    """Where restore points are published first."""
    return DirectoryStore("local", tmp_path / "local", TRUST)
