"""A session of the fingerprint that is lost costs no table its comparison: somebody else is asked."""

from datetime import timedelta

import pytest

from ops_pipelines.engines.postgres.connection import session
from ops_pipelines.engines.postgres.side_by_side import ask_each
from tests.conftest import TestServer

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_lost_session_was_asked_is_asked_of_the_one_that_is_spare(jobs: int, pg18: TestServer) -> None:
    with session(pg18.superuser, limit=MINUTE) as spare:
        spare.rows("begin isolation level repeatable read read only")
        snapshot = str(spare.value("select pg_export_snapshot()"))
        pid = spare.value("select pg_backend_pid()")
        dies = f"select case when pg_backend_pid() = {pid} then 42 else pg_terminate_backend(pg_backend_pid())::int end"
        questions = [("first", "select 1"), *((f"lost {at}", dies) for at in range(3)), ("last", "select 2")]
        answers = ask_each(questions, pg18.superuser, spare, jobs=jobs, limit=MINUTE, snapshot=snapshot)
    assert answers.refused == {}
    assert answers.found == {"first": (1,), "lost 0": (42,), "lost 1": (42,), "lost 2": (42,), "last": (2,)}
