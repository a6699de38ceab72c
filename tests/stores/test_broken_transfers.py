"""Copies to and from a bucket that break on the way, and go on from there. Against Ceph's gateway."""

import os
import signal
import time
from dataclasses import replace

import pytest

from ops_pipelines.errors import StoreError
from ops_pipelines.vault.stores.directory import DirectoryStore
from tests.servers.between import between
from tests.stores.conftest import PART_MIB, Bucket, MakeStore
from tests.stores.test_every_store import FIRST, nothing, read_all
from tests.stores.transfers import MIB, parts_there, requests, send_elsewhere
from tests.unit.vaults import DUMP, publish


def test_a_copy_killed_on_the_way_is_not_listed_and_goes_on_where_it_was(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    pieces = 8
    manifest = publish(local, FIRST, dump=os.urandom(pieces * PART_MIB * MIB - 100_000))
    published = local.directory("crm", FIRST)
    with send_elsewhere(bucket, published, bandwidth_mib_s=10, concurrency=2) as killed:
        while parts_there(bucket) < 3:
            assert killed.poll() is None
            time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
    store = open_store(bucket)
    assert store.ids("crm") == []
    assert store.sweep() == []
    there = parts_there(bucket)
    assert 3 <= there < pieces
    with requests(store) as asked:
        store.receive(manifest, published, nothing)
    assert asked["UploadPart"] == pieces - there
    assert asked["CreateMultipartUpload"] == 0
    assert len(read_all(store, FIRST)) == pieces * PART_MIB * MIB - 100_000
    assert parts_there(bucket) == 0


@pytest.mark.parametrize("numbers", [(1,), (1, 7)], ids=["as-many", "more"])
def test_parts_of_other_bytes_are_sent_again(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, numbers: tuple[int, ...]
) -> None:
    manifest = publish(local, FIRST, dump=os.urandom(3 * PART_MIB * MIB - 100_000))
    where = {"Bucket": bucket.name, "Key": f"backups/crm/{FIRST}/{manifest.parts[0].name}"}
    upload = bucket.client.create_multipart_upload(**where)["UploadId"]
    for number in numbers:
        bucket.client.upload_part(**where, UploadId=upload, PartNumber=number, Body=os.urandom(PART_MIB * MIB))
    store = open_store(bucket)
    store.receive(manifest, local.directory("crm", FIRST), nothing)
    read_all(store, FIRST)


def test_complete_parts_of_a_broken_copy_are_not_sent_again(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store, manifest = open_store(bucket), publish(local, FIRST, dump=os.urandom(3 * PART_MIB * MIB))
    store.receive(manifest, local.directory("crm", FIRST), nothing)
    bucket.client.delete_object(Bucket=bucket.name, Key=bucket.key("manifest.json"))
    with requests(store) as asked:
        store.receive(manifest, local.directory("crm", FIRST), nothing)
    assert (asked["UploadPart"], asked["PutObject"]) == (0, 3)
    assert store.ids("crm") == [FIRST]


def test_an_object_left_in_a_copys_place_is_replaced(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store, manifest = open_store(bucket), publish(local, FIRST)
    bucket.write(f"backups/crm/{FIRST}/{manifest.parts[0].name}", os.urandom(manifest.parts[0].size_bytes))
    store.receive(manifest, local.directory("crm", FIRST), nothing)
    assert read_all(store, FIRST) == DUMP


def test_a_read_that_breaks_goes_on_from_there(bucket: Bucket, open_store: MakeStore, local: DirectoryStore) -> None:
    dump = os.urandom(9 * MIB)
    open_store(bucket).receive(publish(local, FIRST, dump=dump), local.directory("crm", FIRST), nothing)
    with between(bucket.endpoint) as proxy:
        store = open_store(replace(bucket, endpoint=f"http://127.0.0.1:{proxy.port}"), retries=3)
        store.manifest("crm", FIRST, fresh=True)
        proxy.break_after(MIB, 3 * MIB, 200_000)
        assert read_all(store, FIRST) == dump
        assert proxy.broken == 3


def test_a_read_that_breaks_for_ever_is_an_error(bucket: Bucket, open_store: MakeStore, local: DirectoryStore) -> None:
    open_store(bucket).receive(publish(local, FIRST, dump=os.urandom(9 * MIB)), local.directory("crm", FIRST), nothing)
    with between(bucket.endpoint) as proxy:
        store = open_store(replace(bucket, endpoint=f"http://127.0.0.1:{proxy.port}"), retries=2)
        proxy.break_after(*[100_000] * 50)
        with pytest.raises(StoreError, match="far"):
            read_all(store, FIRST)


def test_a_limit_of_bandwidth_holds(bucket: Bucket, open_store: MakeStore, local: DirectoryStore) -> None:
    manifest = publish(local, FIRST, dump=os.urandom(2 * MIB))
    started = time.monotonic()
    open_store(bucket, bandwidth_mib_s=2).receive(manifest, local.directory("crm", FIRST), nothing)
    assert time.monotonic() - started > 0.8  # all but the last block have been waited for
