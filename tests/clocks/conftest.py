"""A database in a file, protected by real verbs, and a clock that a test may set as it likes."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyrage
import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.watch.alerts.rules import look_at_attempts, look_at_standing
from ops_pipelines.watch.health import SourceHealth, source_health
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock, flip_byte

NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


class Notes:
    """The source `notes` with a copy in `nas`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, StoppedClock(NOW)
        with closing(sqlite3.connect(folder / "notes.sqlite3")) as opened:
            opened.executescript("create table notes (text); insert into notes values ('first')")
        identity = pyrage.x25519.Identity.generate()
        (folder / "age.key").touch(mode=0o600)
        (folder / "age.key").write_text(str(identity), encoding="utf-8")
        source = {
            "kind": "sqlite", "paths": ["notes.sqlite3"], "copies": ["nas"], "keep": {"last": 1, "daily": 3},
            "encrypt": {"age": [str(identity.to_public())], "identity": {"file": "age.key"}},
        }  # fmt: skip
        stores = {"nas": {"kind": "directory", "path": "nas"}}
        document = {"base": "base", "stores": stores, "sources": {"notes": source}}
        (folder / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
        self.workspace = Workspace(load_config(folder / "ops.yaml", environ={}), self.clock)

    def backed_up(self, *, at: datetime | None = None, proved: bool = True) -> RestorePoint:
        """A restore point, copied, and proved from `nas`; by a clock that shows this time, where one is given."""
        now, self.clock.at = self.clock.at, at or self.clock.at
        manifest = take_backup(self.workspace, "notes")
        copy_to(self.workspace, self.point(manifest.id), "nas")
        if proved:
            assert self.proved(manifest.id).outcome == "verified"
        self.clock.at = now
        return self.point(manifest.id)

    def proved(self, backup_id: str) -> Verdict:
        """A verification of the copy in `nas`."""
        return verify(self.workspace, self.point(backup_id), store="nas")

    def grown(self) -> None:
        """The database is far larger than before."""
        with closing(sqlite3.connect(self.folder / "notes.sqlite3")) as opened:
            opened.executescript("insert into notes values (hex(zeroblob(200000)))")

    def damaged(self, backup_id: str) -> None:
        """One byte of the copy in `nas` is another."""
        folder = self.folder / "nas" / "restore-points" / "notes" / backup_id
        folder = folder if folder.is_dir() else next((self.folder / "nas").rglob(backup_id))
        flip_byte(next(folder.glob("dump*")))

    def point(self, backup_id: str) -> RestorePoint:
        """As the catalogue has it now."""
        found = self.workspace.catalogue("notes").find(backup_id)
        assert found is not None
        return found

    def health(self, **later: float) -> SourceHealth:
        """How it stands, after some time."""
        self.clock.at += timedelta(**later)
        return source_health(self.workspace, "notes")

    def rules(self) -> dict[str, str]:
        """What alerting would tell, by rule: the cause."""
        looks = (look_at_attempts(self.workspace), look_at_standing(self.workspace))
        return {each.rule: each.cause for look in looks for each in look.conditions}


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notes]:
    """Nothing of it is backed up yet; it is noon."""
    yield Notes(tmp_path)
