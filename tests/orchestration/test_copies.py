"""Each copy has a verdict of its own: a damaged one is told, worked around, and replaced."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.cli.main import app
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.watch.health import source_health
from ops_pipelines.workspace import Workspace, open_workspace
from tests.sample import flip_byte, write_config


@pytest.fixture
def workspace(tmp_path: Path, crm: Server) -> Workspace:
    """One restore point, in `local` and in `nas`, proved from `nas`."""
    workspace = open_workspace(load_config(write_config(tmp_path, crm)))
    take_backup(workspace, "crm")
    copy_to(workspace, newest(workspace), "nas")
    assert verify(workspace, newest(workspace)).outcome == "verified"
    return workspace


def newest(workspace: Workspace) -> RestorePoint:
    point = workspace.catalogue("crm").newest
    assert point is not None
    return point


def damage(workspace: Workspace, store: str) -> None:
    part = next(part for part in newest(workspace).manifest.parts if part.role == "dump")
    flip_byte(Path(workspace.stores[store].location("crm", newest(workspace).id)) / part.name)
    assert verify(workspace, newest(workspace), store=store).outcome == "bad"


def test_a_damaged_copy_alarms_but_the_recovery_point_stands_in_the_other(workspace: Workspace) -> None:
    damage(workspace, "nas")
    point = newest(workspace)
    assert (point.verified, list(point.damaged)) == (True, ["nas"])
    health = source_health(workspace, "crm")
    assert health.state == "FAIL"
    assert health.recovery_point == point.id
    assert f"the copy of {point.id} in nas is bad: checksum: dump.pgc.zst.age" in health.cause
    assert health.next == "ops copy crm --to nas"


def test_the_command_that_health_names_replaces_the_damaged_copy(workspace: Workspace) -> None:
    damage(workspace, "nas")
    config = str(workspace.config.base.parent / "ops.yaml")
    done = CliRunner().invoke(app, ["copy", "crm", "--to", "nas", "--config", config])
    assert done.exit_code == 0, done.output
    assert verify(workspace, newest(workspace), store="nas").outcome == "verified"
    assert source_health(workspace, "crm").state == "OK"


def test_with_every_copy_damaged_there_is_no_recovery_point(workspace: Workspace) -> None:
    damage(workspace, "nas")
    damage(workspace, "local")
    assert not newest(workspace).verified
    assert source_health(workspace, "crm").recovery_point is None
