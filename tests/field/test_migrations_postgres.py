"""Migrations that run throughout a backup cost no row, and no good backup is called bad."""

import os
import random
import threading
import time
from collections.abc import Sequence
from contextlib import closing

import psycopg

from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.restore import restore_to
from tests.conftest import Made, MakeWorkspace
from tests.conftest import TestServer as PostgresServer
from tests.field.migrations_postgres import START, steps
from tests.oracle import texts

SEEDS = int(os.environ.get("OPS_FIELD_MIGRATIONS", "4"))
_MANY = 20_000


class _Migrator(threading.Thread):
    """Plays the steps of a seed, one transaction each, until it is told to stop; some stay open for a while."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(daemon=True)
        self._url, self._seed = url, seed
        self.over, self.failed = threading.Event(), ""

    def run(self) -> None:
        pace = random.Random(-self._seed)
        try:
            with closing(psycopg.connect(self._url, application_name="migration")) as connection:
                for statements in steps(self._seed, _MANY):
                    if self.over.is_set():
                        return
                    self._play(connection, statements, pace)
        except psycopg.Error as error:
            self.failed = str(error)

    @staticmethod
    def _play(
        connection: "psycopg.Connection[tuple[object, ...]]", statements: Sequence[str], pace: random.Random
    ) -> None:
        for statement in statements:
            connection.execute(statement.encode())
            time.sleep(pace.choice((0, 0, 0.002, 0.02)))  # a transaction that is open for longer meets more
        connection.commit()
        time.sleep(pace.choice((0, 0, 0, 0.005, 0.5, 2)))  # nobody migrates without a break


def _play_to(server: PostgresServer, seed: int, last: int) -> str:
    """A new database after the steps up to one."""
    name = server.new_database()
    with closing(psycopg.connect(server.url(name), autocommit=True)) as connection:
        for statement in START:
            connection.execute(statement.encode())
        for statements in steps(seed, last):
            for statement in statements:
                connection.execute(statement.encode())
    return name


def _without_sequences(lines: list[str]) -> list[str]:
    """Sequences know no snapshot: where they stand may be a later step's."""
    return [line for line in lines if "setval(" not in line]


def _assert_comes_back(server: PostgresServer, made: Made, name: str, seed: int) -> int:
    """Back up under migrations and restore; what is there must be just what the steps it has seen make.

    Returns:
        How much the fingerprint says nothing about.
    """
    migrator = _Migrator(server.url(name), seed)
    migrator.start()
    try:
        manifest = take_backup(made.workspace, "crm")
    finally:
        migrator.over.set()
        migrator.join()
    assert migrator.failed == "", (seed, migrator.failed)  # the source was not hurt
    back = f"{name}_back"
    point = made.workspace.catalogue("crm").newest
    assert point is not None and point.id == manifest.id
    recovered = restore_to(made.workspace, point, back)
    failed = [f"{check.name}: {check.detail}" for check in recovered.checks if not check.passed and not check.attention]
    assert failed == [], (seed, failed)
    seen = int(server.sql("select max(step) from app.log", database=back)[0][0])
    expected = _play_to(server, seed, seen)
    at = server.superuser
    there, here = (_without_sequences(texts.postgres(server.programs, at.at(dbname=each))) for each in (expected, back))
    assert here == there, (seed, seen)
    for each in (name, back, expected):
        server.sql(f"drop database {each} with (force)")
    return len(manifest.contents.gaps)


def test_migrations_throughout_a_backup_cost_no_row_and_no_verdict(
    field_pg: PostgresServer, make_workspace: MakeWorkspace
) -> None:
    with_gaps = 0
    for seed in range(SEEDS):
        form = ("custom", "directory", "sql")[seed % 3]
        name = _play_to(field_pg, seed, 0)
        made = make_workspace(field_pg.url(name), directory=f"seed{seed}", format=form)
        with_gaps += bool(_assert_comes_back(field_pg, made, name, seed))
    print(f"{SEEDS} backups under migrations, {with_gaps} with gaps")
