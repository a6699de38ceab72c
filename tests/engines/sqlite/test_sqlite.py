"""SQLite files: one instant under writers, everything comes back, what is wrong is named, production is replaced."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops_pipelines.backup.take import take_backup
from ops_pipelines.cli.main import app
from ops_pipelines.engines.folders import url_of
from ops_pipelines.errors import OpsError, SafetyRefusal, SourceError
from ops_pipelines.recovery.compare import compare
from ops_pipelines.recovery.kit import kit
from ops_pipelines.recovery.leftovers import leftovers, remove
from ops_pipelines.recovery.replace import replace_source
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import fingerprint_of
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.verdict import Check
from tests.engines.sqlite.conftest import EVERYTHING, House

SCRIPT = Path(kit.__file__).with_name("recover.sh")


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What a query yields."""
    with closing(sqlite3.connect(path)) as opened:
        return opened.execute(query).fetchall()


@contextmanager
def transfers(path: Path) -> Iterator[threading.Event]:
    """Somebody who moves money between two accounts, and writes each transfer down, as fast as it goes."""
    stop, begun = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as opened:
            while not stop.is_set():
                opened.execute("begin immediate")
                opened.execute("update accounts set balance = balance - 1 where id = 1")
                opened.execute("insert into moved (padding) values (randomblob(4000))")
                opened.execute("update accounts set balance = balance + 1 where id = 2")
                opened.execute("commit")
                begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(60)
        yield begun
    finally:
        stop.set()
        writer.join()


def test_everything_comes_back_as_it_was_at_one_instant_while_others_write(house: House, tmp_path: Path) -> None:
    house.database("everything.db", EVERYTHING)
    house.database("older/journal mode.db", EVERYTHING, journal="delete")
    bank = house.database(
        "bank.sqlite3",
        "create table accounts (id integer primary key, balance integer); insert into accounts values (1, 0), (2, 0);"
        "create table moved (id integer primary key, padding blob);"
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1500)"
        " insert into moved (padding) select randomblob(4000) from n;",
    )
    (house.data / "notes.txt").write_text("no database")
    workspace = house.configure(fingerprint="sample")
    with transfers(bank):
        point, verdict = house.proved(workspace)
    assert (verdict.outcome, verdict.store) == ("verified", "nas"), verdict
    told = {check.name: check.detail for check in verdict.checks}
    assert (told["integrity"], told["migrations"].count("0042")) == ("3 databases are whole", 2)

    done = restore_to(workspace, point, str(tmp_path / "restored"))
    assert done.good
    restored = Path(f"{tmp_path}/restored{bank}")
    ((moved,),) = rows(restored, "select count(*) from moved")
    # One instant: every transfer that is written down has happened to both accounts, and no other has.
    happened = int(str(moved)) - 1500
    assert happened > 0
    assert rows(restored, "select balance from accounts order by id") == [(-happened,), (happened,)]
    again = Path(f"{tmp_path}/restored{house.data}/everything.db")
    assert rows(again, "select count(*) from words where words match 'needle'") == [(1,)]
    assert rows(again, 'select typeof(b), hex(b), hex(a) from "odd ""name" where b = x\'00ff\'')[0][2] == "FF00FE"
    assert {path.name for path in (tmp_path / "restored").rglob("*") if path.is_file()} == {
        "everything.db", "journal mode.db", "bank.sqlite3",
    }  # fmt: skip

    one = restore_to(workspace, point, str(tmp_path / "one"), only=["bank.sqlite3"])
    assert one.good
    assert [path.name for path in (tmp_path / "one").rglob("*") if path.is_file()] == ["bank.sqlite3"]
    with pytest.raises(SourceError, match="matches nothing"):
        restore_to(workspace, point, str(tmp_path / "none"), only=["bnk.sqlite3"])


