"""Anything a PostgreSQL server can hold comes back, and the comparison that says so is not blind."""

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.verify import verify
from tests.conftest import MakeWorkspace, TestServer

FORMATS = ("custom", "directory", "sql")


@pytest.mark.parametrize("form", FORMATS)
def test_everything_comes_back(pg: TestServer, everything: str, form: str, make_workspace: MakeWorkspace) -> None:
    made = make_workspace(pg.url(everything), format=form)
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    verdict = verify(made.workspace, point)
    assert [f"{check.name}: {check.detail}" for check in verdict.checks if not check.passed] == []
    assert verdict.outcome == "verified"
    assert verdict.warnings == []
