"""A house whose databases are SQLite files: an `ops.yaml` that protects them, and the steps every test takes."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage
import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.sqlite.engine import SQLiteEngine
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.workspace import Workspace

# What SQLite files can hold that a careless copy or comparison would lose.
EVERYTHING = """
create table people (id integer primary key autoincrement, name text not null unique, born date, weight real);
create table "odd ""name" (a, b blob, c generated always as (a || 'x') virtual, primary key (a, b)) without rowid;
create table orders (id integer primary key, person integer references people(id), note text);
create index by_name on people (lower(name)) where born is not null;
create view adults as select * from people where born < '2008-01-01';
create trigger keep after delete on people begin insert into orders(note) values ('gone ' || old.name); end;
create virtual table words using fts5(word);
create table alembic_version (version_num text);
insert into alembic_version values ('0042');
insert into people (name, born, weight) values ('Ada', '1815-12-10', 55.5), ('Žofie', null, null), ('', '', 1e308);
delete from people where name = '';
insert into "odd ""name" values (cast(x'ff00fe' as text), x'00ff'), (1, x''), ('1', x'01');
insert into words values ('needle in a haystack');
pragma user_version = 7;
"""


@dataclass(frozen=True)
class House:
    """A folder `data` with databases in it, protected as the source `app`."""

    path: Path

    @property
    def data(self) -> Path:
        """Where the databases are."""
        return self.path / "data"

    def database(self, name: str, script: str, *, journal: str = "wal") -> Path:
        """Make a database, or change it; returns its file."""
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as opened:
            opened.execute(f"pragma journal_mode={journal}")
            opened.executescript(script)
        return path

    def configure(self, **source: Any) -> Workspace:
        """Write `ops.yaml` and open it."""
        identity = pyrage.x25519.Identity.from_str((self.path / "age.key").read_text("utf-8"))
        document = {
            "base": "base",
            "defaults": {"encrypt": {"age": [str(identity.to_public())], "identity": {"file": "age.key"}}},
            "stores": {"nas": {"kind": "directory", "path": "nas"}},
            "sources": {"app": {"kind": "sqlite", "paths": ["data"], "copies": ["nas"], **source}},
        }
        (self.path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
        return Workspace(load_config(self.path / "ops.yaml", environ={}))

    def engine(self, workspace: Workspace) -> SQLiteEngine:
        """The engine of the source."""
        engine = workspace.config.engine("app")
        assert isinstance(engine, SQLiteEngine)
        return engine

    def proved(self, workspace: Workspace) -> tuple[RestorePoint, Verdict]:
        """Back up, copy, and verify the copy."""
        take_backup(workspace, "app")
        point = workspace.catalogue("app").newest
        assert point is not None
        copy_to(workspace, point, "nas")
        point = workspace.catalogue("app").newest
        assert point is not None
        return point, verify(workspace, point)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """An empty house with an age key."""
    (tmp_path / "age.key").touch(mode=0o600)
    (tmp_path / "age.key").write_text(str(pyrage.x25519.Identity.generate()), encoding="utf-8")
    return House(tmp_path)
