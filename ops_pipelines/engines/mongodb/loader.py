"""Load a packed dump into a MongoDB database: collections, documents, indexes, then views. Accounts have a loader."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from ops_pipelines.engines.mongodb import expiry
from ops_pipelines.engines.mongodb.connection import Document, is_stand_in
from ops_pipelines.engines.mongodb.documents import end_of
from ops_pipelines.engines.mongodb.judge import Judge, inconclusive
from ops_pipelines.engines.mongodb.layout import Layout, Stored
from ops_pipelines.engines.mongodb.namespaces import BUCKETS, Collection
from ops_pipelines.engines.mongodb.scan import Deadline, side_by_side

_INSERT_BYTES, _INSERT_ROWS = 8 * 1024 * 1024, 20_000
_UNKNOWN_OPTIONS = ("uuid", "flags", "autoIndexId")


def load(
    database: "Database[Document]",
    layout: Layout,
    *,
    jobs: int,
    deadline: Deadline,
    disposable: bool,
    seconds: dict[str, float],
) -> None:
    """Load everything but accounts.

    Args:
        disposable: the server is a scratch server, which is there to be compared.
        seconds: how long each phase took is added here.
    Raises:
        RestoreFailed: the backup is at fault.
        Inconclusive: the server is.
    """
    stand_in = is_stand_in(database)
    server = Judge(stand_in=stand_in)
    stored = [each for each in layout.collections if each.data is not None]
    with _timed(seconds, "load"):
        for each in stored:
            _create(database, each, server)
        largest_first = sorted(stored, key=lambda each: -layout.data[each.name].size_bytes)

        def fill(collection: Collection) -> None:
            with server.judging(f"the documents of {collection.name}"):
                _insert(database, collection, layout.data[collection.name], deadline)

        side_by_side(largest_first, jobs, fill)
    with _timed(seconds, "indexes"):
        side_by_side(stored, jobs, lambda each: _index(database, each, server, defer_index=stand_in and disposable))
    for each in layout.collections:
        if each.data is None:
            with server.judging(f"the view {each.name}"):
                database.command({"create": each.name, **each.options})


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[phase] = round(time.monotonic() - started, 3)


def _create(database: "Database[Document]", collection: Collection, server: Judge) -> None:
    options = {key: value for key, value in collection.options.items() if key not in _UNKNOWN_OPTIONS}
    kind = "time series" if "timeseries" in options else "collection"
    with server.judging(f"the {kind} {collection.name} with {', '.join(options) or 'no options'}"):
        database.command({"create": collection.name, **options})
        if collection.data != collection.name and collection.data not in database.list_collection_names():
            raise inconclusive(
                f"the server cannot take the time series {collection.name}",
                f"it keeps no {BUCKETS}…, in which the dump has the measurements",
            )


def _insert(database: "Database[Document]", collection: Collection, stored: Stored, deadline: Deadline) -> None:
    assert collection.data is not None
    target = database[collection.data]
    # Only in a capped collection is the order of documents a property of theirs.
    ordered = bool(collection.options.get("capped"))
    held: list[RawBSONDocument] = []
    size = 0

    def flush() -> None:
        if held:
            deadline.check()
            target.insert_many(held, ordered=ordered, bypass_document_validation=True)

    for batch in stored.batches():
        at = 0
        while at < len(batch):
            stop = end_of(batch, at)
            if held and (size + stop - at > _INSERT_BYTES or len(held) == _INSERT_ROWS):
                flush()
                held.clear()
                size = 0
            held.append(RawBSONDocument(batch[at:stop]))
            size += stop - at
            at = stop
    flush()


def _index(database: "Database[Document]", collection: Collection, server: Judge, *, defer_index: bool) -> None:
    for index in collection.own_indexes:
        with server.judging(f"the {_kind_of(index)} {index['name']} of {collection.name}"):
            definition: dict[str, Any] = {key: value for key, value in index.items() if key != "ns"}
            if "expireAfterSeconds" in definition and defer_index:
                expiry.defer_index(database, collection.name, definition)
            else:
                database.command({"createIndexes": collection.name, "indexes": [definition]})


def _kind_of(index: Document) -> str:
    special = next((str(value) for value in index.get("key", {}).values() if isinstance(value, str)), "")
    return f"{special} index" if special else "index"
