"""What happens to collections and indexes while a dump reads them, told by looking again afterwards.

A server with snapshot reads keeps documents as they were at one instant, but lists collections and indexes as they are
now. One without reads each collection when its turn comes. Either way definitions and documents are brought together
here: a dump holds nothing that cannot be restored, and no collection is missing without a word.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bson import Timestamp
from pymongo.database import Database

from ops_pipelines.engines.mongodb.connection import Document
from ops_pipelines.engines.mongodb.namespaces import Collection, CollectionGone, describe, dropped
from ops_pipelines.engines.mongodb.scan import pin_snapshot
from ops_pipelines.errors import SourceError

_TRIES = 5
# What collMod changes of an index: whether it is used or expires documents, not which documents it takes.
_HARMLESS = ("expireAfterSeconds", "hidden")


def existing(database: "Database[Document]") -> list[Collection]:
    """What the database consists of. Raises SourceError when there is no such database."""
    collections = describe(database)
    if not collections:
        raise SourceError(
            f"the database {database.name} does not exist",
            why="the server lists no collection of it: mongodump would report success and write nothing",
            safe="earlier backups are untouched",
            next="check the database's name in the source's url (and the user's rights), then: ops backup",
        )
    return collections


def at_one_instant(database: "Database[Document]") -> tuple[list[Collection], Timestamp | None]:
    """The collections, and the instant at which they were these; None for it on a server without snapshot reads.

    Raises:
        SourceError: there is no such database, or collections come and go all the time.
    """
    for _try in range(_TRIES):
        try:
            collections = existing(database)
            pinned = pin_snapshot(database, collections)
            # Listings know no snapshot: the instant lies between two of them that are the same.
            if pinned is None or describe(database) == collections:
                return collections, pinned
        except CollectionGone:
            continue
    raise SourceError(
        f"the collections of {database.name} changed each time they were looked at",
        why="a migration or an import is at work",
        safe="nothing was dumped; earlier backups are untouched",
        next="take it when nobody changes collections: ops backup",
    )


@dataclass(frozen=True)
class Settled:
    """Collections after they were read.

    Attributes:
        kept: those that were read, with the definitions that fit what was read.
        new: those that came to be meanwhile.
        left_out: indexes that were made, dropped or changed meanwhile, by collection.
    """

    kept: list[Collection]
    new: list[Collection]
    left_out: dict[str, list[str]]


def settled(database: "Database[Document]", read: Sequence[Collection], *, at_instant: Iterable[str] = ()) -> Settled:
    """Look again at collections that were read.

    Args:
        at_instant: those whose documents are of the same instant as their definitions.
    Raises:
        CollectionGone: one was dropped, renamed or replaced meanwhile.
    """
    now = {each.name: each for each in describe(database)}
    fixed, kept, left_out = set(at_instant), [], {}
    for each in read:
        there = now.pop(each.name, None)
        if there is None or (each.uuid and there.uuid != each.uuid):
            raise dropped(each.name)
        if each.name not in fixed and (indexes := _throughout(each.indexes, there.indexes)) != list(each.indexes):
            left_out[each.name] = [str(index["name"]) for index in each.indexes if index not in indexes]
            kept.append(replace(each, indexes=indexes))
        else:
            kept.append(each)
    return Settled(kept, list(now.values()), left_out)


def _throughout(before: Sequence[Document], after: Sequence[Document]) -> list[Document]:
    """The indexes that were there all the time: documents that another one refuses may have been read."""
    still = [_rule(index) for index in after]
    return [index for index in before if _rule(index) in still]


def _rule(index: Document) -> list[tuple[str, Any]]:
    return sorted((key, value) for key, value in index.items() if key not in _HARMLESS)
