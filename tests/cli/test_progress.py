"""What the bars on a terminal say of how much is done."""

from io import StringIO

import pytest
from rich.console import Console

from ops_pipelines.cli import progress


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
