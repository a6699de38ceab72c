"""A database that holds everything the test server can hold. The test server is SecantusDB."""

import datetime
import uuid
from collections.abc import Sequence
from typing import Any

import bson
import gridfs
from bson import (
    Binary,
    Code,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)

from tests.engines.mongodb.conftest import Mongo

AT = datetime.datetime(2026, 3, 29, 2, 30, 0, 123000, tzinfo=datetime.timezone.utc)
FILE = bytes(range(256)) * 3000
STRANGE_NAMES = (
    "a.b",
    "příliš žluťoučký",
    "sp ace",
    "per%cent",
    "sl/ash",
    'q"uote',
    "back\\slash",
    "new\nline",
    "x" * 200,
)
VALUES: Sequence[Any] = (
    None, True, False, 0, 1, -1, 2**31 - 1, Int64(5), Int64(2**63 - 1), 0.0, -0.0, 1.5, float("nan"), float("inf"),
    float("-inf"), 5e-324, Decimal128("1.10"), Decimal128("NaN"), Decimal128("-0E-6176"), "", "text", "nul\0inside",
    "😀 \u202e", b"ytes", Binary(b"", 0), Binary(b"x", 128), Binary(uuid.UUID(int=7).bytes, 4),
    ObjectId(b"twelve bytes"), AT, datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31), Regex("^a.*b$", "imsx"),
    Code("function(){}"), Code("x", {"y": 1}), Timestamp(1, 2), MinKey(), MaxKey(), DBRef("other", 1, "db"),
    [], {}, [[], {}, [None]],
    {"a.b": 1, "$x": {"$gt": 2}, "": 3, "ž": [1, 2.0, Int64(3)]},
)  # fmt: skip


def fill(database: Mongo) -> None:
    """Put everything into a database."""
    database["types"].insert_many([{"_id": i, "v": value} for i, value in enumerate(VALUES)])
    database["ids"].insert_many([{"_id": each} for each in (1, "1", ObjectId(), 2.5, {"a": 1}, AT, b"\0", None)])
    database["raw"].insert_one(bson.raw_bson.RawBSONDocument(bson.encode({"_id": 1, "a.b": {"$where": 1}, "$y": 2})))
    database["large"].insert_one({"_id": 1, "blob": b"\xa5" * (16 * 1024 * 1024 - 100)})
    for name in STRANGE_NAMES:
        database[name].insert_one({"_id": name})
    database.create_collection("empty")
    database.create_collection("capped", capped=True, size=4096, max=5)
    database["capped"].insert_many([{"_id": 9 - i} for i in range(9)])
    clustered = {"key": {"_id": 1}, "unique": True, "name": "by id"}
    database.create_collection("clustered", clusteredIndex=clustered)
    database["clustered"].insert_many([{"_id": i} for i in (3, 1, 2)])
    database.create_collection("collated", collation={"locale": "cs", "strength": 2})
    database["collated"].insert_many([{"_id": word} for word in ("chyba", "hora", "Cesta")])
    database.create_collection(
        "measured", timeseries={"timeField": "at", "metaField": "sensor", "granularity": "minutes"}
    )
    database["measured"].insert_many(
        [{"at": AT + datetime.timedelta(minutes=i), "sensor": {"id": i % 3}, "value": i * 0.1} for i in range(50)]
    )
    _validated(database)
    _indexed(database)
    database.command("create", "adults", viewOn="people", pipeline=[{"$match": {"age": {"$gte": 18}}}])
    database.command("create", "adults of prague", viewOn="adults", pipeline=[{"$match": {"city": "Praha"}}])
    bucket = gridfs.GridFSBucket(database, bucket_name="uploads", chunk_size_bytes=100_000)
    bucket.upload_from_stream("photo.jpg", FILE, metadata={"of": "people", "tags": ["a", 1]})


def _validated(database: Mongo) -> None:
    schema = {
        "$jsonSchema": {"bsonType": "object", "required": ["name"], "properties": {"name": {"bsonType": "string"}}}
    }
    database["strict"].insert_one({"_id": "older than its rule", "nameless": True})
    database.command("collMod", "strict", validator=schema, validationLevel="moderate", validationAction="error")
    database["strict"].insert_one({"name": "fits"})


def _indexed(database: Mongo) -> None:
    people = database["people"]
    people.insert_many(
        [
            {"_id": i, "name": f"Name {i}", "age": i % 90, "city": "Praha" if i % 2 else "Brno", "tags": [i, i % 7],
             "seen": AT, "at": {"type": "Point", "coordinates": [14.4 + i / 1000, 50.0]}, "flat": [i % 90, i % 80]}
            for i in range(2000)
        ]
    )  # fmt: skip
    people.create_index("name", unique=True, name="the name")
    people.create_index([("city", 1), ("age", -1)])
    people.create_index("tags")
    people.create_index("nick", sparse=True)
    people.create_index("age", partialFilterExpression={"age": {"$gt": 65}}, name="old")
    people.create_index("seen", expireAfterSeconds=10**9)
    people.create_index("city", hidden=True, name="hidden")
    people.create_index([("at", "2dsphere")])
    people.create_index([("flat", "2d")], min=-200, max=200)
    people.create_index([("$**", 1)], wildcardProjection={"name": 1}, name="wild")
    people.create_index("name", collation={"locale": "cs", "strength": 1}, name="name, no accents")


def everything(database: Mongo) -> dict[str, list[bytes]]:
    """Every document of a database, byte for byte, by collection; sorted where order is no property."""
    found = {}
    for info in database.list_collections():
        name = info["name"]
        documents = [
            document
            for batch in database[name].find_raw_batches()
            for document in _split(batch)  # type: ignore[arg-type]
        ]
        found[name] = documents if info["options"].get("capped") else sorted(documents)
    return found


def _split(batch: bytes) -> list[bytes]:
    return [
        bytes(document.raw) for document in bson.decode_all(batch, bson.CodecOptions(bson.raw_bson.RawBSONDocument))
    ]
