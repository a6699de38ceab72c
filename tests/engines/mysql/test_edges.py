"""What is rare about MySQL: targets that are none, dumps that a server refuses, rows that point to nothing."""

import io
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.base import Legacy, RestoreFailed
from ops_pipelines.engines.mysql import restore, selection
from ops_pipelines.engines.mysql.clients import for_restore
from ops_pipelines.engines.mysql.connection import parse
from ops_pipelines.engines.mysql.engine import MySQLEngine
from ops_pipelines.errors import Inconclusive, OpsError, SafetyRefusal, SourceError
from ops_pipelines.process import Limits
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from tests.conftest import Made
from tests.engines.mysql.conftest import TestServer

Protect = Callable[..., Made]
_MINUTE = timedelta(minutes=1)


@pytest.fixture
def shop(mariadb: TestServer) -> str:
    """A database with a table and a row."""
    name = mariadb.new_database()
    mariadb.sql("create table t (a int primary key)", "insert into t values (1)", database=name)
    return name


def engine_of(made: Made) -> MySQLEngine:
    engine = made.workspace.config.engine("crm")
    assert isinstance(engine, MySQLEngine)
    return engine


def backed_up(made: Made) -> RestorePoint:
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    return point


def test_a_target_that_is_no_place_for_a_restore_is_refused_in_a_sentence(
    mariadb: TestServer, shop: str, protect: Protect
) -> None:
    made = protect(mariadb.url(shop))
    engine, point = engine_of(made), backed_up(made)
    facts = point.manifest.engine
    full, empty = mariadb.new_database(), mariadb.new_database()
    mariadb.sql("create table theirs (a int)", database=full)
    for target, why in (
        (shop, "is the source crm itself"),
        ("mysql", "mysql"),
        (full, "exists and holds 1 objects"),
        (mariadb.root.at("").url(), "the target names no database"),
    ):
        with pytest.raises(SafetyRefusal, match=why):
            engine.create_target(target, facts)
    assert engine.create_target(empty, facts).url == engine.locate(empty)
    assert isinstance(engine.readiness("mysql", facts, 0).problems[0], SafetyRefusal)
    older = engine.readiness(empty, {**facts, "server_version": "99.1.0-MariaDB"}, 0).problems
    assert any("an older server does not know everything" in each.why for each in older)
    with pytest.raises(SafetyRefusal, match="is none that a verification made"):
        engine.drop_verify_database(shop)
    with pytest.raises(SourceError, match=r"has no verify\.server any more"):
        engine.drop_verify_database(f"verify_{'0' * 16}")


def test_a_source_without_a_database_or_with_one_that_is_gone_is_told(
    mariadb: TestServer, shop: str, protect: Protect
) -> None:
    with pytest.raises(SourceError, match="its url names no database"):
        engine_of(protect(mariadb.root.at("").url(), directory="none")).probe()
    with pytest.raises(OpsError) as gone:
        engine_of(protect(mariadb.url("no_such_database"), directory="gone")).probe()
    assert "check the database's name" in gone.value.next
    alone = parse("mysql://localhost/x", connect=_MINUTE)
    assert alone.database == "x"


def test_rows_that_point_to_nothing_ask_for_a_look(mariadb: TestServer, shop: str, protect: Protect) -> None:
    other = mariadb.new_database()
    mariadb.sql("create table far (id int primary key)", database=other)
    mariadb.sql(
        "create table child (a int, foreign key lost (a) references t (a))",
        f"create table away (id int, foreign key beyond (id) references {other}.far (id))",
        "set foreign_key_checks = 0",
        "insert into child values (7)",
        database=shop,
    )
    made = protect(mariadb.url(shop))
    verdict = verify(made.workspace, backed_up(made))
    told = [check.detail for check in verdict.checks if "point to nothing" in check.detail]
    assert told and "1 rows point to nothing in t" in told[0] and "beyond" not in told[0], verdict.checks


def test_without_a_fingerprint_tables_are_still_taken_by_name(mariadb: TestServer, shop: str, protect: Protect) -> None:
    mariadb.sql("create table u (a int)", database=shop)
    made = protect(mariadb.url(shop), fingerprint="off")
    point = backed_up(made)
    restore_to(made.workspace, point, f"{shop}_one", only=["u"])
    assert mariadb.sql("show tables", database=f"{shop}_one") == [("u",)]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "is a folder, not a dump"),
        (b"-- a text\n", "is no dump of mysqldump or mariadb-dump"),
    ],
)
def test_what_is_no_dump_is_not_taken_in(
    mariadb: TestServer, shop: str, protect: Protect, content: bytes | None, why: str
) -> None:
    class Sink:
        def stream(self, _name: str, _role: str, reader: Any) -> None:
            while reader.read():
                pass

    stream = None if content is None else io.BytesIO(content)
    legacy = Legacy("old", datetime.now(timezone.utc), stream)
    with pytest.raises(SourceError, match=why):
        engine_of(protect(mariadb.url(shop))).adopt(legacy, Sink())  # type: ignore[arg-type]


class Parts:
    """A backup whose dump is this text."""

    def __init__(self, dump: str) -> None:
        self._dump = dump

    def save(self, _role: str, work: Path, _progress: object) -> Path:
        (work / "dump.sql").write_text(self._dump, encoding="utf-8")
        return work / "dump.sql"

    def has(self, _role: str) -> bool:
        return False


@pytest.mark.parametrize(
    ("statement", "error", "why"),
    [
        ("select 1", None, ""),
        ("insert into nowhere values (1)", RestoreFailed, "the server refused parts of the backup: error 1146"),
        ("signal sqlstate '45000' set mysql_errno = 1114", Inconclusive, "the restore could not finish here"),
        ("signal sqlstate '45000' set mysql_errno = 1026, message_text = 'Errcode: 28'", Inconclusive, "finish here"),
    ],
)
def test_what_a_server_refuses_of_a_dump_is_sorted_by_whose_fault_it_is(
    mariadb: TestServer, tmp_path: Path, statement: str, error: type[Exception] | None, why: str
) -> None:
    target = mariadb.root.at(mariadb.new_database())
    arguments: Any = (Parts(f"{statement};\n" * 5), "x", target, for_restore(mariadb.product, (10, 3)))
    more: Any = {
        "work": tmp_path,
        "limits": Limits(_MINUTE, _MINUTE),
        "jobs": 2,
        "ours": True,
        "lent": False,
        "disabled_events": set(),
        "progress": lambda *_: None,
    }
    if error is None:
        assert restore.load(*arguments, **more).warnings == []
        return
    with pytest.raises(error, match=why):
        restore.load(*arguments, **more)


def test_a_dump_without_sections_gives_up_no_table(tmp_path: Path) -> None:
    (tmp_path / "dump.sql").write_text("create table t (a int);\n", encoding="utf-8")
    with pytest.raises(RestoreFailed, match="no marked sections"):
        selection.extract(tmp_path / "dump.sql", ["t"])
