"""A migration works on the database while it is dumped: nothing is lost under `verified`, and nothing is condemned.

Each seed lets one change fall between two of the dump's own commands. `OPS_SEEDS` makes more of them.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient, monitoring

from ops_pipelines.engines.mongodb.engine import MongoDBEngine
from ops_pipelines.engines.mongodb.settings import MongoDBSource
from ops_pipelines.errors import SourceError
from ops_pipelines.recovery.compare import compare
from tests.engines.mongodb.conftest import Mongo, TestServer
from tests.engines.mongodb.test_adoption import Sink

SEEDS = range(int(os.environ.get("OPS_SEEDS", "8")))
_FIRST_LOOK, _LAST_LOOK = 4, 18
"""The dump's commands from its first listing of indexes to its last, as the driver counts them here."""


class Between(monitoring.CommandListener):
    """Does something before the dump's n-th command; what it does is not counted."""

    def __init__(self) -> None:
        self._left = -1
        self._change: Callable[[], object] = lambda: None

    def arm(self, number: int, change: Callable[[], object] = lambda: None) -> None:
        """Once, before that command; never for a negative one."""
        self._left, self._change = number, change

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self._left < 0 or event.command_name in ("hello", "ismaster", "endSessions", "saslStart", "saslContinue"):
            return
        self._left -= 1
        if self._left < 0:
            self._change()

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to do."""


BETWEEN = Between()
monitoring.register(BETWEEN)


def filled(database: Mongo) -> None:
    """Three collections; `people` has an index that refuses documents, `log` one that does not."""
    for name in ("people", "orders", "log"):
        database[name].insert_many([{"_id": f"{name} {i}", "n": i, "pad": "x" * 300} for i in range(40)])
    database["people"].create_index("n", unique=True, name="one of each")
    database["log"].create_index("n", name="by n")


def _doubled(database: Mongo) -> None:
    database["people"].drop_index("one of each")
    database["people"].insert_one({"_id": "double", "n": 1})


def _cleaned(database: Mongo) -> None:
    database["orders"].insert_one({"_id": "double", "n": 1})
    database["orders"].delete_one({"_id": "double"})
    database["orders"].create_index("n", unique=True, name="unique now")


def _moved(database: Mongo) -> None:
    database["archive"].insert_many(database["orders"].find({"n": {"$lt": 20}}))
    database["orders"].delete_many({"n": {"$lt": 20}})


def _replaced(database: Mongo) -> None:
    kept = list(database["orders"].find())
    database["orders"].drop()
    database["orders"].insert_many(kept)


def _as_out_does(database: Mongo) -> None:
    database["tmp.agg"].insert_many(database["orders"].find())
    database["tmp.agg"].rename("orders", dropTarget=True)


CHANGES: dict[str, Callable[[Mongo], object]] = {
    "its unique index dropped, then doubled": _doubled,
    "documents move into a new collection": _moved,
    "renamed": lambda db: db["orders"].rename("orders_2026"),
    "dropped and made again": _replaced,
    "replaced by a finished one": _as_out_does,
    "a unique index after cleaning": _cleaned,
    "a validator that old documents break": lambda db: db.command(
        "collMod", "people", validator={"$jsonSchema": {"required": ["email"]}}
    ),
    "dropped": lambda db: db["log"].drop(),
    "a new collection": lambda db: db["fresh"].insert_many([{"_id": i} for i in range(5)]),
    "an index": lambda db: db["orders"].create_index("n"),
    "an index dropped": lambda db: db["log"].drop_index("by n"),
    "written to": lambda db: db["people"].insert_many([{"_id": f"late {i}", "n": 1000 + i} for i in range(20)]),
    "a view": lambda db: db.command("create", "few", viewOn="orders", pipeline=[{"$match": {"n": 1}}]),
}


@pytest.fixture
def other(mongo: TestServer) -> Iterator[MongoClient[dict[str, Any]]]:
    """Who migrates."""
    with MongoClient[dict[str, Any]](mongo.url("admin"), appname="a migration") as client:
        yield client


def held(database: Mongo) -> set[str]:
    """Every document, wherever it lies."""
    return {
        str(each["_id"])
        for info in database.list_collections(filter={"type": "collection"})
        for each in database[info["name"]].find({}, {"_id": 1})
    }


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.daily(4)
def test_a_change_between_any_two_commands_of_a_dump_loses_nothing(
    seed: int, mongo: TestServer, other: MongoClient[dict[str, Any]], tmp_path: Path
) -> None:
    chance = random.Random(seed + len(CHANGES))
    database = other[mongo.new_database().name]
    filled(database)
    before = held(database)
    name = list(CHANGES)[seed % len(CHANGES)]
    source = MongoDBSource.model_validate({"kind": "mongodb", "url": mongo.url(database.name), "jobs": 2})
    engine = MongoDBEngine("crm", source)
    BETWEEN.arm(chance.randint(_FIRST_LOOK, _LAST_LOOK), lambda: CHANGES[name](database))
    for attempt in range(2):  # a race is told, and taken again
        directory = tmp_path / f"sink {attempt}"
        directory.mkdir()
        sink = Sink(directory)
        try:
            dumped = engine.dump(sink)
            break
        except SourceError as error:
            assert "dropped, renamed or replaced" in error.what
            assert attempt == 0
            shutil.rmtree(directory)
    BETWEEN.arm(-1)
    lasting = before & held(database)
    work = tmp_path / "scratch"
    work.mkdir()
    with engine.scratch(work, dumped.facts) as target:
        engine.restore(sink, dumped.facts, target, work=work, globals_too=False)
        assert [each for each in compare(dumped.contents, engine.contents(target, "full")) if not each.passed] == []
        with MongoClient[dict[str, Any]](target) as client:
            came_back = held(client[database.name])
    assert lasting - came_back == set(), name
    other.drop_database(database.name)
