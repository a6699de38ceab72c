"""Environment names of old scripts override what stands in `ops.yaml`."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.conftest import Load, Mistakes

FILE = """
    base: backups
    defaults: {keep: {last: 2, daily: 5}}
    stores:
      nas: {kind: directory, path: nas, keep: {last: 9}}
    sources:
      crm: {kind: postgres, url: {env: URL}}
      forge: {kind: postgres, url: {env: URL}, keep: {daily: 1}}
      archive: {kind: postgres, url: {env: URL}, keep: null}
"""


def test_retention_days_overrides_daily_wherever_a_keep_stands(load: Load) -> None:
    config = load(FILE, RETENTION_DAYS="30")
    kept = {name: source.keep for name, source in config.sources.items()}
    assert kept["crm"] is not None and (kept["crm"].last, kept["crm"].daily) == (2, 30)
    assert kept["forge"] is not None and kept["forge"].daily == 30
    assert config.stores["nas"].keep is not None and config.stores["nas"].keep.daily == 30


def test_retention_days_does_not_begin_to_delete_where_nothing_was_deleted(load: Load) -> None:
    assert load(FILE, RETENTION_DAYS="30").sources["archive"].keep is None
    bare = load("sources: {crm: {kind: postgres, url: {env: URL}}}", RETENTION_DAYS="30")
    assert bare.sources["crm"].keep is None


@pytest.mark.parametrize("days", ["0", "-3", "two", "1.5", "٣"])
def test_retention_days_that_are_no_number_are_told_by_their_name(mistakes: Mistakes, days: str) -> None:
    (mistake,) = mistakes(FILE, RETENTION_DAYS=days)
    assert mistake.field == "RETENTION_DAYS"
    assert days in mistake.expected


MIXED = """
    base: backups
    sources:
      crm: {kind: mysql, url: {env: URL}}
      uploads: {kind: files, paths: [files], with: crm}
"""


def test_the_thresholds_of_old_scripts_are_those_of_their_kind(load: Load) -> None:
    config = load(
        MIXED, OPS_DB_DUMP_STALE_MIN="1200", OPS_DB_DUMP_FAIL_MIN="1430", OPS_SNAPSHOT_STALE_MIN="900",
        OPS_VERIFY_OVERDUE_HOURS="30",
    )  # fmt: skip
    crm, uploads = config.sources["crm"], config.sources["uploads"]
    assert (crm.warn_window, crm.rpo) == (timedelta(minutes=1200), timedelta(minutes=1430))
    assert (uploads.warn_window, uploads.rpo) == (timedelta(minutes=900), timedelta(hours=24))
    assert crm.verify.overdue_after == uploads.verify.overdue_after == timedelta(hours=30)


def test_a_threshold_that_is_no_number_is_told(mistakes: Mistakes) -> None:
    (mistake,) = mistakes(MIXED, OPS_DB_DUMP_FAIL_MIN="1d")
    assert (mistake.field, "'1d'" in mistake.expected) == ("OPS_DB_DUMP_FAIL_MIN", True)


@pytest.mark.parametrize(("said", "auto"), [("0", False), ("no", False), ("1", True), ("", True)])
def test_automatic_proof_can_be_switched_off(load: Load, said: str, auto: bool) -> None:
    assert load(MIXED, OPS_VERIFY_AUTO=said).sources["crm"].verify.auto is auto


def test_the_folder_of_old_dumps_is_that_of_the_one_database(load: Load) -> None:
    config = load(MIXED, BACKUP_DIR="/var/old")
    assert config.sources["crm"].legacy is not None
    assert config.sources["crm"].legacy.folder == Path("/var/old")
    assert config.sources["uploads"].legacy is None
    assert load(FILE, BACKUP_DIR="/var/old").sources["crm"].legacy is None, "whose dumps are they?"
