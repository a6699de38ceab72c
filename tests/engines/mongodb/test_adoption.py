"""Dumps that mongodump left long ago become restore points; what is not whole does not."""

import gzip
import io
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from ops_pipelines.engines.base import Dumped, Legacy, RestoreFailed
from ops_pipelines.engines.mongodb import server
from ops_pipelines.engines.mongodb.engine import MongoDBEngine
from ops_pipelines.engines.mongodb.settings import MongoDBSource
from ops_pipelines.errors import Inconclusive, SourceError
from ops_pipelines.recovery.compare import compare
from ops_pipelines.repository import Repository
from ops_pipelines.streams import Progress, Reader, silent
from tests.engines.mongodb.archives import ID_INDEX, Collections, view, write_archive, write_folder

AT = datetime(2025, 5, 1, 3, tzinfo=timezone.utc)
DUMP: Collections = {
    "people": (
        {"indexes": [ID_INDEX, {"v": {"$numberInt": "2"}, "key": {"name": {"$numberInt": "1"}}, "name": "by name",
                                "unique": True, "ns": "crm.people"}]},
        [{"_id": i, "name": f"Name {i}", "body": "x" * 200} for i in range(300)],
    ),
    "visits": ({"options": {"capped": True, "size": {"$numberInt": "65536"}}}, [{"_id": i} for i in range(7)]),
    "nothing": ({}, []),
}  # fmt: skip


@dataclass
class Sink:
    """Keeps the part in a directory; reads it back as a `PartReader`."""

    directory: Path
    roles: dict[str, str] = field(default_factory=dict)

    def stream(self, name: str, role: str, source: Reader) -> None:
        self.roles[role] = name
        with (self.directory / name).open("wb") as part:
            while chunk := source.read(100_000):
                part.write(chunk)

    def write(self, name: str, role: str, data: bytes) -> None:
        self.stream(name, role, io.BytesIO(data))

    def plain_directory(self) -> Path:
        (self.directory / "plain").mkdir(exist_ok=True)
        return self.directory / "plain"

    def repository(self) -> Repository:
        raise AssertionError("nothing of MongoDB lies in a repository")

    def has(self, role: str) -> bool:
        return role in self.roles

    def data(self, role: str) -> bytes:
        return (self.directory / self.roles[role]).read_bytes()

    def save(self, role: str, directory: Path, progress: Progress = silent) -> Path:
        return Path(shutil.copy(self.directory / self.roles[role], directory))


@pytest.fixture
def sink(tmp_path: Path) -> Sink:
    directory = tmp_path / "sink"
    directory.mkdir()
    return Sink(directory)


def adopt(sink: Sink, **what: Any) -> Dumped:
    source = MongoDBSource.model_validate({"kind": "mongodb", "url": "mongodb://127.0.0.1:1/crm"})
    return MongoDBEngine("crm", source).adopt(Legacy("old-dump", AT, **what), sink)


def proved(sink: Sink, dumped: Dumped, tmp_path: Path) -> None:
    """Restore what was adopted into a scratch server, and compare."""
    source = MongoDBSource.model_validate({"kind": "mongodb", "url": "mongodb://127.0.0.1:1/crm"})
    engine = MongoDBEngine("crm", source)
    work = tmp_path / "scratch"
    work.mkdir()
    with engine.scratch(work, dumped.facts) as target:
        engine.restore(sink, dumped.facts, target, work=work, globals_too=True)
        assert [each for each in compare(dumped.contents, engine.contents(target, "full")) if not each.passed] == []


def test_a_folder_is_taken_in_and_restores(sink: Sink, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "dump", DUMP)
    before = sorted(folder.rglob("*"))
    dumped = adopt(sink, folder=folder)
    assert dumped.snapshot_at == AT
    assert dumped.contents.tables["people"].rows == 300
    assert dumped.contents.objects.keys() >= {"index people.by name", "collection visits"}
    assert sorted(folder.rglob("*")) == before
    proved(sink, dumped, tmp_path)


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_a_dump_of_another_database_is_refused_until_it_is_said_that_it_is_meant(
    packed: bool, sink: Sink, tmp_path: Path
) -> None:
    def offered() -> dict[str, Any]:
        if packed:
            return {"stream": io.BytesIO(write_archive(DUMP, database="shop"))}
        return {"folder": write_folder(tmp_path / "dump", DUMP, database="shop")}

    with pytest.raises(SourceError, match="dump of the database shop") as caught:
        adopt(sink, **offered())
    assert "the source crm is the database crm" in caught.value.why
    shutil.rmtree(sink.directory / "plain")
    shutil.rmtree(tmp_path / "dump", ignore_errors=True)
    assert adopt(sink, **offered(), other_database=True).facts["database"] == "shop"


