"""Read collections as raw batches, several side by side. What becomes of the batches is the caller's."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from bson import Timestamp
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import ConfigurationError, OperationFailure

from ops_pipelines import limits
from ops_pipelines.engines.mongodb.connection import Document, is_stand_in
from ops_pipelines.engines.mongodb.namespaces import Collection
from ops_pipelines.errors import SourceError

_BATCH_BYTES = 4 * 1024 * 1024
"""What one answer of the server should hold: large enough for a fast line, small enough for eight in memory."""
_USUAL_BYTES = 1024
"""A document's size where nobody knows it; servers end a batch of larger ones at 16 MB by themselves."""


class Deadline:
    """The end of a total limit, and a way to end before it."""

    def __init__(self, total: timedelta) -> None:
        self._total = total
        self._at = time.monotonic() + total.total_seconds()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Whoever checks from now on gives up."""
        self._stopped.set()

    def check(self) -> None:
        """Raises SourceError when the time is over or somebody else has failed."""
        if self._stopped.is_set():
            raise SourceError("reading was given up", why="another collection failed")
        if time.monotonic() > self._at:
            raise SourceError(
                "reading the database took too long",
                why=f"more than {limits.describe(self._total)}",
                next=limits.advice(self._total),
            )


def pin_snapshot(database: "Database[Document]", collections: Sequence[Collection]) -> Timestamp | None:
    """An instant that every later read can look at; None where the server offers none."""
    if is_stand_in(database):
        return None  # it takes the request, answers with a time, and reads the newest data all the same
    any_data = next((each.data for each in collections if each.data is not None), None)
    if any_data is None:
        return None
    try:
        with database.client.start_session(snapshot=True) as session:
            database[any_data].find_one({}, projection={"_id": True}, session=session)
            at: Timestamp | None = session._snapshot_time
            return at
    except (OperationFailure, ConfigurationError):
        return None  # a standalone, or older than 5.0


def raw_batches(
    database: "Database[Document]",
    name: str,
    deadline: Deadline,
    *,
    average_bytes: int = 0,
    at: Timestamp | None = None,
) -> Iterator[bytes]:
    """Every document of a collection, in the server's own bytes.

    Args:
        average_bytes: the size of a document; 0 when nobody knows.
        at: the pinned instant to read at.
    Raises:
        SourceError: the total limit has passed.
        pymongo.errors.PyMongoError: the server failed.
    """
    rows = max(1, _BATCH_BYTES // (average_bytes or _USUAL_BYTES))
    with (
        session_at(database, at) as session,
        database[name].find_raw_batches({}, session=session, batch_size=rows) as cursor,
    ):
        for batch in cursor:
            deadline.check()
            yield cast(bytes, batch)


@contextmanager
def session_at(database: "Database[Document]", at: Timestamp | None) -> Iterator[ClientSession]:
    """A session whose reads look at a pinned instant; at the present without one."""
    with database.client.start_session(snapshot=at is not None, causal_consistency=False) as session:
        if at is not None:
            # The driver has no public way to share an instant between sessions.
            session._snapshot_time = at  # type: ignore[assignment]
        yield session


@dataclass(frozen=True)
class Size:
    """The bytes of all documents of a collection, and of the average one; 0 where the server does not say."""

    all_bytes: int = 0
    average_bytes: int = 0


def sizes(database: "Database[Document]", collections: Sequence[Collection]) -> dict[str, Size]:
    """The size of every collection that holds documents, from the server's own books."""
    # The stand-in keeps no books: it would read every document, once for each of the numbers.
    unknown = is_stand_in(database)
    return {
        each.name: Size() if unknown else _size(database, each.data) for each in collections if each.data is not None
    }


def _size(database: "Database[Document]", name: str) -> Size:
    try:
        [facts] = database[name].aggregate([{"$collStats": {"storageStats": {}}}])
        stored = facts["storageStats"]
        return Size(int(stored.get("size") or 0), int(stored.get("avgObjSize") or 0))
    except (OperationFailure, ValueError, KeyError):
        return Size()  # not permitted, or sharded


def side_by_side(collections: Sequence[Collection], jobs: int, work: Callable[[Collection], None]) -> None:
    """Do `work` for every collection, at most `jobs` at a time. Raises what the first failure raised."""
    waiting: queue.SimpleQueue[Collection] = queue.SimpleQueue()
    for each in collections:
        waiting.put(each)
    failures: list[BaseException] = []

    def worker() -> None:
        while not failures:
            try:
                work(waiting.get_nowait())
            except queue.Empty:
                return
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=worker) for _ in range(max(1, min(jobs, len(collections))))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