def test_each_thing_that_is_not_as_it_was_fails_by_name(house: House, tmp_path: Path) -> None:
    path = house.database("app.db", EVERYTHING)
    workspace = house.configure()
    point, _verdict = house.proved(workspace)
    assert point.manifest.identity.keys() == {"machine", "paths"}
    engine = house.engine(workspace)
    copy = Copy(workspace.local, point.manifest, lambda: workspace.identities("app"))
    held = fingerprint_of(copy)

    def after(number: int, damage: str | bytes) -> list[Check]:
        folder = tmp_path / f"lie{number}"
        assert restore_to(workspace, point, str(folder)).good
        lied = Path(f"{folder}{path}")
        if isinstance(damage, bytes):
            content = bytearray(lied.read_bytes())
            content[4096 + 8 : 4096 + 8 + len(damage)] = damage
            lied.write_bytes(content)
        else:
            with closing(sqlite3.connect(lied)) as opened:
                opened.executescript(damage)
                opened.execute("pragma wal_checkpoint(truncate)")
        url = url_of(folder)
        checks = compare(held, engine.contents(url, held.level))
        checks += [
            Check(name=each.name, passed=each.passed, detail=each.detail) for each in engine.assertions(url, held)
        ]
        return [check for check in checks if not check.passed]

    lies: list[tuple[str | bytes, str, str]] = [
        ("drop index by_name", "schema", "index by_name"),
        ("delete from orders; delete from alembic_version", "rows", "alembic_version"),
        ("update people set weight = 55.50001 where name = 'Ada'", "content", "people"),
        ("update \"odd \"\"name\" set b = cast('' as text) where b = x''", "content", 'odd "name'),
        ("update sqlite_sequence set seq = 1 where name = 'people'", "counters", "people"),
        ("update alembic_version set version_num = '0041'", "migrations", "0041"),
        ("pragma user_version = 6", "schema", "settings"),
        ("pragma foreign_keys = off; insert into orders (person) values (999)", "orphans", "1 in orders"),
        (b"\xff" * 512, "integrity", "app.db"),
        ("drop table words", "schema", "words"),
    ]
    for number, (damage, check, named) in enumerate(lies):
        failed = {each.name: each.detail for each in after(number, damage)}
        assert check in failed and named in failed[check], (damage, failed)


@pytest.mark.parametrize(("least", "good"), [(2, True), (3, False)])
def test_history_says_of_a_restore_whether_everything_was_as_it_should_be(
    least: int, good: bool, house: House, tmp_path: Path
) -> None:
    house.database("app.db", EVERYTHING)
    people = {"name": "enough_people", "sql": "select count(*) from people", "min": least}
    workspace = house.configure(checks=[people])
    point, _verdict = house.proved(workspace)
    to = str(tmp_path / "restored")
    assert restore_to(workspace, point, to).good is good
    (noted,) = workspace.ledger.recent(source="app", kind="restore")
    assert (noted.status, noted.meta["good"]) == ("succeeded" if good else "failed", good)
    assert noted.error == (None if good else f"{to} is not as app was")


@pytest.mark.parametrize(("wanted", "outcome"), [("Ada", "verified"), ("Eve", "bad")])
def test_a_program_of_the_users_own_is_found_wherever_it_lies(
    wanted: str, outcome: str, house: House, tmp_path: Path
) -> None:
    path = house.database("app.db", EVERYTHING)
    (programs := tmp_path / "srv/bin").mkdir(parents=True)
    (smoke := programs / "smoke-test").write_text(f'#!/bin/sh\ngrep -q "$1" "${{OPS_TARGET#file://}}{path}"\n')
    smoke.chmod(0o755)
    workspace = house.configure(commands=[{"name": "smoke", "command": [str(smoke), wanted]}])
    _point, verdict = house.proved(workspace)
    assert verdict.outcome == outcome, verdict.reason
    (said,) = [each for each in verdict.checks if each.name == "check smoke"]
    assert said.passed is (outcome == "verified") and "No such file" not in said.detail


