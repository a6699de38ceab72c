"""One round of a database that we did not make: backed up, verified, restored beside itself, judged by its texts."""

import secrets
from typing import Any

from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace
from tests.conftest import MakeWorkspace
from tests.conftest import TestServer as PostgresServer
from tests.engines.mysql.conftest import TestServer as MysqlServer
from tests.oracle import texts


def postgres_round(server: PostgresServer, database: str, make_workspace: MakeWorkspace, **source: Any) -> None:
    """The database is verified, comes back under another name, and reads the same to `pg_dump`."""
    workspace = make_workspace(server.url(database), **source).workspace
    point = _verified(workspace)
    back = f"back_{secrets.token_hex(4)}"
    _restored(workspace, point, back)
    at = server.superuser
    assert texts.postgres_difference(server.programs, at.at(dbname=database), at.at(dbname=back)) == ""


def mysql_round(server: MysqlServer, database: str, make_workspace: MakeWorkspace, **source: Any) -> RestorePoint:
    """The same for MySQL and MariaDB, and their dump clients; returns the restore point."""
    workspace = make_workspace(server.url(database), kind="mysql", **server.source(**source)).workspace
    point = _verified(workspace)
    back = f"back_{secrets.token_hex(4)}"
    _restored(workspace, point, back)
    assert texts.mysql_difference(server.root.at(database), server.root.at(back), server.bin_dirs) == ""
    return point


def _verified(workspace: Workspace) -> RestorePoint:
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    verdict = verify(workspace, point)
    failed = [f"{check.name}: {check.detail}" for check in verdict.failed]
    assert failed == []
    assert (verdict.outcome, list(verdict.gaps), verdict.warnings) == ("verified", [], [])
    return point


def _restored(workspace: Workspace, point: RestorePoint, target: str) -> None:
    recovered = restore_to(workspace, point, target)
    assert [
        f"{check.name}: {check.detail}" for check in recovered.checks if not check.passed and not check.attention
    ] == []
