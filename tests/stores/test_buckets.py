"""What only a real S3 server shows of manifests, listings, litter and other tools. Against Ceph's gateway."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ops_pipelines.errors import StoreError
from ops_pipelines.process import Limits, run
from ops_pipelines.vault.catalogue import read_catalogue
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.stores.s3 import cache, litter
from tests.stores.conftest import Bucket, MakeStore
from tests.stores.test_every_store import FIRST, SECOND, nothing, read_all
from tests.stores.transfers import requests
from tests.unit.vaults import DUMP, publish, verdict


def test_another_manifest_in_its_place_is_never_overwritten(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store, manifest = open_store(bucket), publish(local, FIRST)
    key = f"backups/crm/{FIRST}/manifest.json"
    bucket.write(key, b"of somebody else")
    with pytest.raises(StoreError, match="another restore point"):
        store.receive(manifest, local.directory("crm", FIRST), nothing)
    assert bucket.listed() == [key]


@pytest.mark.parametrize("same", [True, False], ids=["the-same", "another"])
def test_a_manifest_that_appears_while_we_copy_wins(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, same: bool
) -> None:
    store, manifest = open_store(bucket), publish(local, FIRST)
    key = f"backups/crm/{FIRST}/manifest.json"
    theirs = (local.directory("crm", FIRST) / "manifest.json").read_bytes() if same else b"of somebody else"

    def somebody_else(params: Any, **_: object) -> None:
        if params["url_path"].endswith("manifest.json") and key not in bucket.listed():
            bucket.write(key, theirs)

    store.connection.client.meta.events.register("before-call.s3.PutObject", somebody_else)
    if same:
        store.receive(manifest, local.directory("crm", FIRST), nothing)
    else:
        with pytest.raises(StoreError, match="another restore point"):
            store.receive(manifest, local.directory("crm", FIRST), nothing)
    assert bucket.read(key) == theirs


@pytest.mark.daily(0)
def test_a_long_catalogue_costs_two_listings_however_long(
    moto_bucket: Bucket, open_store: MakeStore, local: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = moto_bucket
    ids = [f"20261121T020000Z-{number:04x}" for number in range(40)]
    store = open_store(bucket)
    for backup_id in ids:
        publish(local, backup_id, dump=b"small")
        for path in local.directory("crm", backup_id).iterdir():
            bucket.write(f"backups/crm/{backup_id}/{path.name}", path.read_bytes())
        store.keep_verdict(verdict(backup_id, "verified", store="far"))
    assert len(read_catalogue({"far": store}, "crm").points) == 40
    monkeypatch.setattr(cache, "_memory", {})  # another process
    for reader in (open_store(bucket), store):
        with requests(reader) as asked:
            catalogue = read_catalogue({"far": reader}, "crm")
        assert catalogue.recovery_point is not None and len(catalogue.points) == 40
        assert dict(asked) == {"ListObjectsV2": 2}
    # What changes is noticed, and what is gone is forgotten.
    bucket.write(f"backups/crm/{ids[0]}/manifest.json", b"{")
    bucket.client.delete_object(Bucket=bucket.name, Key=f"backups/crm/{ids[1]}/manifest.json")
    catalogue = read_catalogue({"far": store}, "crm")
    assert len(catalogue.points) == 38
    assert ids[0] in catalogue.problems[0]


def test_what_is_cached_is_private_and_a_cut_off_file_is_fetched_again(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(bucket)
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    assert len(read_catalogue({"far": store}, "crm").points) == 1
    kept = list((tmp_path / "cache").rglob("*"))
    assert {oct(path.stat().st_mode & 0o777) for path in kept if path.is_file()} == {"0o600"}
    assert {oct(path.stat().st_mode & 0o777) for path in kept if path.is_dir()} == {"0o700"}
    for path in kept:
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-5])
    monkeypatch.setattr(cache, "_memory", {})
    assert read_catalogue({"far": store}, "crm").problems == ()


def test_only_our_own_litter_is_swept_and_only_when_it_is_old(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(bucket)
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    half, restics = f"backups/crm/{SECOND}/dump.pgc.zst.age", "backups/.restic/crm/data/ab"
    bucket.write(half, b"half")
    bucket.write("backups/notes.txt", b"of a human")
    for key in (f"backups/crm/{SECOND}/contents.json.zst.age", restics):
        bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)
    assert store.sweep() == []
    monkeypatch.setattr(litter, "_LITTER_AFTER", timedelta(minutes=-1))
    assert len(store.sweep()) == 2
    assert half not in bucket.listed()
    left = bucket.client.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
    assert [each["Key"] for each in left] == [restics]
    assert "backups/notes.txt" in bucket.listed()
    assert read_all(store, FIRST) == DUMP


def test_restic_keeps_its_own_repository_beside_the_copies(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, tmp_path: Path
) -> None:
    store = open_store(bucket)
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    repository = store.repository("crm_uploads")
    assert bucket.secret_key not in repository.address
    environment = {**repository.environment, "RESTIC_PASSWORD": "known to us", "RESTIC_REPOSITORY": repository.address}
    limits = Limits(stall=timedelta(minutes=1), total=timedelta(minutes=2))
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "one").write_text("one", encoding="utf-8")
    for words in (["init"], ["backup", "uploads"], ["check"]):
        run(["restic", "--no-cache", *repository.options, *words], limits=limits, env=environment, cwd=tmp_path)
    assert store.sources() == ["crm"]
    assert any(key.startswith("backups/.restic/crm_uploads/snapshots/") for key in bucket.listed())


def test_a_trial_says_whether_what_is_written_can_be_taken_away(
    bucket: Bucket, locked_bucket: Bucket, open_store: MakeStore
) -> None:
    erasable = open_store(bucket).trial()
    assert (erasable.written, erasable.erasable, erasable.kept_by) == (True, True, "")
    assert bucket.versions() == []
    kept = [open_store(locked_bucket, cache="locked").trial() for _ in range(2)]
    assert [(each.erasable, each.kept_by) for each in kept] == [(False, "object lock")] * 2
    assert all(each["Key"] == "backups/.trial" for each in locked_bucket.versions())
    assert kept[0].clock is not None and abs((kept[0].clock - datetime.now(timezone.utc)).total_seconds()) < 60
