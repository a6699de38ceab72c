"""What an earlier release left on a disk is read, believed, proved and pruned by this one.

`releases/` has a house of each release whose formats have other numbers (written by `python -m tests.upgrade.make`);
`ledgers/` has the ledgers that the code of each earlier revision wrote, when it was the newest.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import create_engine

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.take import take_backup
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.recovery.verify import verify
from ops_pipelines.watch.health import source_health
from tests.conftest import PASSWORD, TestServer
from tests.upgrade.make import NAME, RELEASES, copied, opened

OLD = sorted(each.name for each in RELEASES.iterdir())
LEDGERS = sorted(Path(__file__).with_name("ledgers").glob("*.sql"))
DATABASES = ("sqlite", "postgres")


def of_text(sql: Path, file: Path) -> Path:
    """An SQLite ledger as its SQL says."""
    with sqlite3.connect(file) as database:
        database.executescript(sql.read_text(encoding="utf-8"))
    return file


def address(server: TestServer, database: str) -> str:
    """Of a ledger on PostgreSQL."""
    return f"postgresql://boss:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/{database}"


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Path, str]]:
    """A house that an earlier release lived in, and its ledger's URL."""
    name, database = request.param
    shutil.copytree(RELEASES / name, tmp_path / "house")
    made = tmp_path / "house"
    if database == "sqlite":
        yield made, f"sqlite:///{of_text(made / 'ledger.sqlite.sql', made / 'ledger.sqlite')}"
        return
    server: TestServer = request.getfixturevalue("pg18")
    target = server.new_database()
    server.psql(target, "-v", "ON_ERROR_STOP=1", "-f", str(made / "ledger.postgres.sql"))
    yield made, address(server, target)


def test_this_release_is_kept_for_the_next() -> None:
    assert (RELEASES / NAME).is_dir(), (
        "a format has a new number: python -m tests.upgrade.make, and commit what it wrote"
    )


@pytest.mark.parametrize("house", [(name, kind) for name in OLD for kind in DATABASES], indirect=True, ids=str)
def test_a_house_of_an_earlier_release_goes_on_as_if_nothing_had_happened(house: tuple[Path, str]) -> None:
    workspace = opened(*house)
    before = workspace.catalogue("crm")
    assert [sorted(point.stores) for point in before.points] == [["local", "nas"]] * 2
    assert all(point.verified for point in before.points)
    assert not before.messages and not before.damage and not before.damaged_verdicts and not before.strangers
    assert [row.status for row in workspace.ledger.recent(kind="dump")] == ["failed", "succeeded", "succeeded"]
    # The bytes that were written then are restored now.
    workspace.signing.renew(workspace.clock.now())
    for point in before.points:
        for store in point.stores:
            verdict = verify(workspace, point, store=store)
            assert verdict.outcome == "verified", verdict.reason
    with sqlite3.connect(house[0] / "crm.db") as database:
        database.execute("create table companies (id integer primary key, name text not null)")
        database.execute("insert into companies (name) values ('new')")
    # The next number follows the last, the next restore point joins the chain.
    taken = take_backup(workspace, "crm")
    assert (taken.number, taken.previous) == ((before.points[-1].number or 0) + 1, before.points[-1].sha256)
    newest = workspace.catalogue("crm").newest
    assert newest is not None
    copy_to(workspace, newest, "nas")
    assert verify(workspace, newest, store="nas").outcome == "verified"
    assert source_health(workspace, "crm").ok
    # What it no longer needs goes, the old ones too.
    (pruned,) = prune(workspace, ["crm"], apply=True)
    assert not pruned.problems
    assert [point.id for point in workspace.catalogue("crm").points] == [taken.id]
    assert not workspace.catalogue("crm").messages


@contextmanager
def old_ledger(sql: Path, kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a ledger as an earlier revision left it."""
    file = of_text(sql, tmp_path / "ledger.sqlite")
    if kind == "sqlite":
        yield f"sqlite:///{file}"
        return
    server: TestServer = request.getfixturevalue("pg18")
    database = server.new_database()
    engine = create_engine(address(server, database).replace("postgresql:", "postgresql+psycopg:", 1))
    copied(file, engine)
    engine.dispose()
    yield address(server, database)


@pytest.mark.parametrize("kind", DATABASES)
@pytest.mark.parametrize("sql", LEDGERS, ids=lambda path: path.stem)
def test_a_ledger_of_an_earlier_revision_keeps_every_attempt_and_its_order(
    sql: Path, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with old_ledger(sql, kind, tmp_path, request) as url:
        ledger = Ledger(url)
        rows = ledger.recent()[::-1]
        assert [(row.source, row.kind, row.status) for row in rows] == [
            ("crm", "dump", "succeeded"), ("crm", "copy", "running"), ("crm", "verify", "succeeded"),
            ("crm", "dump", "failed"), ("crm", "dump", "failed"), ("shop", "verify", "failed"),
        ]  # fmt: skip
        assert rows[0].meta["rows"] == 100
        assert [row.turn for row in rows] == sorted({row.turn for row in rows})
        # A killed process's row is closed by the next start, here as there.
        with ledger.activity("dump", source="crm"):
            pass
        assert max(row.turn for row in rows) < ledger.recent(kind="dump")[0].turn
        assert [row.backup_id for row in ledger.movements("crm")] == [rows[0].backup_id]