def test_what_cannot_be_backed_up_is_refused_in_a_sentence(house: House) -> None:
    good = house.database("good.db", "create table t (a)")
    with pytest.raises(SourceError, match=r"gone\.db of source app cannot be read"):
        house.engine(house.configure(paths=["data/gone.db"])).probe()
    (house.data / "text.db").write_text("no database at all")
    with pytest.raises(SourceError, match="is no SQLite database"):
        house.engine(house.configure(paths=["data/text.db"])).probe()
    (house.path / "empty").mkdir()
    with pytest.raises(SourceError, match="there is no SQLite database"):
        house.engine(house.configure(paths=["empty"])).probe()

    workspace = house.configure(limits={"stall": "1s"})
    assert take_backup(workspace, "app").contents.tables == 1
    with closing(sqlite3.connect(good, isolation_level=None)) as writer:
        writer.execute("pragma journal_mode=delete")
        writer.execute("begin exclusive")
        with pytest.raises(OpsError) as locked:
            take_backup(workspace, "app")
    assert "locked" in locked.value.why and "the last verified" not in locked.value.safe
    damaged = house.database(
        "good.db", "create table u (a); insert into u values (randomblob(20000))", journal="delete"
    )
    content = bytearray(damaged.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    damaged.write_bytes(content)
    with pytest.raises(OpsError) as broken:
        take_backup(workspace, "app")
    assert "good.db" in broken.value.what and "integrity_check" in broken.value.next
    assert len(workspace.catalogue("app").points) == 1
    assert not list((house.path / "base").rglob("plain")), "nothing plain is left"


def test_production_is_replaced_when_nobody_has_it_open(house: House) -> None:
    path = house.database("app.db", "create table t (a); insert into t values ('as it was')")
    workspace = house.configure(
        checks=[{"name": "rows", "sql": "select count(*) from t", "equals": 1}], paths=["data/app.db"]
    )
    point, verdict = house.proved(workspace)
    assert (verdict.outcome, {check.name: check.detail for check in verdict.checks}["check rows"]) == ("verified", "1")
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("update t set a = 'oops'")
        opened.commit()
        with pytest.raises(OpsError, match="was not replaced"):
            replace_source(workspace, point, take_safety=None)
        assert opened.execute("select a from t").fetchone() == ("oops",)
    replaced = replace_source(workspace, point, take_safety=lambda: take_backup(workspace, "app").id)
    assert rows(path, "select a from t") == [("as it was",)]
    assert rows(Path(replaced.kept), "select a from t") == [("oops",)]
    with pytest.raises(SafetyRefusal):
        restore_to(workspace, point, str(path.parent))
    (former,) = (each for each in leftovers(workspace.config, workspace.places) if each.purpose == "former")
    assert former.to == replaced.kept
    remove(workspace, former)
    assert [each.name for each in house.data.glob("app.db*")] == ["app.db"]


def test_a_folder_named_from_where_it_was_restored_is_found_from_elsewhere(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.database("app.db", "create table t (a)")
    house.proved(house.configure())
    monkeypatch.chdir(house.data.parent)

    def ops(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [*words, "--config", str(house.path / "ops.yaml")])
        return done.exit_code, done.output

    assert ops("restore", "app", "--to", "./back")[0] == 0
    monkeypatch.chdir(house.data)
    status, said = ops("leftovers")
    assert status == 0 and str(house.path / "back") in said, said
    status, said = ops("leftovers", "../back/", "--apply")
    assert status == 0 and "removed" in said and not (house.path / "back").exists(), said


def test_where_a_source_was_before_is_not_replaced(house: House) -> None:
    before = house.database("app.db", "create table t (a); insert into t values ('of others by now')")
    point, _ = house.proved(house.configure(paths=["data/app.db"]))
    moved = house.database("new/app.db", "create table t (a); insert into t values ('moved')")
    workspace = house.configure(paths=["data/new/app.db"])
    with closing(sqlite3.connect(before)) as opened:
        opened.execute("update t set a = 'newer'")
        opened.commit()
    with pytest.raises(OpsError) as refused:
        replace_source(workspace, point, take_safety=None)
    assert f"{before} is not among paths: any more" in refused.value.why
    assert "app is unchanged" in refused.value.safe
    assert rows(before, "select a from t") == [("newer",)] and rows(moved, "select a from t") == [("moved",)]


def test_recover_sh_brings_it_back_without_us(house: House, tmp_path: Path) -> None:
    path = house.database("app.db", EVERYTHING)
    workspace = house.configure()
    point, _verdict = house.proved(workspace)
    keys = tmp_path / "trusted.keys"
    keys.write_bytes(workspace.signing.for_openssl())
    words = [
        "restore",
        str(house.path / "nas"),
        "app",
        "--to",
        f"{tmp_path}/by hand",
        "-i",
        str(house.path / "age.key"),
        "--trusted",
        str(keys),
    ]
    done = subprocess.run(["sh", str(SCRIPT), *words], capture_output=True, text=True, check=False)
    assert (done.returncode, point.id in done.stdout) == (0, True), done.stderr
    assert rows(Path(f"{tmp_path}/by hand{path}"), "select name from people where id = 1") == [("Ada",)]


OWN = {
    "a collation": "create table t (a text collate icu, b); create index i on t (a); insert into t values ('x', 1)",
    "a computed column": "create table t (a, s text as (slug(a)) virtual); insert into t (a) values ('A')",
    "an index on a function": "create table t (a); create index i on t (slug(a)); insert into t values ('A'), ('B')",
    "a check": "create table t (a text check (slug(a) <> '')); insert into t values ('A')",
    "a view of nothing": "create view v as select * from nowhere; create table t (a); insert into t values (1)",
}


@pytest.mark.parametrize("what", OWN)
def test_what_an_application_brings_along_costs_no_backup(what: str, house: House) -> None:
    path = house.data / "app.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as opened:
        opened.create_collation("icu", lambda one, other: (one > other) - (one < other))
        opened.create_function("slug", 1, str.lower, deterministic=True)
        opened.executescript(f"{OWN[what]}; create table fine (a); insert into fine values (1);")
    point, verdict = house.proved(house.configure())
    assert verdict.outcome == "verified"
    assert any("indexes of t in" in gap.what for gap in verdict.gaps) is (what not in ("a view of nothing", "a check"))
    assert point.manifest.contents.tables == 2


_WITHOUT_MEMORY = """
import sqlite3, sys
from pathlib import Path
from ops_pipelines.engines.sqlite import contents
from ops_pipelines.errors import Inconclusive
path = Path(sys.argv[1])
sqlite3.connect(":memory:").execute("pragma hard_heap_limit = 60000")
try:
    print(contents.take({"/a": path}, "full"))
except Inconclusive as error:
    print("inconclusive:", error.why)
"""


def test_a_machine_without_memory_condemns_no_database(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table t (a text)")
        database.execute("insert into t values (hex(randomblob(200000)))")
        database.commit()
    argv = [sys.executable, "-c", _WITHOUT_MEMORY, path]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines() == ["inconclusive: out of memory"]


def test_damage_beside_what_an_application_brings_along_is_still_damage(house: House) -> None:
    path = house.data / "app.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as opened:
        opened.create_collation("icu", lambda one, other: (one > other) - (one < other))
        opened.executescript(OWN["a collation"])
        opened.executescript("create table fine (a, b); create index j on fine (b);")
        opened.executemany("insert into fine values (?, ?)", [(i, "x" * 50) for i in range(2000)])
        opened.commit()
        [(root,)] = opened.execute("select rootpage from sqlite_master where name = 'fine'")
        [(size,)] = opened.execute("pragma page_size")
    with path.open("r+b") as file:
        file.seek((root - 1) * size + 8)
        file.write(b"\xff" * 40)
    with pytest.raises(SourceError, match="cannot be backed up"):
        take_backup(house.configure(), "app")
