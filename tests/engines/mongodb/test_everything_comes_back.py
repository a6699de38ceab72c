"""Whatever a MongoDB database holds, its verified backup holds: compared by our own check and by reading it."""

import tarfile
from pathlib import Path
from typing import Any

import bson
import gridfs
import pytest
from bson.json_util import loads

from ops_pipelines.recovery.restore import restore_to
from tests.engines.mongodb.conftest import Backups, Mongo, Protect, TestServer
from tests.engines.mongodb.everything import FILE, STRANGE_NAMES, everything, fill
from tests.engines.mongodb.unpacked import unpack


@pytest.fixture(scope="module")
def full(mongo: TestServer) -> Mongo:
    """A database that holds everything."""
    database = mongo.client["full"]
    fill(database)
    return database


@pytest.fixture
def backups(mongo: TestServer, full: Mongo, protect: Protect) -> Backups:
    return protect(mongo.url(full.name))


def test_everything_comes_back_and_is_verified(backups: Backups) -> None:
    manifest = backups.take()
    verdict = backups.verify()
    assert [check for check in verdict.checks if not check.passed] == []
    assert verdict.outcome == "verified"
    assert verdict.store == "nas"
    assert manifest.contents.rows > 2000
    assert [part.role for part in manifest.parts] == ["dump", "contents"]
    assert any("SecantusDB" in warning for warning in verdict.warnings)


def test_a_restore_beside_the_source_is_the_same_byte_for_byte(
    backups: Backups, mongo: TestServer, full: Mongo
) -> None:
    backups.take()
    recovered = restore_to(backups.made.workspace, backups.newest(), "full_restored")
    assert recovered.good, recovered.checks
    copy = mongo.client["full_restored"]
    assert everything(copy) == everything(full)
    assert _definitions(copy) == _definitions(full)
    assert gridfs.GridFSBucket(copy, bucket_name="uploads").open_download_stream_by_name("photo.jpg").read() == FILE
    assert copy["adults of prague"].count_documents({}) == full["adults of prague"].count_documents({}) > 0
    mongo.client.drop_database("full_restored")


def test_the_part_is_mongodumps_directory_layout(backups: Backups, full: Mongo, tmp_path: Path) -> None:
    manifest = backups.take()
    assert manifest.identity["database"] == "full"
    by_hand = manifest.restore_by_hand
    assert all("--bypassDocumentValidation" in line for line in by_hand if "mongorestore" in line)
    folder = unpack(backups, tmp_path) / "dump" / "full"
    assert loads((folder / "prelude.json").read_text())["ServerVersion"]
    raw = everything(full)
    for name in set(raw) - {"adults", "adults of prague"}:
        path = next(each for each in folder.glob("*.bson") if _collection_of(each) == name)
        documents = [bytes(each.raw) for each in bson.decode_all(path.read_bytes(), _RAW)]
        assert sorted(documents) == sorted(raw[name]), name
    metadata = loads((folder / "people.metadata.json").read_text())
    assert metadata["collectionName"], metadata["type"] == ("people", "collection")
    assert {each["name"] for each in metadata["indexes"]} >= {"_id_", "the name", "old", "wild", "hidden"}
    assert metadata["uuid"]
    assert not (folder / "adults.bson").exists()
    assert (folder / "sl%2Fash.bson").is_file()
    assert (folder / "per%25cent.bson").is_file()
    assert (folder / "p%C5%99%C3%ADli%C5%A1+%C5%BElu%C5%A5ou%C4%8Dk%C3%BD.bson").is_file()
    assert {_collection_of(each) for each in folder.glob("*.bson")} >= set(STRANGE_NAMES)


def test_a_database_without_documents_is_backed_up(mongo: TestServer, protect: Protect) -> None:
    database = mongo.new_database()
    database.create_collection("nothing yet")
    backups = protect(mongo.url(database.name))
    assert backups.take().contents.rows == 0
    assert backups.verify().outcome == "verified"


@pytest.mark.parametrize("level", ["off", "counts"])
def test_a_lighter_fingerprint_is_verified_too(
    level: str, backups: Backups, mongo: TestServer, protect: Protect
) -> None:
    database = mongo.new_database()
    database["a"].insert_many([{"i": i} for i in range(10)])
    light = protect(mongo.url(database.name), fingerprint=level, directory="light") if level else backups
    light.take()
    assert light.verify().outcome == "verified"


_RAW: bson.CodecOptions[Any] = bson.CodecOptions(bson.raw_bson.RawBSONDocument)


def _collection_of(path: Path) -> str:
    metadata = path.with_name(path.name.removesuffix(".bson") + ".metadata.json")
    return str(loads(metadata.read_text())["collectionName"])


def _definitions(database: Mongo) -> dict[str, Any]:
    found = {}
    for info in database.list_collections():
        indexes = [] if info["type"] == "view" else list(database[info["name"]].list_indexes())
        found[info["name"]] = (
            info["type"],
            info["options"],
            [{k: v for k, v in i.items() if k != "ns"} for i in indexes],
        )
    return found


def test_the_tar_opens_with_tar(backups: Backups, tmp_path: Path) -> None:
    backups.take()
    folder = unpack(backups, tmp_path)
    assert (folder / "dump" / "full" / "people.bson").is_file()
    assert not any(tarfile.is_tarfile(path) for path in (folder / "dump").rglob("*.bson"))
