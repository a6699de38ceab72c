"""A prune killed at any moment leaves whole restore points or none, and the next one finishes; a failure stops it."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.workspace import Workspace, open_workspace
from tests.faults.conftest import wait_until
from tests.faults.house import REPOSITORY
from tests.sample import StoppedClock, crm_server, write_config
from tests.unit.histories import made, publish

NOW = datetime.now(timezone.utc).replace(microsecond=0)
KEEP = {"last": 3, "daily": 0, "weekly": 0, "monthly": 0, "min_verified": 2}
MANY = 80


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Many verified restore points in two stores, and a policy that keeps three."""
    document = {
        "base": "base",
        "defaults": {"keep": KEEP},
        "stores": {"nas": {"kind": "directory", "path": "nas"}},
        "sources": {"crm": {"kind": "postgres", "url": "dbname=crm"}},
    }
    path = tmp_path / "ops.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    stores = [store for store in opened(path).stores.values() if isinstance(store, DirectoryStore)]
    for age in range(MANY):
        publish(made(NOW - timedelta(hours=age + 1), "verified", stores=("local", "nas")), *stores)
    return path


def opened(path: Path) -> Workspace:
    return open_workspace(load_config(path, environ={}))


@contextmanager
def pruning(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    argv = [sys.executable, "-m", "tests.faults.worker", "prune", str(path)]
    with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            yield process
        finally:
            process.kill()


def test_a_prune_killed_at_any_moment_leaves_whole_restore_points_and_the_next_one_finishes(house: Path) -> None:
    chance = random.Random(4)
    newest = [point.id for point in opened(house).catalogue("crm").points[-3:]]
    local = opened(house).local
    left = MANY
    for _ in range(5):
        until = left - chance.randint(1, 10)
        with pruning(house) as process:
            wait_until(lambda until=until: len(local.ids("crm")) <= until)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.01))  # the moment of the kill is the experiment
            process.kill()
        catalogue = opened(house).catalogue("crm")
        assert catalogue.problems == ()
        assert [point.id for point in catalogue.points[-3:]] == newest
        assert all(point.verified for point in catalogue.points), "no restore point is left without its verdict"
        left = len(local.ids("crm"))
        assert left > 3, "it was killed before it was done"

    (source,) = prune(opened(house), ["crm"], apply=True)
    assert source.problems == []
    for store in opened(house).stores.values():
        assert isinstance(store, DirectoryStore)
        assert store.ids("crm") == newest
        assert sorted(path.name for path in (store.root / ".verdicts" / "crm").iterdir()) == newest
        assert [path for path in (store.root / ".staging").iterdir() if path.is_dir()] == []
    rows = opened(house).ledger.recent(limit=1000)
    assert {row.status for row in rows} <= {"succeeded", "failed"}
    finished = {(row.backup_id, row.store) for row in rows if row.kind == "prune" and row.status == "succeeded"}
    assert len(finished) >= 2 * (MANY - 3) - 5, "all but what a kill hit between a deletion and its last word"


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The protected database."""
    with crm_server(tmp_path_factory.mktemp("source") / "pg") as server:
        yield server


def test_a_failed_dump_holds_every_deletion_until_a_backup_is_good_again(tmp_path: Path, crm: Server) -> None:
    path = write_config(
        tmp_path, crm, source=f"    keep: {json.dumps({**KEEP, 'last': 1, 'min_verified': 1})}", copies="[]"
    )
    for age in (3, 2, 1):
        workspace = Workspace(load_config(path), StoppedClock(NOW - timedelta(hours=age)))
        take_backup(workspace, "crm")
        point = workspace.catalogue("crm").newest
        assert point is not None and verify(workspace, point).outcome == "verified"
    held = opened(path).local.ids("crm")
    (tmp_path / "crm.url").write_text(crm.at(password="wrong").url(), encoding="utf-8")
    with pytest.raises(OpsError):
        take_backup(opened(path), "crm")
    (source,) = prune(opened(path), ["crm"], apply=True)
    assert "the last dump failed" in source.refused and "backup of crm failed" in source.refused
    assert opened(path).local.ids("crm") == held

    (tmp_path / "crm.url").write_text(crm.url(), encoding="utf-8")
    taken = take_backup(opened(path), "crm")
    (source,) = prune(opened(path), ["crm"], apply=True)
    assert f"{taken.id} is not verified" in source.refused
    point = opened(path).catalogue("crm").newest
    assert point is not None and verify(opened(path), point).outcome == "verified"
    (source,) = prune(opened(path), ["crm"], apply=True)
    assert source.problems == []
    assert opened(path).local.ids("crm") == [taken.id]