def test_a_folder_of_compressed_files_holds_the_same(sink: Sink, tmp_path: Path) -> None:
    plain = write_folder(tmp_path / "plain", DUMP)
    expected = adopt(sink, folder=plain).contents
    for path in (plain / "crm").iterdir():
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert adopt(sink, folder=plain).contents == expected
    assert adopt(sink, folder=plain / "crm").contents == expected


def test_an_archive_holds_the_same_as_the_folder(sink: Sink, tmp_path: Path) -> None:
    expected = adopt(sink, folder=write_folder(tmp_path / "dump", DUMP)).contents
    dumped = adopt(sink, stream=io.BytesIO(write_archive(DUMP)))
    assert dumped.contents == expected
    assert dumped.facts["server_version"] == "7.0.5"
    assert not any("checksum" in warning for warning in dumped.warnings)
    proved(sink, dumped, tmp_path)


STRANGE: Collections = {
    **DUMP,
    "a b": ({}, [{"_id": 1}]),
    "a+b": ({}, [{"_id": 2}]),
    "a%20b": ({}, [{"_id": 3}]),
    "ü/x?": ({}, [{"_id": 4}]),
    "seen": view("a b"),
}


def test_an_archive_with_a_view_and_strange_names_is_taken_in(sink: Sink, tmp_path: Path) -> None:
    dumped = adopt(sink, stream=io.BytesIO(write_archive(STRANGE)))
    assert dumped.contents.objects.keys() >= {"view seen", "collection a b", "collection a+b", "collection a%20b"}
    assert dumped.contents == adopt(sink, folder=write_folder(tmp_path / "dump", STRANGE)).contents
    proved(sink, dumped, tmp_path)


def test_documents_in_a_view_of_an_archive_are_damage(sink: Sink) -> None:
    facts, _none = view("people")
    with pytest.raises(SourceError, match="not a whole mongodump archive"):
        adopt(sink, stream=io.BytesIO(write_archive({**DUMP, "seen": (facts, [{"_id": 1}])})))


@pytest.mark.parametrize("where", ["crm", ""])
def test_a_compressed_folder_says_which_server_it_is_of(sink: Sink, tmp_path: Path, where: str) -> None:
    folder = write_folder(tmp_path / "dump", STRANGE)
    (folder / where / "prelude.json").write_text('{"ServerVersion":"7.0.16","ToolVersion":"100.12.0"}')
    for path in [each for each in folder.rglob("*") if each.is_file()]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    dumped = adopt(sink, folder=folder)
    assert dumped.facts["server_version"] == "7.0.16"
    proved(sink, dumped, tmp_path)


def test_file_names_of_older_tools_are_read_by_what_the_indexes_say(sink: Sink, tmp_path: Path) -> None:
    old = {"ns": "crm.a+b", **ID_INDEX}
    folder = write_folder(tmp_path / "dump", {"a+b": ({"indexes": [old]}, [{"_id": 1}])}, escape=lambda name: name)
    described = folder / "crm" / "a+b.metadata.json"
    described.write_text(described.read_text().replace('"collectionName": "a+b", ', ""))
    assert "collection a+b" in adopt(sink, folder=folder).contents.objects


def test_an_archive_cut_anywhere_is_refused(sink: Sink) -> None:
    whole = write_archive(DUMP)
    chance = random.Random(3)
    for at in [0, 3, 4, 10, len(whole) - 1, len(whole) - 4, *(chance.randrange(len(whole)) for _ in range(30))]:
        with pytest.raises(SourceError, match="not a whole mongodump archive"):
            adopt(sink, stream=io.BytesIO(whole[:at]))
        shutil.rmtree(sink.plain_directory())


def test_an_archive_with_a_flipped_bit_in_a_document_is_refused(sink: Sink) -> None:
    whole = bytearray(write_archive(DUMP))
    whole[whole.index(b"Name 150")] ^= 1
    with pytest.raises(SourceError) as caught:
        adopt(sink, stream=io.BytesIO(whole))
    assert "checksum of people.bson" in caught.value.why


