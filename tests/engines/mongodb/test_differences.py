"""Whatever differs from the dump's fingerprint has a name."""

from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from bson import Int64

from ops_pipelines.engines.base import Contents
from ops_pipelines.engines.mongodb.engine import MongoDBEngine
from ops_pipelines.engines.mongodb.settings import MongoDBSource
from ops_pipelines.recovery.compare import compare
from tests.engines.mongodb.conftest import Mongo, TestServer


def _no_longer_unique(database: Mongo) -> None:
    database["a"].drop_index("v_1")
    database["a"].create_index("v")


def _another_view(database: Mongo) -> None:
    database["odd"].drop()
    database.command("create", "odd", viewOn="a", pipeline=[])


MUTATIONS: dict[str, tuple[Callable[[Mongo], object], str, str]] = {
    "changed document": (
        lambda db: db["a"].update_one({"_id": 3}, {"$set": {"w": 0}}), "content", "a has different content",
    ),
    "another type of the same number": (
        lambda db: db["a"].update_one({"_id": 3}, {"$set": {"v": Int64(3)}}), "content", "a has different content",
    ),
    "another order of fields": (
        lambda db: db["a"].replace_one({"_id": 3}, {"_id": 3, "w": 1, "v": 3}), "content", "a has different content",
    ),
    "missing document": (lambda db: db["a"].delete_one({"_id": 3}), "rows", "a has 9 rows, the source had 10"),
    "extra document": (lambda db: db["a"].insert_one({}), "rows", "a has 11 rows, the source had 10"),
    "swapped documents of two collections": (
        lambda db: (db["a"].delete_one({"_id": 3}), db["a"].insert_one({"_id": "b"})),
        "content", "a has different content",
    ),
    "dropped collection": (lambda db: db["empty"].drop(), "schema", "collection empty is missing"),
    "extra collection": (lambda db: db.create_collection("new"), "schema", "collection new was not in the source"),
    "dropped index": (lambda db: db["a"].drop_index("v_1"), "schema", "index a.v_1 is missing"),
    "index that is no longer unique": (
        _no_longer_unique, "schema",
        "index a.v_1 is defined differently",
    ),
    "dropped validator": (
        lambda db: db.command("collMod", "a", validator={}, validationLevel="off"), "schema",
        "collection a is defined differently",
    ),
    "reverted migration": (
        lambda db: db["mongockChangeLog"].delete_one({"changeId": "change-2"}), "migrations",
        "mongock mongockChangeLog is at 2 up to change-1, the source was at 3 up to change-2",
    ),
    "dropped view": (lambda db: db["odd"].drop(), "schema", "view odd is missing"),
    "changed view": (
        _another_view, "schema",
        "view odd is defined differently",
    ),
}  # fmt: skip


@pytest.fixture
def database(mongo: TestServer) -> Mongo:
    """A small database of a bit of everything."""
    made = mongo.new_database()
    made["a"].insert_many([{"_id": i, "v": i, "w": 1} for i in range(10)])
    made["a"].create_index("v", unique=True)
    made.command("collMod", "a", validator={"_id": {"$exists": True}})
    made["mongockChangeLog"].insert_many(
        {"changeId": f"change-{i}", "timestamp": datetime(2026, 11, 1 + i, tzinfo=timezone.utc)} for i in range(3)
    )
    made.create_collection("empty")
    made.command("create", "odd", viewOn="a", pipeline=[{"$match": {"v": {"$mod": [2, 1]}}}])
    return made


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_difference_is_named(mutation: str, database: Mongo, mongo: TestServer) -> None:
    mutate, check, told = MUTATIONS[mutation]
    held = _contents(mongo, database)
    assert all(each.passed for each in compare(held, _contents(mongo, database)))
    mutate(database)
    failed = {each.name: each.detail for each in compare(held, _contents(mongo, database)) if not each.passed}
    assert told in failed[check]


def test_the_order_of_documents_is_no_difference(database: Mongo, mongo: TestServer) -> None:
    held = _contents(mongo, database)
    documents = list(database["a"].find())
    database["a"].delete_many({})
    database["a"].insert_many(reversed(documents))
    assert all(each.passed for each in compare(held, _contents(mongo, database)))


def _contents(mongo: TestServer, database: Mongo) -> Contents:
    url = mongo.url(database.name)
    engine = MongoDBEngine("crm", MongoDBSource.model_validate({"kind": "mongodb", "url": url}))
    return engine.contents(url, "full")
