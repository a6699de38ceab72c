"""Locks that hold, which only a real S3 server shows: nothing of a locked copy can be lost. Against Ceph's gateway."""

import os
import time
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

from ops_pipelines.errors import SafetyRefusal, StoreError
from ops_pipelines.vault.stores.directory import DirectoryStore
from tests.stores.conftest import PART_MIB, Bucket, MakeStore
from tests.stores.test_every_store import FIRST, nothing, read_all
from tests.stores.transfers import MIB
from tests.unit.vaults import DUMP, publish, verdict


def test_a_locked_copy_cannot_be_deleted_before_its_date_and_can_after(
    locked_bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store, manifest = open_store(locked_bucket, object_lock="6s"), publish(local, FIRST)
    before = datetime.now(timezone.utc)
    store.receive(manifest, local.directory("crm", FIRST), nothing)
    until = store.locked_until("crm", FIRST)
    assert until is not None and before < until <= before + timedelta(seconds=60)
    with pytest.raises(SafetyRefusal, match=f"{until:%Y-%m-%d %H:%M}"):
        store.delete("crm", FIRST)
    assert read_all(store, FIRST) == DUMP
    while store.locked_until("crm", FIRST) is not None:
        time.sleep(0.2)
    store.delete("crm", FIRST)
    assert store.ids("crm") == []
    assert locked_bucket.versions() == []


def test_the_bucket_itself_refuses_to_lose_any_object_of_a_locked_copy(
    locked_bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store = open_store(locked_bucket, object_lock="30d")
    manifest = publish(local, FIRST, dump=os.urandom(2 * PART_MIB * MIB))
    store.receive(manifest, local.directory("crm", FIRST), nothing)
    found = locked_bucket.versions()
    assert len(found) == len(manifest.parts) + 3  # the sums, the signature, the manifest
    for each in found:
        where = {"Bucket": locked_bucket.name, "Key": each["Key"], "VersionId": each["VersionId"]}
        with pytest.raises(ClientError, match="AccessDenied"):
            locked_bucket.client.delete_object(**where, BypassGovernanceRetention=True)
        head = locked_bucket.client.head_object(**where)
        assert head["ObjectLockMode"] == "COMPLIANCE"
        left = head["ObjectLockRetainUntilDate"] - datetime.now(timezone.utc)
        assert timedelta(days=29) < left < timedelta(days=31)


def test_an_older_version_with_a_longer_lock_counts(
    locked_bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store = open_store(locked_bucket)
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    assert store.locked_until("crm", FIRST) is None
    key, until = locked_bucket.key("SHA256SUMS"), datetime.now(timezone.utc) + timedelta(days=3)
    content = locked_bucket.read(key)
    locked_bucket.client.put_object_retention(
        Bucket=locked_bucket.name, Key=key, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until}
    )
    locked_bucket.write(key, content)
    found = store.locked_until("crm", FIRST)
    assert found is not None and abs(found - until) < timedelta(seconds=1)
    with pytest.raises(SafetyRefusal):
        store.delete("crm", FIRST)
    assert store.ids("crm") == [FIRST]


def test_a_copy_under_legal_hold_is_not_deleted(
    locked_bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store = open_store(locked_bucket)
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    hold = {"Bucket": locked_bucket.name, "Key": locked_bucket.key("manifest.json")}
    locked_bucket.client.put_object_legal_hold(**hold, LegalHold={"Status": "ON"})
    with pytest.raises(SafetyRefusal, match="legal hold"):
        store.delete("crm", FIRST)
    locked_bucket.client.put_object_legal_hold(**hold, LegalHold={"Status": "OFF"})
    store.delete("crm", FIRST)
    assert locked_bucket.versions() == []


def test_a_bucket_without_object_lock_is_refused_when_it_is_wanted(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    with pytest.raises(StoreError, match="has not enabled") as caught:
        open_store(bucket, object_lock="30d").receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    assert "object_lock" in caught.value.next
    assert bucket.listed() == []


def test_deletion_in_a_bucket_with_versions_leaves_none(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    store = open_store(bucket)
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    store.keep_verdict(verdict(FIRST, "verified", store="far"))
    key = bucket.key("manifest.json")
    bucket.write(key, bucket.read(key))
    bucket.client.delete_object(Bucket=bucket.name, Key=bucket.key("SHA256SUMS"))
    store.delete("crm", FIRST)
    assert bucket.versions() == []
