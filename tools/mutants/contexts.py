"""A pytest plugin for the copy: coverage is told which test runs, and how long each took is written down."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

_took: dict[str, float] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Everything that runs for a test, its fixtures too, is of its context."""
    if (measured := coverage.Coverage.current()) is not None:
        measured.switch_context(item.nodeid)
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Seconds, setup and all; none for one that did not pass: it tells nothing of a change."""
    if report.passed:
        _took[report.nodeid] = _took.get(report.nodeid, 0) + report.duration
    else:
        _took[report.nodeid] = float("inf")


def pytest_sessionfinish() -> None:
    """For who chooses tests."""
    Path(os.environ["OPS_MUTANTS_TOOK"]).write_text(json.dumps(_took), "utf-8")
