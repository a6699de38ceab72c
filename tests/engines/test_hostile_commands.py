"""A command that we print is pasted by somebody with more rights than whoever chose the names in it."""

import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.engines.postgres.connection import session
from ops_pipelines.engines.postgres.locks import _blockers, _still_locked
from tests.conftest import DEBIAN, start_server

NAME = "x'; create table pwned(); select $(touch pwned) `touch pwned` \"; --\n\\! touch pwned"


@pytest.mark.parametrize("major", sorted({DEBIAN, 18}))
def test_a_prepared_transaction_is_rolled_back_by_its_name_and_nothing_else_runs(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, major: int
) -> None:
    with start_server(major, tmp_path_factory.mktemp("pg"), {"max_prepared_transactions": "5"}) as server:
        database = server.new_database()
        server.sql("create table t (n int)", database=database)
        quoted = NAME.replace("'", "''")
        # In one message: psql's own driver would not keep the transaction between two.
        server.psql(database, "-c", f"begin; lock table t in access exclusive mode; prepare transaction '{quoted}'")
        there = server.superuser.at(dbname=database)
        with session(there, limit=timedelta(minutes=1), settings=False) as opened:
            found = _blockers(opened)
        assert [each.prepared for each in found] == [NAME]
        command = _still_locked(found, there, timedelta(seconds=1)).next.partition("end it: ")[2]
        path = f"{Path(server.programs.path('psql')).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env={**os.environ, **there.environment(), "PATH": path},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert server.sql("select count(*) from pg_prepared_xacts") == [(0,)]
        assert server.sql("select to_regclass('pwned')", database=database) == [(None,)]
        assert not (tmp_path / "pwned").exists()
