"""Random PostgreSQL schemas with rows: never called bad, and back to the last word of their plain dump."""

from collections.abc import Sequence

import psycopg

from tests.conftest import MakeWorkspace
from tests.conftest import TestServer as PostgresServer
from tests.field.conftest import SCHEMAS
from tests.field.drawn import Statements, drawn, smallest_failing
from tests.field.random_postgres import schemas
from tests.oracle.rounds import postgres_round

_BATCH = 50
_REFUSED = (psycopg.IntegrityError, psycopg.DataError)


def _filled(server: PostgresServer, made: Sequence[Statements]) -> str:
    """A database with these schemas in it."""
    name = server.new_database()
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        for number, statements in enumerate(made):
            connection.execute(f"create schema s{number}")
            for statement in statements:
                try:
                    connection.execute(statement.replace("{s}", f"s{number}").encode())
                except _REFUSED:
                    assert statement.startswith("insert"), statement
    return name


def test_random_schemas_come_back(field_pg: PostgresServer, make_workspace: MakeWorkspace) -> None:
    rounds = 0

    def fails(made: Sequence[Statements]) -> str:
        nonlocal rounds
        rounds += 1
        name = _filled(field_pg, made)
        try:
            postgres_round(field_pg, name, make_workspace, directory=f"round{rounds}")
        except AssertionError as error:
            return str(error)
        finally:
            field_pg.sql(f"drop database {name} with (force)")
        return ""

    made = drawn(schemas(), SCHEMAS)
    assert len(made) == SCHEMAS
    for start in range(0, len(made), _BATCH):
        assert smallest_failing(made[start : start + _BATCH], fails) == ""
