"""Plain heartbeat URLs hear of every attempt, in order, and a dead host delays nobody."""

import json
from collections.abc import Iterator

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.verify import verify
from ops_pipelines.workspace import Workspace
from tests.conftest import Made, MakeWorkspace, TestServer
from tests.watch.outside import Listener, listener, wait_for


@pytest.fixture
def outside() -> Iterator[Listener]:
    with listener() as found:
        yield found


def heard(made: Made, outside: Listener) -> Workspace:
    """The workspace, with heartbeats under `defaults:`."""
    path = made.path / "ops.yaml"
    document = json.loads(path.read_text("utf-8"))
    (made.path / "backup").write_text(outside.url("/ping/key/{source}-backup?create=1"), encoding="utf-8")
    document["defaults"]["heartbeats"] = {"backup": {"file": "backup"}, "verify": outside.url("/verify")}
    path.write_text(json.dumps(document), encoding="utf-8")
    return Workspace(load_config(path, environ={}))


def test_start_and_success_are_told_in_order(
    make_workspace: MakeWorkspace, outside: Listener, pg18: TestServer
) -> None:
    workspace = heard(make_workspace(pg18.url(pg18.new_database())), outside)
    take_backup(workspace, "crm")
    wait_for(lambda: len(outside.beats) == 2)
    assert outside.beats == [("/ping/key/crm-backup/start?create=1", ""), ("/ping/key/crm-backup?create=1", "")]
    outside.beats.clear()
    point = workspace.catalogue("crm").newest
    assert point is not None
    verify(workspace, point)
    wait_for(lambda: len(outside.beats) == 2)
    assert outside.beats == [("/verify/start", ""), ("/verify", "")]


def test_a_failure_is_told_with_a_short_reason_and_no_secret(make_workspace: MakeWorkspace, outside: Listener) -> None:
    workspace = heard(make_workspace("postgresql://boss:hunter-canary@127.0.0.1:1/crm"), outside)
    with pytest.raises(OpsError):
        take_backup(workspace, "crm")
    wait_for(lambda: len(outside.beats) == 2)
    path, body = outside.beats[1]
    assert path == "/ping/key/crm-backup/fail?create=1"
    assert body.startswith("backup of crm failed")
    assert len(body) <= 1000
    assert "hunter-canary" not in body


def test_a_host_that_hangs_delays_no_backup(make_workspace: MakeWorkspace, outside: Listener, pg18: TestServer) -> None:
    workspace = heard(make_workspace(pg18.url(pg18.new_database())), outside)
    outside.release.clear()
    take_backup(workspace, "crm")
    wait_for(outside.held.is_set)
    assert outside.beats == [], "the backup ended while its start was still held"
