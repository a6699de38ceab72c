"""Indexes that expire documents, on a stand-in that cannot be told to leave expired documents alone.

A restored backup may be full of documents that have expired since: on a scratch server they must still be
there when they are compared. mongod has a switch for that; SecantusDB sweeps every minute. There such
indexes are kept back, made for the moment in which definitions are read, and dropped again.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.database import Database
from pymongo.errors import OperationFailure

from ops_pipelines.engines.mongodb.connection import Document

_KEPT_BACK = "ops_kept_back"  # a database of its own, on the scratch server only
_UNAUTHORIZED = 13


def defer_index(database: "Database[Document]", collection: str, index: Document) -> None:
    """Note an index instead of making it."""
    note = {"database": database.name, "collection": collection, "index": [[key, index[key]] for key in index]}
    database.client[_KEPT_BACK]["indexes"].insert_one(note)


@contextmanager
def made(database: "Database[Document]") -> Iterator[None]:
    """Every index that was kept back is there for the length of the block.

    Raises:
        pymongo.errors.PyMongoError: the server refused one.
    """
    notes = _notes(database)
    for note in notes:
        database.command({"createIndexes": note["collection"], "indexes": [dict(note["index"])]})
    yield
    for note in notes:
        database[note["collection"]].drop_index(dict(note["index"])["name"])


def _notes(database: "Database[Document]") -> list[Document]:
    try:
        return list(database.client[_KEPT_BACK]["indexes"].find({"database": database.name}))
    except OperationFailure as error:
        if error.code == _UNAUTHORIZED:
            return []  # somebody else's server, where we keep nothing back
        raise
