"""MongoDB: what a broken dump or restore loses, and what a source does to its next backup."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import gridfs
from bson import Int64
from pymongo import MongoClient

from ops_pipelines.engines.mongodb.server import choose, scratch_server
from tests.engines.mongodb.conftest import Mongo, TestServer
from tests.matrix.case import Act, Case, Seen, bad, look
from tests.matrix.rig import Fresh, Rig, Scratch, back_up, opened, write_config

_AT = datetime(2026, 11, 21, 2, tzinfo=timezone.utc)


def _fill(database: Mongo) -> None:
    database["companies"].insert_many(
        [{"_id": i, "name": f"Firma č. {i}", "city": "Brno" if i % 2 else "Plzeň", "since": _AT, "score": i / 7,
          "note": None} for i in range(300)]
    )  # fmt: skip
    database["companies"].create_index("city", name="by_city")
    database["contacts"].insert_many([{"_id": i, "name": f"Jméno {i}", "company": i % 300} for i in range(1000)])
    database["contacts"].create_index("name", unique=True, name="by_name")
    database["notes"].insert_many([{"_id": i, "body": "žluťoučký kůň " * 900} for i in range(5)])
    database["drafts"].insert_many([{"_id": i, "body": f"draft {i}"} for i in range(5)])
    database.command("collMod", "drafts", validator={"body": {"$type": "string"}})
    database.create_collection("empty")
    database.create_collection("recent", capped=True, size=100_000)
    database["recent"].insert_many([{"_id": i} for i in range(3)])
    database.create_collection("words", collation={"locale": "cs"})
    database.command("create", "customers", viewOn="companies", pipeline=[{"$match": {"city": "Plzeň"}}])
    gridfs.GridFSBucket(database).upload_from_stream("photo.jpg", bytes(range(256)) * 2000)


def _later(database: Mongo) -> None:
    database["companies"].insert_many([{"_id": 1000 + i, "name": f"Later {i}"} for i in range(40)])
    database["companies"].create_index("name")


@contextmanager
def scratch_databases(directory: Path) -> Iterator[Scratch]:
    """Empty databases on one scratch server, started as a verification starts its own."""
    with scratch_server(choose("", ()), directory, database="mx_crm") as url:

        def emptied(facts: Mapping[str, Any]) -> str:
            with MongoClient[dict[str, Any]](url) as client:
                for name in client.list_database_names():
                    if name.startswith("mx"):
                        client.drop_database(name)
            return url.replace("mx_crm", str(facts["database"]))

        yield emptied


def build(path: Path, server: TestServer, scratch: Scratch) -> Rig:
    """A CRM with two restore points, and a neighbour."""
    crm, other = server.client["mx_crm"], server.client["mx_other"]
    _fill(crm)
    other["elsewhere"].insert_many([{"_id": i} for i in range(10)])
    for each in (crm, other):
        (path / each.name).touch(mode=0o600)
        (path / each.name).write_text(server.url(each.name), encoding="utf-8")
    sources = {each: {"kind": "mongodb", "url": {"file": f"mx_{each}"}} for each in ("crm", "other")}
    write_config(path, sources)
    older = back_up(opened(path), "crm")
    _later(crm)
    newer, neighbour = back_up(opened(path), "crm"), back_up(opened(path), "other")

    def fresh(place: Path) -> Fresh:
        database = server.client[f"mx_{secrets.token_hex(4)}"]
        _fill(database)
        _later(database)
        (place / database.name).touch(mode=0o600)
        (place / database.name).write_text(server.url(database.name), encoding="utf-8")
        return Fresh({**sources["crm"], "url": {"file": database.name}}, database)

    return Rig("mongodb", path, sources, fresh, scratch, older, newer, neighbour)


def _on(change: Callable[[Mongo], object]) -> Act:
    """A change of the restored database."""

    def act(target: str) -> None:
        with MongoClient[dict[str, Any]](target, tz_aware=True) as client:
            change(client.get_default_database())

    return act


def _set(collection: str, key: int, **values: Any) -> Callable[[Mongo], object]:
    return lambda database: database[collection].update_one({"_id": key}, {"$set": values})


def _exchanged(database: Mongo) -> None:
    draft, note = database["drafts"].find_one({"_id": 3}), database["notes"].find_one({"_id": 3})
    assert draft is not None and note is not None
    database["drafts"].replace_one({"_id": 3}, note)
    database["notes"].replace_one({"_id": 3}, draft)


def _reindexed(database: Mongo, **options: Any) -> None:
    database["contacts"].drop_index("by_name")
    database["contacts"].create_index("name", name="by_name", **options)


def _collated(database: Mongo) -> None:
    database["words"].drop()
    database.create_collection("words", collation={"locale": "de"})


def _uncapped(database: Mongo) -> None:
    documents = list(database["recent"].find())
    database["recent"].drop()
    database["recent"].insert_many(documents)


def _another_view(database: Mongo) -> None:
    database["customers"].drop()
    database.command("create", "customers", viewOn="companies", pipeline=[])


def _shifted(database: Mongo) -> None:
    database["companies"].update_many({}, {"$set": {"since": _AT + timedelta(hours=1)}})


_LOST: tuple[tuple[str, Seen, Callable[[Mongo], object]], ...] = (
    ("table dropped", bad("schema", "rows"), lambda db: db["drafts"].drop()),
    ("empty collection dropped", bad("schema", "rows"), lambda db: db["empty"].drop()),
    ("all rows of a table lost", bad("rows"), lambda db: db["drafts"].delete_many({})),
    ("one row missing", bad("rows"), lambda db: db["drafts"].delete_one({"_id": 3})),
    ("one row too many", bad("rows"), lambda db: db["drafts"].insert_one({"body": "x"})),
    ("one row changed", bad("content"), _set("drafts", 3, body="Draft 3")),
    ("two rows exchanged between tables", bad("content"), _exchanged),
    ("values of two rows exchanged", bad("content"), lambda db: (
        _set("drafts", 1, body="draft 2")(db), _set("drafts", 2, body="draft 1")(db))),
    ("encoding: UTF-8 read as Latin-1", bad("content"), _set("contacts", 3, name="Jméno 3".encode().decode("latin-1"))),
    ("NULL became an empty string", bad("content"), _set("companies", 7, note="")),
    ("field lost", bad("content"), lambda db: db["companies"].update_one({"_id": 7}, {"$unset": {"note": 1}})),
    ("order of fields changed", bad("content"), lambda db: db["drafts"].replace_one(
        {"_id": 3}, {"body": "draft 3", "_id": 3}) and db["contacts"].replace_one(
        {"_id": 3}, {"_id": 3, "company": 3, "name": "Jméno 3"})),
    ("type of a number changed", bad("content"), _set("contacts", 3, company=Int64(3))),
    ("precision of a float lost", bad("content"), _set("companies", 1, score=round(1 / 7, 6))),
    ("long text cut", bad("content"), _set("notes", 1, body=("žluťoučký kůň " * 900)[:8000])),
    ("times shifted by the time zone", bad("content"), _shifted),
    ("index dropped", bad("schema"), lambda db: db["companies"].drop_index("by_city")),
    ("unique constraint dropped", bad("schema"), _reindexed),
    ("index became partial", bad("schema"), lambda db: _reindexed(
        db, unique=True, partialFilterExpression={"company": {"$gt": 5}})),
    ("view dropped", bad("schema"), lambda db: db["customers"].drop()),
    ("view's definition changed", bad("schema"), _another_view),
    ("validator dropped", bad("schema"), lambda db: db.command("collMod", "drafts", validator={})),
    ("validator changed", bad("schema"), lambda db: db.command(
        "collMod", "drafts", validator={"body": {"$type": "int"}})),
    ("collection's collation changed", bad("schema"), _collated),
    ("capped collection no longer capped", bad("schema"), _uncapped),
    ("chunk of a GridFS file lost", bad("rows"), lambda db: db["fs.chunks"].delete_one({"n": 1})),
    ("collection that the source did not have", bad("schema", "rows"), lambda db: db["more"].insert_one({})),
)  # fmt: skip


def _emptied(database: Mongo) -> None:
    for name in ("companies", "contacts", "notes"):
        database[name].delete_many({})


def _grown(database: Mongo) -> None:
    database["notes"].insert_many([{"body": secrets.token_hex(5000)} for _ in range(60)])


_SOURCE: tuple[tuple[str, Seen, Act], ...] = (
    ("database emptied since the last verified backup", look("row drift"), _emptied),
    ("database four times as large", look("size drift"), _grown),
    ("database dropped", Seen("refused"), lambda database: database.client.drop_database(database.name)),
)
CASES = [
    *(Case("mongodb", "restored", name, (_on(change),), expected) for name, expected, change in _LOST),
    *(Case("mongodb", "source", name, (act,), expected) for name, expected, act in _SOURCE),
]
