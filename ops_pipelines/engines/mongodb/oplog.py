"""The window of the oplog that a dump without a snapshot spans. Reads it, keeps it; replaying is mongorestore's."""

import re
from pathlib import Path
from typing import cast

from bson import Timestamp
from pydantic import JsonValue
from pymongo.database import Database
from pymongo.errors import OperationFailure

from ops_pipelines.engines.mongodb.connection import Document
from ops_pipelines.engines.mongodb.documents import Tally
from ops_pipelines.engines.mongodb.scan import Deadline

_TRANSACTIONS = "admin.$cmd"


class RolledOver(Exception):
    """The oplog no longer has the beginning of the window."""


def newest(database: "Database[Document]") -> Timestamp | None:
    """The time of the newest entry; None without an oplog, or without the right to read it."""
    return _end(database, -1)


def as_fact(at: Timestamp) -> JsonValue:
    """A cluster time for the manifest: seconds since 1970 and the number within the second."""
    return {"t": at.time, "i": at.inc}


def save(database: "Database[Document]", began: Timestamp, path: Path, deadline: Deadline) -> tuple[Timestamp, Path]:
    """Write every entry since `began` that concerns the database; returns the last time and the file.

    Raises:
        RolledOver: entries of the window are gone already.
        pymongo.errors.PyMongoError, SourceError: it cannot be read.
    """
    oldest, ended = _end(database, 1), newest(database)
    if oldest is None or ended is None or oldest > began:
        raise RolledOver(
            "the oplog of the dump's time is not in this backup: the server keeps less of it than the dump took"
        )
    ours = {"$or": [{"ns": {"$regex": f"^{re.escape(database.name)}\\."}}, {"ns": _TRANSACTIONS}]}
    wanted = {"ts": {"$gte": began, "$lte": ended}, **ours}
    tally = Tally(digest=False)
    with path.open("wb") as spooled:
        for batch in database.client["local"]["oplog.rs"].find_raw_batches(wanted, sort=[("$natural", 1)]):
            deadline.check()
            tally.add(cast(bytes, batch))
            spooled.write(cast(bytes, batch))
    return ended, path


def _end(database: "Database[Document]", direction: int) -> Timestamp | None:
    try:
        entries = database.client["local"]["oplog.rs"].find({}, {"ts": True}).sort("$natural", direction).limit(1)
        return next((entry["ts"] for entry in entries), None)
    except OperationFailure:
        return None