def _emptied(directory: Path) -> None:
    shutil.rmtree(directory)
    directory.mkdir()


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (lambda crm: _rewrite(crm / "people.bson", lambda data: data[:-7]), "people.bson is not whole"),
    "a flipped length": (lambda crm: _rewrite(crm / "people.bson", lambda data: b"\x7f" + data[1:]), "people.bson"),
    "no documents": (lambda crm: (crm / "people.bson").unlink(), "people has no .bson"),
    "no metadata": (lambda crm: (crm / "people.metadata.json").unlink(), "documents without a metadata.json"),
    "broken metadata": (lambda crm: (crm / "people.metadata.json").write_text("{"), "people.metadata.json cannot"),
    "nothing at all": (_emptied, "no collection"),
}


def _rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_refused(damage: str, sink: Sink, tmp_path: Path) -> None:
    inflict, told = DAMAGE[damage]
    folder = write_folder(tmp_path / "dump", DUMP)
    inflict(folder / "crm")
    with pytest.raises(SourceError) as caught:
        adopt(sink, folder=folder)
    assert told in caught.value.why


def test_a_folder_of_other_databases_is_refused(sink: Sink, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "dump", DUMP, database="one")
    write_folder(tmp_path / "dump", DUMP, database="two")
    with pytest.raises(SourceError) as caught:
        adopt(sink, folder=folder)
    assert "its databases are: one, two" in caught.value.why


LACKED = {
    "text index": {"key": {"_fts": "text", "_ftsx": 1}, "name": "words", "weights": {"name": 1}, "v": 2},
    "hashed index": {"key": {"name": "hashed"}, "name": "spread", "v": 2},
}


@pytest.mark.parametrize("feature", LACKED)
def test_what_the_stand_in_lacks_is_inconclusive_by_name(feature: str, sink: Sink, tmp_path: Path) -> None:
    facts, documents = DUMP["people"]
    dump = {"people": ({**facts, "indexes": [ID_INDEX, LACKED[feature]]}, documents)}
    dumped = adopt(sink, folder=write_folder(tmp_path / "dump", dump))
    with pytest.raises(Inconclusive, match=feature):
        proved(sink, dumped, tmp_path)


def test_buckets_of_a_time_series_are_inconclusive_on_the_stand_in(sink: Sink, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "dump", {"measured": ({"options": {"timeseries": {"timeField": "at"}}}, [])})
    (folder / "crm" / "measured.bson").rename(folder / "crm" / "system.buckets.measured.bson")
    dumped = adopt(sink, folder=folder)
    with pytest.raises(Inconclusive, match="time series measured"):
        proved(sink, dumped, tmp_path)


def test_documents_that_break_a_unique_index_condemn_the_backup(sink: Sink, tmp_path: Path) -> None:
    facts, documents = DUMP["people"]
    twice = {"people": (facts, [*documents, {"_id": "again", "name": "Name 1"}])}
    dumped = adopt(sink, folder=write_folder(tmp_path / "dump", twice))
    with pytest.raises(RestoreFailed, match="by name of people"):
        proved(sink, dumped, tmp_path)


def test_an_older_mongod_proves_nothing_and_a_newer_one_does(tmp_path: Path) -> None:
    mongod = tmp_path / "mongod"
    mongod.write_text("#!/bin/sh\necho 'db version v7.0.4'\n")
    mongod.chmod(0o700)
    assert server.choose("7.0.1", [tmp_path]).path == mongod
    assert server.choose("6.0.1", [tmp_path]).path == mongod
    assert server.choose("", [tmp_path]).path == mongod
    assert server.choose("8.0.1", [tmp_path]).path.name == "secantusd-py"


def test_what_has_expired_since_is_still_there_to_be_compared(sink: Sink, tmp_path: Path) -> None:
    index = {"key": {"at": 1}, "name": "expires", "expireAfterSeconds": 60, "v": 2}
    dump = {"sessions": ({"indexes": [ID_INDEX, index]}, [{"_id": i, "at": AT} for i in range(20)])}
    dumped = adopt(sink, folder=write_folder(tmp_path / "dump", dump))
    assert "index sessions.expires" in dumped.contents.objects
    engine = MongoDBEngine("crm", MongoDBSource.model_validate({"kind": "mongodb", "url": "mongodb://127.0.0.1:1/crm"}))
    work = tmp_path / "scratch"
    work.mkdir()
    with engine.scratch(work, dumped.facts) as target:
        engine.restore(sink, dumped.facts, target, work=work, globals_too=True)
        with MongoClient[dict[str, Any]](target) as client:
            made = list(client["crm"]["sessions"].list_indexes())
            assert not any("expireAfterSeconds" in each for each in made)  # nothing would sweep them away
        assert all(each.passed for each in compare(dumped.contents, engine.contents(target, "full")))
