"""Something for each engine to protect: small, of every kind of content that matters, and with a canary in it."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TestServer as PostgresServer
from tests.engines.mongodb.archives import write_archive
from tests.engines.mongodb.conftest import TestServer as MongoServer
from tests.engines.mysql.conftest import TestServer as MySQLServer

ENGINES = ("postgres", "mysql", "mongodb", "sqlite", "files")
CANARY = "plain-canary-7731"
"""Stands in every source: wherever else it is found, something was decrypted and left."""

_ROWS = 4000


@dataclass(frozen=True)
class Protected:
    """A source, and what its section of `ops.yaml` says.

    Attributes:
        secrets: files beside `ops.yaml`, by name.
        folder: where it lies, when it lies in files; the canary is allowed there.
        change: adds something to it.
        state: a number that `change` makes larger: how many things are in it.
        legacy: writes a backup of it by other means to a path; None where none is known.
        beside: a target beside it, of a name.
    """

    kind: str
    source: Mapping[str, Any]
    change: Callable[[], object]
    state: Callable[[], int] = lambda: 0
    legacy: Callable[[Path], object] | None = None
    beside: Callable[[str], str] = lambda name: name
    secrets: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


def protect(engine: str, request: pytest.FixtureRequest, folder: Path) -> Protected:
    """A new one of an engine: a database on the session's server, or files in `folder`."""
    return _MAKERS[engine](request, folder)


def _postgres(request: pytest.FixtureRequest, folder: Path) -> Protected:
    server: PostgresServer = request.getfixturevalue("pg18")
    name = server.new_database()
    server.sql(
        "create table big (id bigint primary key, body text)",
        f"insert into big select i, md5(i::text) || '{CANARY}' from generate_series(1, {_ROWS}) i",
        "create index on big (body)",
        "create table small (id serial primary key, v text)",
        "insert into small (v) select 'row ' || i from generate_series(1, 100) i",
        "create view seen as select * from small where id < 10",
        database=name,
    )
    return Protected(
        "postgres",
        {"kind": "postgres", "url": {"file": "url"}},
        change=lambda: server.sql("insert into small (v) values ('more')", database=name),
        state=lambda: int(server.sql("select count(*) from small", database=name)[0][0]),
        legacy=lambda path: _dumped(
            path,
            [server.programs.path("pg_dump"), f"--dbname={server.superuser.at(dbname=name).argument()}"],
            server.superuser.environment(),
        ),
        secrets={"url": server.url(name)},
    )


def _mysql(request: pytest.FixtureRequest, folder: Path) -> Protected:
    server: MySQLServer = request.getfixturevalue("mariadb")
    name = server.new_database()
    server.sql(
        "create table big (id bigint primary key, body varchar(200), key (body))",
        f"insert into big select seq, concat(md5(seq), '{CANARY}') from seq_1_to_{_ROWS}",
        "create table small (id int primary key auto_increment, v varchar(99))",
        "insert into small (v) select concat('row ', seq) from seq_1_to_100",
        "create view seen as select * from small where id < 10",
        database=name,
    )
    return Protected(
        "mysql",
        {"kind": "mysql", "url": {"file": "url"}},
        change=lambda: server.sql("insert into small (v) values ('more')", database=name),
        state=lambda: int(server.sql("select count(*) from small", database=name)[0][0]),
        legacy=lambda path: _dumped(
            path,
            ["mariadb-dump", f"--socket={server.root.socket}", f"--user={server.root.user}", "--routines", name],
            {"MYSQL_PWD": server.root.password, "PATH": os.environ["PATH"]},
        ),
        secrets={"url": server.url(name)},
    )


def _mongodb(request: pytest.FixtureRequest, folder: Path) -> Protected:
    server: MongoServer = request.getfixturevalue("mongo")
    database = server.new_database()
    database["big"].insert_many([{"_id": i, "body": f"{i:08} {CANARY}"} for i in range(_ROWS)])
    database["big"].create_index("body")
    database["small"].insert_many([{"_id": i, "v": f"row {i}"} for i in range(100)])

    def change() -> None:
        database["small"].insert_one({"v": "more"})

    return Protected(
        "mongodb",
        {"kind": "mongodb", "url": {"file": "url"}},
        change=change,
        state=lambda: database["small"].count_documents({}),
        legacy=lambda path: path.write_bytes(
            write_archive({"small": ({}, list(database["small"].find()))}, database=database.name)
        ),
        secrets={"url": server.url(database.name)},
    )


def _sqlite(request: pytest.FixtureRequest, folder: Path) -> Protected:
    folder.mkdir()
    path = folder / "app.sqlite"

    def execute(script: str) -> None:
        with closing(sqlite3.connect(path)) as opened:
            opened.executescript(script)

    def state() -> int:
        with closing(sqlite3.connect(path)) as opened:
            return int(opened.execute("select count(*) from small").fetchone()[0])

    execute(
        "pragma journal_mode=wal; create table big (id integer primary key, body text); create index b on big (body);"
        f"with recursive s(i) as (select 1 union all select i + 1 from s where i < {_ROWS})"
        f" insert into big select i, hex(randomblob(16)) || '{CANARY}' from s;"
        "create table small (id integer primary key autoincrement, v text); insert into small (v) values ('one');"
    )
    return Protected(
        "sqlite",
        {"kind": "sqlite", "paths": [str(folder)]},
        change=lambda: execute("insert into small (v) values ('more')"),
        state=state,
        beside=lambda name: str(folder.with_name(name)),
        folder=folder,
    )


def _files(request: pytest.FixtureRequest, folder: Path) -> Protected:
    (folder / "deep" / "er").mkdir(parents=True)
    for number in range(60):
        (folder / "deep" / f"{number}.txt").write_text(f"{number} {CANARY}\n" * (1 + number * 20), encoding="utf-8")
    (folder / "deep" / "er" / "link").symlink_to("../1.txt")
    (folder / "empty").mkdir()
    made = iter(range(10**6))
    return Protected(
        "files",
        {"kind": "files", "paths": [str(folder)], "password": {"file": "restic"}},
        change=lambda: (folder / f"more {next(made)}").write_text("more", encoding="utf-8"),
        state=lambda: sum(1 for each in folder.rglob("*")),
        beside=lambda name: str(folder.with_name(name)),
        secrets={"restic": "canary rest 'ic"},
        folder=folder,
    )


def _dumped(path: Path, argv: Sequence[str | Path], environment: Mapping[str, str]) -> None:
    with path.open("wb") as opened:
        subprocess.run(argv, env=environment, stdout=opened, check=True)


_MAKERS = {"postgres": _postgres, "mysql": _mysql, "mongodb": _mongodb, "sqlite": _sqlite, "files": _files}
