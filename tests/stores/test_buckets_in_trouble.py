"""Wrong keys, a wrong clock, silence, unknown authorities: each is named, with what to do. Against Ceph's gateway."""

import ipaddress
import json
import os
import secrets
import ssl
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ops_pipelines import redact
from ops_pipelines.errors import StoreError
from ops_pipelines.vault.catalogue import read_catalogue
from ops_pipelines.vault.stores.directory import DirectoryStore
from tests.servers.between import between
from tests.servers.ceph import Ceph
from tests.stores.conftest import PART_MIB, Bucket, MakeStore
from tests.stores.test_every_store import FIRST, nothing, read_all
from tests.stores.transfers import MIB, parts_there, requests, send_elsewhere
from tests.unit.vaults import publish, verdict


def test_a_wrong_secret_is_named_and_not_shown(bucket: Bucket, open_store: MakeStore) -> None:
    wrong = secrets.token_hex(16)
    store = open_store(replace(bucket, secret_key=wrong))
    with pytest.raises(StoreError, match="far") as caught:
        store.ids("crm")
    assert "secret key is wrong" in caught.value.next
    assert wrong not in str(caught.value)
    assert wrong not in redact.redact(f"a log line with {wrong}")
    assert "far" in read_catalogue({"far": store}, "crm").problems[0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bucket": "no-such-bucket-here"}, "make the bucket no-such-bucket-here"),
        ({"credentials": {"access_key": "nobody-at-all", "secret_key": "a secret of nobody"}}, "access key"),
        ({"endpoint": "http://127.0.0.1:9", "retries": 0}, "endpoint"),
        ({"endpoint": "http://does-not-exist.invalid", "retries": 0}, "endpoint"),
        ({"credentials": {"env": "NOT_SET"}}, "NOT_SET_ACCESS_KEY_ID"),
        ({"credentials": {"profile": "not-there"}}, "stores.far.credentials"),
        ({"credentials": {"access_key": {"file": "/not/there"}, "secret_key": {"file": "/not/there"}}}, "/not/there"),
    ],
    ids=["bucket", "access-key", "unreachable", "unknown-host", "environment", "profile", "file"],
)
def test_what_is_wrong_with_a_bucket_is_said_with_what_to_do(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, changes: dict[str, Any], told: str
) -> None:
    store = open_store(bucket, **changes)
    manifest = publish(local, FIRST)
    for attempt in (
        lambda: store.ids("crm"),
        lambda: store.receive(manifest, local.directory("crm", FIRST), nothing),
        lambda: store.keep_verdict(verdict(FIRST, "verified")),
        store.sweep,
    ):
        with pytest.raises(StoreError, match="store far") as caught:
            attempt()
        assert told in caught.value.next
        assert caught.value.why and caught.value.safe


def test_somebody_elses_bucket_is_access_denied(ceph: Ceph, bucket: Bucket, open_store: MakeStore) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:ListBucket",
                       "Resource": f"arn:aws:s3:::{bucket.name}"}],
    }  # fmt: skip
    bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(policy))
    with pytest.raises(StoreError) as caught:
        open_store(bucket).ids("crm")
    assert "AccessDenied" in caught.value.why
    assert "allow these keys" in caught.value.next


def test_a_wrong_clock_is_named(bucket: Bucket, open_store: MakeStore) -> None:
    store = open_store(bucket)

    def yesterday(request: Any, **_: object) -> None:
        request.context["timestamp"] = "20200101T000000Z"

    def late(request: Any, **_: object) -> None:
        request.headers["X-Amz-Date"] = "20200101T000000Z"

    store.connection.client.meta.events.register("before-sign.s3", yesterday)
    store.connection.client.meta.events.register("before-send.s3", late)
    with pytest.raises(StoreError) as caught:
        store.ids("crm")
    assert "clock" in caught.value.next


def test_an_endpoint_that_freezes_holds_nobody_for_ever(
    ceph: Ceph, bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    manifest = publish(local, FIRST, dump=os.urandom(2 * PART_MIB * MIB))
    store = open_store(bucket, timeout="1s", retries=1)
    with ceph.frozen():
        with pytest.raises(StoreError, match="far"):
            store.receive(manifest, local.directory("crm", FIRST), nothing)
        with pytest.raises(StoreError) as caught:
            store.ids("crm")
        assert "(stores.far.timeout)" in caught.value.why
    store.receive(manifest, local.directory("crm", FIRST), nothing)
    read_all(store, FIRST)


def test_a_freeze_in_the_middle_of_a_copy_ends_it_and_the_rest_follows_later(
    ceph: Ceph, bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    manifest = publish(local, FIRST, dump=os.urandom(6 * PART_MIB * MIB))
    published = local.directory("crm", FIRST)
    with send_elsewhere(bucket, published, bandwidth_mib_s=10, concurrency=1, timeout="1s", retries=1) as sender:
        while parts_there(bucket) < 2:
            assert sender.poll() is None
            time.sleep(0.05)
        with ceph.frozen():
            assert sender.wait(timeout=120) != 0
    store = open_store(bucket)
    with requests(store) as asked:
        store.receive(manifest, published, nothing)
    assert asked["UploadPart"] < 6
    read_all(store, FIRST)


def authority(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that nobody knows, and a server context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "our own authority")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = directory / "ca.pem", directory / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


def test_tls_needs_an_authority_that_is_known(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, tmp_path: Path
) -> None:
    ca_file, context = authority(tmp_path)
    with between(bucket.endpoint, context) as proxy:
        endpoint = f"https://127.0.0.1:{proxy.port}"
        with pytest.raises(StoreError) as caught:
            open_store(bucket, endpoint=endpoint, retries=0).ids("crm")
        assert "ca_file" in caught.value.next
        store = open_store(bucket, endpoint=endpoint, ca_file=ca_file)
        manifest = publish(local, FIRST, dump=os.urandom(2 * PART_MIB * MIB))
        store.receive(manifest, local.directory("crm", FIRST), nothing)
        assert len(read_all(store, FIRST)) == 2 * PART_MIB * MIB
