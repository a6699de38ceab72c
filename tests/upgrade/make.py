"""Write what this release leaves on a disk, for later releases to read: `python -m tests.upgrade.make`.

A house with one SQLite source, two proved restore points in two stores, an alert, and its ledger as SQL of SQLite
and of PostgreSQL. It is kept in `releases/`, under the numbers of its formats; one that is there is never written
anew: it is what that release wrote. The signing key stays behind, since later releases only check.
"""

import json
import shutil
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from alembic.config import Config
from psycopg import connect
from sqlalchemy import Engine, MetaData, create_engine, delete, insert, select, text

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.server import scratch_server
from ops_pipelines.ledger import ledger as ledger_room
from ops_pipelines.ledger.ledger import HEAD
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault import manifest, verdict
from ops_pipelines.vault.signing.keys import SIGNING
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.workspace import Workspace
from tests.sample import MAJOR, execute

RELEASES = Path(__file__).with_name("releases")
NAME = f"manifest-{manifest.VERSION}-verdict-{verdict.VERSION}-ledger-{HEAD}"
DATA = """
create table companies (id integer primary key, name text not null);
insert into companies (name) values ('Čapek'), ('O''Neill'), (x'00ff');
"""
CONFIG = {
    "base": "base",
    "ledger": {"file": "ledger.url"},
    "defaults": {"copies": ["nas"], "keep": {"last": 1, "daily": 0, "weekly": 0, "monthly": 0, "min_verified": 1}},
    "stores": {"nas": {"kind": "directory", "path": "nas"}},
    "sources": {"crm": {"kind": "sqlite", "paths": ["crm.db"]}},
}


def opened(house: Path, ledger: str) -> Workspace:
    """The workspace of a house, with its ledger at a URL."""
    secret = house / "ledger.url"
    secret.touch(mode=0o600)
    secret.write_text(ledger, encoding="utf-8")
    return Workspace(load_config(house / "ops.yaml", environ={}))


def lived_in(house: Path, ledger: str) -> None:
    """Back up, copy and prove twice; fail once, and tell of it."""
    (house / "ops.yaml").write_text(json.dumps(CONFIG, indent=1) + "\n", encoding="utf-8")
    with sqlite3.connect(house / "crm.db") as database:
        database.executescript(DATA)
    workspace = opened(house, ledger)
    for _ in range(2):
        take_backup(workspace, "crm")
        newest = workspace.catalogue("crm").newest
        assert newest is not None
        copy_to(workspace, newest, "nas")
        assert verify(workspace, newest, store="nas").outcome == "verified"
    with workspace.ledger.activity("dump", source="crm") as entry:
        entry.fail("no room")
    watch_once(workspace)


def main() -> int:
    """Write the release's files unless they are there; 1 when they are."""
    target = RELEASES / NAME
    if target.exists():
        sys.stdout.write(f"{target} is there already: no format has a new number\n")
        return 1
    with TemporaryDirectory() as made, TemporaryDirectory(prefix="ops-") as place:
        house = Path(made) / "house"
        house.mkdir()
        with scratch_server(clients.for_server(MAJOR), Path(place)) as server:
            lived_in(house, f"sqlite:///{house / 'ledger.sqlite'}")
            with sqlite3.connect(house / "ledger.sqlite") as database:
                kept = "\n".join(database.iterdump()) + "\n"
            # The same rows in PostgreSQL: another life would have other restore points.
            execute(server, "create database ledger")
            there = server.at(dbname="ledger")
            login = {"password": there.environment().get("PGPASSWORD", "")}
            copied(
                house / "ledger.sqlite",
                create_engine("postgresql+psycopg://", creator=partial(connect, there.argument(), **login)),
            )
            argv = [clients.for_server(MAJOR).path("pg_dump"), "--inserts", "--no-owner", there.argument()]
            dumped = subprocess.run(argv, env=there.environment(), check=True, capture_output=True, text=True).stdout
        for name in ("restore-points", "keys"):
            shutil.copytree(house / "base" / name, target / "base" / name, ignore=shutil.ignore_patterns(SIGNING))
        shutil.copytree(house / "nas", target / "nas", ignore=shutil.ignore_patterns(".staging"))
        shutil.copy(house / "ops.yaml", target)
    (target / "ledger.sqlite.sql").write_text(kept, encoding="utf-8")
    (target / "ledger.postgres.sql").write_text(dumped, encoding="utf-8")
    sys.stdout.write(f"{target}\n")
    return 0


def copied(file: Path, target: Engine) -> None:
    """Bring every row of an SQLite ledger into an empty PostgreSQL database, at the same revision."""
    origin = create_engine(f"sqlite:///{file}")
    with origin.connect() as reading, target.connect() as writing:
        revision = reading.execute(text("select version_num from alembic_version")).scalar_one()
        settings = Config()
        settings.set_main_option("script_location", str(Path(ledger_room.__file__).with_name("migrations")))
        settings.attributes["connection"] = writing
        command.upgrade(settings, revision)
        tables = MetaData()
        tables.reflect(writing)
        for table in tables.sorted_tables:
            if table.name == "alembic_version":
                continue
            writing.execute(delete(table))
            # The types are PostgreSQL's: times and JSON come out of SQLite's text as what they are.
            rows = [dict(row._mapping) for row in reading.execute(select(*table.columns))]
            if rows:
                writing.execute(insert(table), rows)
        writing.commit()


if __name__ == "__main__":
    sys.exit(main())
