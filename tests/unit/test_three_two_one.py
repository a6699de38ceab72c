"""The 3-2-1 rule: what counts, what is missing, what to do about it."""

from datetime import datetime, timezone
from pathlib import Path

from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.watch.three_two_one import judge
from tests.unit.histories import made
from tests.unit.vaults import TRUST

AT = datetime(2026, 11, 21, 2, tzinfo=timezone.utc)


def stores(**offsite_and_medium: tuple[bool, str]) -> dict[str, Store]:
    found: dict[str, Store] = {"local": DirectoryStore("local", Path("/nowhere"), TRUST)}
    for name, (offsite, medium) in offsite_and_medium.items():
        found[name] = DirectoryStore(name, Path("/nowhere"), TRUST, offsite=offsite, medium=medium)
    return found


def test_the_live_data_the_local_copy_and_an_offsite_bucket_fulfil_it() -> None:
    found = judge("crm", made(AT, "verified", stores=("local", "s3")), ["s3"], stores(s3=(True, "object storage")))
    assert found.holds
    assert found.copies == ["crm itself", "local", "s3"]
    assert found.media == ["disk", "object storage"]
    assert found.offsite == ["s3"]
    assert found.advice == []


def test_a_local_copy_alone_misses_all_three() -> None:
    found = judge("crm", made(AT, "verified"), [], stores())
    assert found.missing == [
        "3 copies: there are 2 (crm itself, local)", "2 media: all of it is on disk", "1 off-site: no copy is",
    ]  # fmt: skip
    assert "offsite: true" in found.advice[0] and "medium: nas" in found.advice[1]


def test_three_copies_in_one_building_miss_the_offsite_one_only() -> None:
    found = judge("crm", made(AT, "verified", stores=("local", "nas")), ["nas"], stores(nas=(False, "nas")))
    assert found.missing == ["1 off-site: no copy is"]
    assert found.advice == [
        "add a store with offsite: true below stores: (an S3 bucket, say), and name it in copies of crm"
    ]


def test_a_second_disk_is_no_second_medium() -> None:
    found = judge("crm", made(AT, "verified", stores=("local", "far")), ["far"], stores(far=(True, "disk")))
    assert found.missing == ["2 media: all of it is on disk"]
    assert found.advice == ["put one copy on another medium, and say so at its store: medium: nas"]


def test_a_configured_store_that_lacks_the_copy_is_named_and_no_new_one_is_asked_for() -> None:
    point = made(AT, "verified", stores=("local",))
    found = judge("crm", point, ["s3"], stores(s3=(True, "object storage")))
    assert len(found.missing) == 3
    assert found.advice == [f"s3 has no sound copy of {point.id}; type: ops copy crm --to s3"]


def test_a_copy_that_was_proved_bad_does_not_count() -> None:
    point = made(AT, "verified", "bad", stores=("s3", "local"), blames="copy")
    found = judge("crm", point, ["s3"], stores(s3=(True, "object storage")))
    assert found.copies == ["crm itself", "local"]
    assert found.offsite == []


def test_what_was_never_verified_has_no_copies() -> None:
    found = judge("crm", None, ["s3"], stores(s3=(True, "object storage")))
    assert not found.holds
    assert found.copies == ["crm itself"]
    assert found.advice == ["nothing of crm is verified, so no copy counts; type: ops backup crm"]
