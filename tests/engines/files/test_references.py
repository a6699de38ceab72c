"""Files and database agree: what the restored database names exists in the restored folders."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.files.settings import FilesSource
from ops_pipelines.errors import OpsError
from tests.conftest import TestServer
from tests.engines.files.conftest import House, MakeHouse

SQL = "select path from attachments order by path;"


@pytest.fixture
def crm(pg18: TestServer) -> Iterator[str]:
    """A database that names files."""
    name = pg18.new_database()
    pg18.sql("create table attachments (path text)", database=name)
    yield name
    pg18.sql(f'drop database "{name}" with (force)')


def tied(make_house: MakeHouse, pg: TestServer, crm: str, **references: Any) -> House:
    house = make_house()
    (house.path / "url").write_text(pg.url(crm), encoding="utf-8")
    house.configure(
        sources={"crm": {"kind": "postgres", "url": {"file": "url"}}},
        **{"with": "crm", "references": {"sql": SQL, **references}},
    )
    (house.uploads / "invoices").mkdir()
    for number in range(5):
        (house.uploads / "invoices" / f"{number} é.pdf").write_text(str(number), encoding="utf-8")
    return house


def name_files(pg: TestServer, crm: str, *paths: str) -> None:
    quoted = ", ".join("('" + path.replace("'", "''") + "')" for path in paths)
    pg.sql(f"insert into attachments values {quoted}", database=crm)


def test_files_the_database_names_are_found_however_it_writes_them(
    make_house: MakeHouse, pg18: TestServer, crm: str
) -> None:
    house = tied(make_house, pg18, crm)
    name_files(pg18, crm, "invoices/0 é.pdf", str(house.uploads / "invoices" / "1 é.pdf"), "./invoices//2 é.pdf")
    take_backup(house.workspace, "crm")
    house.backup()
    verdict = house.verify()
    assert verdict.outcome == "verified", verdict.reason
    check = next(check for check in verdict.checks if check.name == "references")
    assert check.detail.startswith("3 files named in ")
    assert verdict.seconds["references"] > 0
    assert not [path for path in (house.base / "scratch").glob("*") if path.is_dir()]


def test_a_named_file_that_is_missing_makes_the_snapshot_bad_by_name(
    make_house: MakeHouse, pg18: TestServer, crm: str
) -> None:
    house = tied(make_house, pg18, crm, below="invoices")
    name_files(pg18, crm, "0 é.pdf", "gone.pdf", "it's gone.pdf")
    take_backup(house.workspace, "crm")
    house.backup()
    verdict = house.verify()
    assert verdict.outcome == "bad"
    (check,) = verdict.failed
    assert check.name == "references"
    assert "2 of 3 files" in check.detail
    assert "gone.pdf" in check.detail


def test_a_sample_is_bounded_and_nothing_named_is_fine(make_house: MakeHouse, pg18: TestServer, crm: str) -> None:
    house = tied(make_house, pg18, crm, sample=2)
    take_backup(house.workspace, "crm")
    first = house.backup()
    name_files(pg18, crm, *(f"invoices/{number} é.pdf" for number in range(5)))
    take_backup(house.workspace, "crm")
    second = house.backup()
    details = []
    for manifest in (first, second):
        verdict = house.verify(backup_id=manifest.id)
        assert verdict.outcome == "verified", verdict.reason
        details.append(next(check.detail for check in verdict.checks if check.name == "references"))
    assert details[0].startswith("0 files")
    assert details[1].startswith("2 files")


def test_a_database_backup_that_is_gone_or_damaged_leaves_it_open(
    make_house: MakeHouse, pg18: TestServer, crm: str
) -> None:
    house = tied(make_house, pg18, crm)
    database = take_backup(house.workspace, "crm")
    house.backup()
    parts = house.workspace.local.directory("crm", database.id)
    dump = next(parts.glob("dump.*"))
    whole = dump.read_bytes()
    dump.write_bytes(whole[:-100])
    damaged = house.verify()
    assert damaged.outcome == "inconclusive"
    dump.write_bytes(whole)
    house.workspace.local.delete("crm", database.id)
    gone = house.verify()
    assert gone.outcome == "inconclusive"
    assert database.id in gone.reason


def test_a_folder_is_no_database_and_a_database_no_folder(make_house: MakeHouse, pg18: TestServer, crm: str) -> None:
    house = tied(make_house, pg18, crm)
    folders, database = house.workspace.config.engine("files"), house.workspace.config.engine("crm")
    assert isinstance(house.workspace.config.source("files"), FilesSource)
    assert not database.is_source(folders.locate("/tmp/elsewhere"))
    assert not database.is_source(folders.locate(crm))
    assert database.is_source(database.locate(crm))
    assert not folders.is_source(database.locate(crm))
    with pytest.raises(OpsError):
        folders.locate(pg18.url(crm).replace("host=", "x://"))
    assert Path(folders.locate("/a b/ü")[len("file://") :]).parts[1] == "a%20b"
