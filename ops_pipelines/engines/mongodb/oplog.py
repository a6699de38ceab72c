"""The window of the oplog that a dump without a snapshot spans. Reads it, keeps it; replaying is mongorestore's."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from bson import Timestamp
from pydantic import JsonValue
from pymongo.change_stream import ChangeStream
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from ops_pipelines.engines.mongodb.connection import Document, is_stand_in, reason
from ops_pipelines.engines.mongodb.documents import Tally
from ops_pipelines.engines.mongodb.scan import Deadline

_TRANSACTIONS = "admin.$cmd"


class RolledOver(Exception):
    """The oplog does not have the window, or does not show it."""


class Window:
    """What happens to a database from the window's making on; see `opened`."""

    def __init__(self, database: "Database[Document]", changes: ChangeStream[Document] | None) -> None:
        self._database, self._changes = database, changes
        self.began = newest(database)

    def is_quiet(self, until: Timestamp) -> bool:
        """Whether nothing was written to the database for certain, told without reading the oplog."""
        if self.began == until:
            return True
        try:
            return self._changes is not None and self._changes.try_next() is None
        except PyMongoError:
            return False


@contextmanager
def opened(database: "Database[Document]") -> Iterator[Window]:
    """A window that begins now; ask about it within the block."""
    # The stand-in's clock moves with every greeting, and it decodes its whole oplog for one look into it; the
    # changes of a database since a stream was opened cost it nothing.
    changes = None
    if is_stand_in(database):
        with suppress(OperationFailure):  # not permitted
            changes = database.watch(max_await_time_ms=1, show_expanded_events=True)
    try:
        yield Window(database, changes)
    finally:
        if changes is not None:
            changes.close()


def newest(database: "Database[Document]") -> Timestamp | None:
    """The time of the newest entry; None on a server that is in no replica set."""
    at: Timestamp | None = database.client.admin.command("hello").get("lastWrite", {}).get("opTime", {}).get("ts")
    return at


def as_fact(at: Timestamp) -> JsonValue:
    """A cluster time for the manifest: seconds since 1970 and the number within the second."""
    return {"t": at.time, "i": at.inc}


def save(database: "Database[Document]", began: Timestamp, ended: Timestamp, path: Path, deadline: Deadline) -> Path:
    """Write every entry between two times that concerns the database into a file.

    Raises:
        RolledOver: entries of the window are gone already, or may not be read.
        pymongo.errors.PyMongoError, SourceError: the server failed.
    """
    try:
        oldest = database.client["local"]["oplog.rs"].find_one({}, {"ts": True})
    except OperationFailure as error:
        raise RolledOver(f"what was written while the dump ran is not in this backup: {reason(error)}") from None
    if oldest is None or oldest["ts"] > began:
        raise RolledOver(
            "what was written while the dump ran is not in this backup: the server's oplog is shorter than the dump was"
        )
    ours = {"$or": [{"ns": {"$regex": f"^{re.escape(database.name)}\\."}}, {"ns": _TRANSACTIONS}]}
    wanted = {"ts": {"$gte": began, "$lte": ended}, **ours}
    tally = Tally("counts")
    with path.open("wb") as spooled:
        for batch in database.client["local"]["oplog.rs"].find_raw_batches(wanted):
            deadline.check()
            tally.add(cast(bytes, batch))
            spooled.write(cast(bytes, batch))
    return path
