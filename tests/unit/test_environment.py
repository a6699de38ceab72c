"""Environment names of old scripts override what stands in `ops.yaml`."""

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
