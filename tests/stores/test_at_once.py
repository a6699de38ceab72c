"""Several copy the same restore point into one bucket at once: it is there once and whole, and none of them fails."""

import os
import threading
from typing import Any

import pytest

from ops_pipelines.vault.stores.directory import DirectoryStore
from tests.stores.conftest import PART_MIB, Bucket, MakeStore
from tests.stores.test_every_store import FIRST, nothing, read_all
from tests.stores.transfers import MIB, send_elsewhere
from tests.unit.vaults import publish


def test_copies_of_the_same_at_once_are_one(bucket: Bucket, open_store: MakeStore, local: DirectoryStore) -> None:
    manifest = publish(local, FIRST, dump=os.urandom(3 * PART_MIB * MIB))
    published = local.directory("crm", FIRST)
    both = [send_elsewhere(bucket, published) for _ in range(3)]
    assert [each.wait() for each in both] == [0, 0, 0]
    store = open_store(bucket)
    assert store.ids("crm") == [FIRST]
    read_all(store, FIRST)
    assert store.manifest("crm", FIRST).to_bytes() == manifest.to_bytes()


@pytest.mark.parametrize("before", ["ListParts", "UploadPart", "CompleteMultipartUpload", "HeadObject"])
def test_a_copy_that_somebody_else_finishes_meanwhile_is_a_copy(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, before: str
) -> None:
    """Endpoints have several words for it: an upload, its parts, or its key is not there."""
    store, manifest = open_store(bucket), publish(local, FIRST, dump=os.urandom(3 * PART_MIB * MIB))
    published = local.directory("crm", FIRST)
    part = max(manifest.parts, key=lambda each: each.size_bytes)
    bucket.client.create_multipart_upload(Bucket=bucket.name, Key=f"backups/crm/{FIRST}/{part.name}")
    first, finished = threading.Lock(), []

    def somebody_else(**_: Any) -> None:
        if first.acquire(blocking=False):
            finished.append(open_store(bucket).receive(manifest, published, nothing))

    store.connection.client.meta.events.register(f"before-call.s3.{before}", somebody_else)
    store.receive(manifest, published, nothing)
    assert finished == [True]
    read_all(open_store(bucket), FIRST)
