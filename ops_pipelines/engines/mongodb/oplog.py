"""The window of the oplog that a dump without a snapshot spans. Reads it, keeps it; replaying is mongorestore's."""

import re
from pathlib import Path
from typing import cast

from bson import Timestamp
from pydantic import JsonValue
from pymongo.database import Database
from pymongo.errors import OperationFailure

from ops_pipelines.engines.mongodb.connection import Document, reason
from ops_pipelines.engines.mongodb.documents import Tally
from ops_pipelines.engines.mongodb.scan import Deadline

_TRANSACTIONS = "admin.$cmd"


class RolledOver(Exception):
    """The oplog does not have the window, or does not show it."""


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
    tally = Tally(digest=False)
    with path.open("wb") as spooled:
        for batch in database.client["local"]["oplog.rs"].find_raw_batches(wanted):
            deadline.check()
            tally.add(cast(bytes, batch))
            spooled.write(cast(bytes, batch))
    return path
