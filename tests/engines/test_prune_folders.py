"""Retention of folders: the restore point leaves the store, then its data leaves the repository, even after a kill."""

import json
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.unit.histories import made

NOW = datetime.now(timezone.utc)
KEEP = {"last": 1, "daily": 0, "weekly": 0, "monthly": 0, "min_verified": 1}


@pytest.fixture
def taken(tmp_path: Path) -> tuple[Workspace, list[Manifest]]:
    """Two restore points of a folder, each with a file of its own, in two stores; one is to stay."""
    (tmp_path / "uploads").mkdir()
    (tmp_path / "password").write_text("canary", encoding="utf-8")
    document = {
        "base": "base",
        "defaults": {"keep": KEEP, "copies": ["nas"]},
        "stores": {"nas": {"kind": "directory", "path": "nas"}},
        "sources": {"uploads": {"kind": "files", "paths": ["uploads"], "password": {"file": "password"}}},
    }
    (tmp_path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    clock = StoppedClock(NOW - timedelta(hours=9))
    workspace = Workspace(load_config(tmp_path / "ops.yaml", environ={}), clock)
    manifests = []
    for number in range(2):
        (tmp_path / "uploads" / f"{number}.bin").write_bytes(bytes([number]) * 200_000)
        clock.at += timedelta(hours=2)
        manifest = take_backup(workspace, "uploads")
        newest = workspace.catalogue("uploads").newest
        assert newest is not None
        copy_to(workspace, newest, "nas")
        workspace.local.keep_verdict(made(clock.at, "verified", backup_id=manifest.id, source="uploads").verdicts[0])
        manifests.append(manifest)
    clock.at += timedelta(hours=1)
    return workspace, manifests


def snapshots(workspace: Workspace, store: str) -> list[set[str]]:
    """The tags of what restic holds."""
    environment = {"RESTIC_PASSWORD": "canary", "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp"}
    address = workspace.stores[store].repository("uploads").address
    done = subprocess.run(
        ["restic", "-r", address, "--no-cache", "--json", "snapshots"], env=environment, capture_output=True, check=True
    )
    return [set(each["tags"]) for each in json.loads(done.stdout)]


def later(workspace: Workspace) -> None:
    assert isinstance(workspace.clock, StoppedClock)
    workspace.clock.at += timedelta(minutes=1)


def tag(manifest: Manifest) -> str:
    return str(manifest.engine["tag"])


def test_restic_forgets_what_retention_deletes_and_is_asked_again_where_it_could_not(
    taken: tuple[Workspace, list[Manifest]],
) -> None:
    workspace, manifests = taken
    password = workspace.config.base.parent / "password"
    password.write_text("another", encoding="utf-8")
    (source,) = prune(workspace, ["uploads"], store="nas", apply=True)
    assert any("cannot be removed" in problem for problem in source.problems)
    assert workspace.stores["nas"].ids("uploads") == [manifests[-1].id]
    password.write_text("canary", encoding="utf-8")
    assert len(snapshots(workspace, "nas")) == 2

    later(workspace)
    (source,) = prune(workspace, ["uploads"], apply=True)
    assert source.problems == []
    for store in ("local", "nas"):
        assert workspace.stores[store].ids("uploads") == [manifests[-1].id]
        (left,) = snapshots(workspace, store)
        assert tag(manifests[-1]) in left


def test_what_a_killed_prune_left_in_the_repository_is_forgotten_by_the_next(
    taken: tuple[Workspace, list[Manifest]],
) -> None:
    workspace, manifests = taken
    oldest = manifests[0]
    facts = {oldest.id: dict(oldest.engine)}
    # What a kill between the restore point's end and restic's leaves: no manifest, a failed activity, the data.
    with workspace.ledger.activity("forget", source="uploads", store="local", meta={"facts": facts}) as entry:
        workspace.local.delete("uploads", oldest.id)
        entry.fail("the process that worked on it died")
    assert any(tag(oldest) in tags for tags in snapshots(workspace, "local"))
    later(workspace)
    (source,) = prune(workspace, ["uploads"], apply=True)
    assert source.problems == []
    assert [tag(manifests[-1]) in tags for tags in snapshots(workspace, "local")] == [True]
    later(workspace)
    prune(workspace, ["uploads"], apply=True)
    assert [row.status for row in workspace.ledger.recent(kind="forget") if row.store == "local"] == [
        "succeeded", "failed",
    ]  # fmt: skip
