"""Random MySQL and MariaDB schemas with rows: never called bad, and back to the last word of their plain dump."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from ops_pipelines.engines.mysql.connection import QueryFailed, session
from tests.conftest import MakeWorkspace
from tests.engines.mysql.conftest import TestServer as MysqlServer
from tests.field.conftest import SCHEMAS
from tests.field.drawn import Statements, first_failing
from tests.field.random_mysql import schemas
from tests.oracle.rounds import mysql_round


def test_random_schemas_come_back(field_mysql: MysqlServer, make_workspace: MakeWorkspace) -> None:
    @contextmanager
    def database(made: Sequence[Statements]) -> Iterator[str]:
        name = field_mysql.new_database()
        with session(field_mysql.root.at(name), limit=timedelta(minutes=5), settings=False) as opened:
            for number, statements in enumerate(made):
                for statement in statements:
                    try:
                        opened.rows(statement.replace("{s}", f"s{number}_"))
                    except QueryFailed as error:
                        assert statement.startswith("insert"), f"{statement}: {error}"
        try:
            yield name
        finally:
            field_mysql.sql(f"drop database {name}")

    def prove(name: str, directory: str) -> None:
        mysql_round(field_mysql, name, make_workspace, directory=directory)

    assert first_failing(schemas(field_mysql.product), SCHEMAS, database, prove) == ""
