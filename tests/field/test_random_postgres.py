"""Random PostgreSQL schemas with rows: never called bad, and back to the last word of their plain dump."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from tests.conftest import MakeWorkspace
from tests.conftest import TestServer as PostgresServer
from tests.field.conftest import SCHEMAS
from tests.field.drawn import Statements, first_failing
from tests.field.random_postgres import schemas
from tests.oracle.rounds import postgres_round

_REFUSED = (psycopg.IntegrityError, psycopg.DataError)


def test_random_schemas_come_back(field_pg: PostgresServer, make_workspace: MakeWorkspace) -> None:
    @contextmanager
    def database(made: Sequence[Statements]) -> Iterator[str]:
        name = field_pg.new_database()
        with psycopg.connect(field_pg.url(name), autocommit=True) as connection:
            for number, statements in enumerate(made):
                connection.execute(f"create schema s{number}")
                for statement in statements:
                    try:
                        connection.execute(statement.replace("{s}", f"s{number}").encode())
                    except _REFUSED:
                        assert statement.startswith("insert"), statement
        try:
            yield name
        finally:
            field_pg.sql(f"drop database {name} with (force)")

    def prove(name: str, directory: str) -> None:
        postgres_round(field_pg, name, make_workspace, directory=directory)

    assert first_failing(schemas(), SCHEMAS, database, prove) == ""
