"""How old the newest row is: told of every database, judged where the user says how old it may be."""

from datetime import datetime, timedelta, timezone

from ops_pipelines.engines.base import Contents
from ops_pipelines.engines.mysql.engine import MySQLEngine
from ops_pipelines.engines.mysql.settings import MySQLSource
from ops_pipelines.recovery.assertions import run_check
from ops_pipelines.settings.checks import SqlCheck
from tests.engines.mysql.conftest import TestServer


def test_the_newest_row_is_told_and_judged(mariadb: TestServer) -> None:
    name = mariadb.new_database()
    mariadb.sql(
        "create table contacts (id int primary key, created_at timestamp(3) null, born date)",
        "insert into contacts values (1, '2026-11-18 12:00:00.5', '2027-01-01'), (2, '2026-11-01', null)",
        "create table quiet (updated datetime)",
        database=name,
    )
    url = mariadb.url(name)
    engine = MySQLEngine("crm", MySQLSource.model_validate({"kind": "mysql", "url": url}))
    findings = {each.name: each.detail for each in engine.assertions(url, Contents(level="off"))}
    assert findings["newest row"].startswith("2026-11-18") and findings["newest row"].endswith("in contacts.created_at")

    def judged(max_age: str, newest: str = "contacts.created_at") -> bool:
        asked = SqlCheck.model_validate({"name": "fresh", "newest": newest, "max_age": max_age})
        as_of = datetime(2026, 11, 20, 12, tzinfo=timezone.utc) + timedelta(seconds=0.5)
        return run_check(engine, url, asked, as_of=as_of).passed

    assert (judged("3d"), judged("24h"), judged("24h", "quiet.updated")) == (True, False, False)
