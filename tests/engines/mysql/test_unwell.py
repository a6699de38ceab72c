"""A server in trouble while a restored database is looked at says nothing about the backup."""

from datetime import timedelta

import pytest

from ops_pipelines.engines import definition
from ops_pipelines.engines.mysql import definitions, reload
from ops_pipelines.engines.mysql.connection import QueryFailed, session
from tests.engines.mysql.conftest import TestServer

LIMIT = timedelta(minutes=1)


def test_a_view_is_not_broken_because_the_session_was_killed(any_server: TestServer) -> None:
    name = any_server.new_database()
    any_server.sql("create table t (a int)", "create view v as select a from t", database=name)
    with session(any_server.root.at(name), limit=LIMIT) as opened:
        tables = definitions.read_tables(opened)
        any_server.sql(f"kill {opened.value('select connection_id()')}")
        with pytest.raises(QueryFailed):
            definitions.broken_views(opened, tables)


def test_a_definition_is_not_another_because_the_server_went_away(any_server: TestServer) -> None:
    root = any_server.root.at(any_server.new_database())
    with session(root, limit=LIMIT) as opened, session(root, limit=LIMIT) as aside:
        # Executed like any other, it ends its session in the middle, as a server does that goes away.
        ending = [("sql", f"kill {aside.value('select connection_id()')}"), ("character_set_client", "utf8mb4")]
        given = {"procedure p": definition.written([*ending, ("collation_connection", "utf8mb4_general_ci")])}
        with pytest.raises(QueryFailed):
            reload.reloaded(opened, aside, given)
