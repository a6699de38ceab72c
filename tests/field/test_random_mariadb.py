"""Random MariaDB schemas with rows: never called bad, and back to the last word of their plain dump."""

from collections.abc import Sequence
from datetime import timedelta

from ops_pipelines.engines.mysql.connection import QueryFailed, session
from tests.conftest import MakeWorkspace
from tests.engines.mysql.conftest import TestServer as MysqlServer
from tests.field.conftest import SCHEMAS
from tests.field.drawn import Statements, drawn, smallest_failing
from tests.field.random_mariadb import schemas
from tests.oracle.rounds import mysql_round

_BATCH = 50


def _filled(server: MysqlServer, made: Sequence[Statements]) -> str:
    """A database with these schemas in it."""
    name = server.new_database()
    with session(server.root.at(name), limit=timedelta(minutes=5), settings=False) as opened:
        for number, statements in enumerate(made):
            for statement in statements:
                try:
                    opened.rows(statement.replace("{s}", f"s{number}_"))
                except QueryFailed as error:
                    assert statement.startswith("insert"), f"{statement}: {error}"
    return name


def test_random_schemas_come_back(mariadb: MysqlServer, make_workspace: MakeWorkspace) -> None:
    rounds = 0

    def fails(made: Sequence[Statements]) -> str:
        nonlocal rounds
        rounds += 1
        name = _filled(mariadb, made)
        try:
            mysql_round(mariadb, name, make_workspace, directory=f"round{rounds}")
        except AssertionError as error:
            return str(error)
        finally:
            mariadb.sql(f"drop database {name}")
        return ""

    made = drawn(schemas(), SCHEMAS)
    assert len(made) == SCHEMAS
    for start in range(0, len(made), _BATCH):
        assert smallest_failing(made[start : start + _BATCH], fails) == ""
