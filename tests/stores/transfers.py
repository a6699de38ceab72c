"""Copies to a bucket that are watched, counted, and made by another process that can be killed."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ops_pipelines.vault.stores.s3.store import S3Store
from tests.stores.conftest import Bucket

MIB = 1024 * 1024
REPOSITORY = Path(__file__).parents[2]


@contextmanager
def requests(store: S3Store) -> Iterator[Counter[str]]:
    """How often each operation was asked for in the block."""
    counted: Counter[str] = Counter()
    events = store.connection.client.meta.events

    def count(model: Any, **_: object) -> None:
        counted[model.name] += 1

    events.register("before-call.s3", count, unique_id="count")
    try:
        yield counted
    finally:
        events.unregister("before-call.s3", unique_id="count")


SEND = """
import sys, json
from pathlib import Path
from ops_pipelines.vault.stores.s3.settings import S3Settings as Settings
from ops_pipelines.vault.manifest import read_manifest
from ops_pipelines.vault.stores.s3.store import S3Store
from tests.unit.vaults import TRUST
settings, published, cache = sys.stdin.read(), Path(sys.argv[1]), Path(sys.argv[2])
manifest = read_manifest((published / "manifest.json").read_bytes(), where="here")
store = S3Store("far", Settings.model_validate_json(settings), TRUST, cache=cache)
store.receive(manifest, published, lambda size: None)
"""


def send_elsewhere(bucket: Bucket, published: Path, **changes: Any) -> "subprocess.Popen[bytes]":
    """Copy in a process of its own."""
    keys = {"access_key": {"literal": bucket.access_key}, "secret_key": {"literal": bucket.secret_key}}
    given = bucket.settings().model_dump(mode="json", exclude={"credentials"}) | {"timeout": "20s"}
    process = subprocess.Popen(
        [sys.executable, "-c", SEND, published, published.parent / "cache"], cwd=REPOSITORY, stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({**given, "credentials": keys, **changes}).encode())
    process.stdin.close()
    return process


def parts_there(bucket: Bucket) -> int:
    """How many parts of unfinished uploads there are."""
    uploads = bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])
    return sum(
        len(bucket.client.list_parts(Bucket=bucket.name, Key=each["Key"], UploadId=each["UploadId"]).get("Parts", []))
        for each in uploads
    )
