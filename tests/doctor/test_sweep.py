"""`ops doctor --sweep` removes what dead runs of ours left, and nothing that merely looks like it."""

import os
import subprocess
import sys
from pathlib import Path

from ops_pipelines import lease
from ops_pipelines.backup.take import take_backup
from ops_pipelines.doctor.litter import sweep
from ops_pipelines.ledger.models import RUNNING
from tests.doctor.conftest import House

ACTIVITY = """
import os, sys
from ops_pipelines.config.load import load_config
from ops_pipelines.workspace import Workspace
from pathlib import Path
workspace = Workspace(load_config(Path(sys.argv[1]), environ={}))
with workspace.ledger.activity("dump", source="crm"):
    os.kill(os.getpid(), 9)
"""
OURS, THEIRS = "verify_00000000000000aa", ("verify_foo", "verify_0123456789abcdef")


def restic(house: House, *words: str) -> str:
    """restic on the local repository of the folders, as its owner may use it, too."""
    repository = house.path / "base" / "restore-points" / ".restic" / "docs"
    environment = {
        **os.environ,
        "RESTIC_REPOSITORY": str(repository),
        "RESTIC_PASSWORD_FILE": str(house.path / "restic.key"),
    }
    done = subprocess.run(["restic", *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_only_what_is_ours_and_ownerless_goes(house: House) -> None:
    base, server = house.path / "base", house.server
    lent = {"server": {"url": {"file": "lent.url"}, "disposable": True}}
    (house.path / "lent.url").touch(mode=0o600)
    (house.path / "lent.url").write_text(server.url("postgres"), encoding="utf-8")
    with house.changed(lambda document: document["sources"]["crm"].update(verify=lent)):
        workspace = house.workspace()
        lost = take_backup(workspace, "docs")
        tag = str(lost.engine["tag"])
        workspace.local.delete("docs", lost.id)
        # Ours: a scratch directory with a process in it and a noted database, a staged copy, a snapshot, an attempt.
        scratch = base / "scratch" / "postgres-0a0b0c0d"
        scratch.mkdir(parents=True)
        (scratch / "lodging.json").write_text(f'{{"source": "crm", "database": "{OURS}"}}', encoding="utf-8")
        (scratch / "people.csv").write_text("decrypted", encoding="utf-8")
        orphan = subprocess.Popen(["sleep", "1000"], cwd=scratch)
        staged = house.path / "nas" / ".staging" / "20260101T000000Z-abcd"
        staged.mkdir(parents=True)
        subprocess.run([sys.executable, "-c", ACTIVITY, str(house.config)], check=False)
        # Theirs: names that look like ours, and directories beside ours.
        for name in (OURS, *THEIRS):
            server.sql(f"create database {name}")
        notes = [base / "scratch" / "my-notes", house.path / "nas" / ".staging" / "keep-me"]
        for path in notes:
            path.mkdir()
            (path / "letter").write_text("mine", encoding="utf-8")
        (base / "scratch" / "postgres-99999999").write_text("a file of mine", encoding="utf-8")
        restic(house, "backup", "--tag", "docs", "--tag", "mine", str(house.path / "docs"))
        theirs = subprocess.Popen(["sleep", "1000"], cwd=house.path)
        with lease.owned_directory(base / "scratch" / "postgres-0badcafe") as alive:
            planned = sweep(workspace, dry_run=True)
            assert scratch.exists() and staged.exists() and orphan.poll() is None and tag in restic(house, "snapshots")
            done = sweep(workspace, dry_run=False)
            assert alive.exists()
        theirs_lives = theirs.poll() is None
        theirs.kill()
        orphan.wait(timeout=30)
        again = sweep(workspace, dry_run=True)
    expected = (scratch.name, OURS, staged.name, "activity", "snapshot")
    assert all(any(word in line for line in planned.removed) for word in expected), planned
    assert len(planned.removed) == len(expected)
    assert not scratch.exists() and not staged.exists() and theirs_lives
    assert {path.name: (path / "letter").read_text() for path in notes} == dict.fromkeys(
        ("my-notes", "keep-me"), "mine"
    )
    assert (base / "scratch" / "postgres-99999999").read_text(encoding="utf-8") == "a file of mine"
    databases = {name for (name,) in server.sql("select datname from pg_database where datname like 'verify%'")}
    assert databases == set(THEIRS)
    snapshots = restic(house, "snapshots")
    assert "mine" in snapshots and tag not in snapshots
    assert [row for row in house.workspace().ledger.recent(limit=500) if row.status == RUNNING] == []
    assert {Path(what).name: why for what, why in done.left} == {
        "postgres-0badcafe": "its run is under way", "my-notes": "we did not make it", "keep-me": "we did not make it"
    }  # fmt: skip
    assert again.removed == [], "nothing of ours is left"
    for name in THEIRS:
        server.sql(f"drop database {name}")


def test_the_data_of_a_restore_point_that_is_not_signed_is_nobody_s_litter(house: House) -> None:
    """It is from before signatures, or of another installation that shares the store."""
    workspace = house.workspace()
    taken = take_backup(workspace, "docs")
    signature = workspace.local.directory("docs", taken.id) / "manifest.json.minisig"
    with house.replaced(signature, None):
        done = sweep(house.workspace(), dry_run=False)
        assert any("not judged" in why and taken.id in why for _, why in done.left), done.left
    assert str(taken.engine["tag"]) in restic(house, "snapshots")
    assert any(point.id == taken.id for point in workspace.catalogue("docs").points)


def test_what_cannot_be_removed_is_told_and_kept_in_mind(house: House) -> None:
    left = house.path / "base" / "scratch" / "postgres-0a0b0c0e"
    left.mkdir(parents=True)
    (left / "lodging.json").write_text(f'{{"source": "crm", "database": "{OURS}"}}', encoding="utf-8")
    done = sweep(house.workspace(), dry_run=False)
    assert left.is_dir() and any(OURS in what for what, _ in done.left)
    (left / "lodging.json").unlink()
    assert str(left) in sweep(house.workspace(), dry_run=False).removed
