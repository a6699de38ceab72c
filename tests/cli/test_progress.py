"""What the bars on a terminal say of how much is done."""

from io import StringIO

import pytest
from rich.console import Console

from ops_pipelines.cli import progress
from ops_pipelines.cli.through_dagster import _last_size as last_size
from ops_pipelines.config.load import load_config
from tests.cli.conftest import Month


def test_what_ended_is_as_large_as_it_was_whatever_had_been_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = StringIO()
    monkeypatch.setattr(progress, "errors", Console(file=drawn, force_terminal=True, width=120, _environ={}))
    with progress.shown("crm") as tell:
        tell("dump", 0, 100)
        tell("dump", 60, 100)
        tell("copy to nas", 10, 60)
        tell("read back", 0, None)
    last = drawn.getvalue().rpartition("crm: dump")[2]
    assert "60/60 bytes" in last.partition("copy to nas")[0]
    assert "10/10 bytes" in last.partition("copy to nas")[2].partition("read back")[0]


def test_more_than_was_estimated_is_no_more_than_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = StringIO()
    monkeypatch.setattr(progress, "errors", Console(file=drawn, force_terminal=True, width=120, _environ={}))
    with progress.shown("crm") as tell:
        tell("dump", 0, 100)
        tell("dump", 150, 100)
    assert "150/150 bytes" in drawn.getvalue()


def test_a_dump_is_expected_to_be_as_large_as_the_last_one() -> None:
    told = list[tuple[str, int, int | None]]()

    def tell(phase: str, done_bytes: int, total_bytes: int | None) -> None:
        told.append((phase, done_bytes, total_bytes))

    for plain_bytes in (60, None):
        measured = progress.as_last_time(tell, plain_bytes)
        measured("dump", 10, 100)
        measured("copy to nas", 1, 5)
    assert told == [("dump", 10, 60), ("copy to nas", 1, 5), ("dump", 10, 100), ("copy to nas", 1, 5)]


def test_how_large_the_last_one_was_is_in_the_ledger(month: Month) -> None:
    config = load_config(month.folder / "ops.yaml")
    assert last_size(config, "crm") is None
    month.backed_up(30, size=500)
    month.backed_up(2, size=1000)
    assert last_size(config, "crm") == 3000
    assert last_size(config, "nobody") is None
