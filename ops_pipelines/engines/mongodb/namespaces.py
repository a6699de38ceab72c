"""What a database consists of: collections, views, their options and indexes; and how mongodump writes them down.

`describe` asks a server, `from_metadata` reads a `.metadata.json`; both give the same `Collection`, so
a fingerprint taken from either can be compared.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from bson import SON
from bson.binary import Binary
from bson.errors import BSONError
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps, loads
from pymongo.database import Database
from pymongo.errors import OperationFailure

from ops_pipelines.engines import definition
from ops_pipelines.engines.mongodb.connection import RAW_SAFE, Document
from ops_pipelines.engines.mongodb.documents import TornDocument
from ops_pipelines.errors import SourceError

BUCKETS = "system.buckets."
METADATA, DATA = ".metadata.json", ".bson"
_LONGEST_NAME = 238  # with the longest extension, 255 bytes: what a file name may have
_KEPT_OF_LONG = 208
_ACCOUNTS = "$admin.system."  # how users and roles of a database are called in its dump
_DEEPEST = 250  # a server's own limit is 200
_GONE = 26  # NamespaceNotFound
_NOT_A_DEFINITION = ("ns", "background", "uuid", "flags", "autoIndexId")


@dataclass(frozen=True)
class Collection:
    """One collection, time series or view.

    Attributes:
        data: the collection its documents lie in: its own, the buckets of a time series, none for a view.
        stem: how the file of its documents is called where it was read from a dump.
        indexes: as listIndexes returns them, the one on `_id` included.
    """

    name: str
    kind: str
    options: Document
    indexes: Sequence[Document] = ()
    uuid: str = ""
    data: str | None = None
    stem: str = ""

    @property
    def own_indexes(self) -> list[Document]:
        """Indexes that somebody made: not the ones every collection has."""
        return [each for each in self.indexes if each.get("name") != "_id_" and not each.get("clustered")]


def describe(database: "Database[Document]") -> list[Collection]:
    """Every collection and view of a database, as the server lists them.

    Raises:
        SourceError: one was dropped while we looked.
        pymongo.errors.PyMongoError: the server refused.
    """
    listed = [dict(each) for each in database.list_collections()]
    names = {each["name"] for each in listed}
    return [_collection(database, each, names) for each in sorted(listed, key=_name) if not _internal(each["name"])]


def _name(info: Document) -> str:
    return str(info["name"])


def _internal(name: str) -> bool:
    """Kept by the server for itself: mongodump leaves it out, too."""
    return name.startswith("system.") and name != "system.js"


def _collection(database: "Database[Document]", info: Document, names: set[str]) -> Collection:
    name, kind, options = str(info["name"]), str(info.get("type", "collection")), dict(info.get("options") or {})
    if kind == "view":
        return Collection(name, kind, options)
    try:
        indexes = [dict(each) for each in database.get_collection(name, codec_options=_ORDERED).list_indexes()]
    except OperationFailure as error:
        if error.code == _GONE:
            raise dropped(name) from None
        raise
    uuid = info.get("info", {}).get("uuid", b"")
    data = BUCKETS + name if "timeseries" in options and BUCKETS + name in names else name
    return Collection(name, kind, options, indexes, bytes(uuid).hex(), data)


_ORDERED: Any = RAW_SAFE.with_options(document_class=SON)


class CollectionGone(SourceError):
    """A collection vanished while it was read."""


def dropped(name: str) -> CollectionGone:
    """The error for a collection that vanished while it was read."""
    return CollectionGone(
        f"the collection {name} was dropped, renamed or replaced while the dump read it",
        why="a dump without it, or with half of it, would not be the database at any time",
        safe="it was discarded; earlier backups are untouched",
        next="take it when nobody changes collections: ops backup",
    )


# -- mongodump's files ----------------------------------------------------------------------------------


def file_stem(collection: str) -> str:
    """The file name of a collection, without extension, as mongodump makes it: Go's url.QueryEscape, long ones cut."""
    if collection.startswith(_ACCOUNTS) and collection.removeprefix(_ACCOUNTS).isalpha():
        return collection
    escaped = quote_plus(collection)
    if len(escaped) <= _LONGEST_NAME:
        return escaped
    digest = urlsafe_b64encode(hashlib.sha1(collection.encode()).digest()).decode().rstrip("=")
    return f"{escaped[:_KEPT_OF_LONG]}%24{digest}"


def collection_of(stem: str, indexes: Iterable[Document] = ()) -> str:
    """The collection that a file is of, where its content does not say so.

    Args:
        indexes: its own; those of older servers name the collection, and tools of different age escaped differently.
    """
    names = {str(each["ns"]).partition(".")[2] for each in indexes if "." in str(each.get("ns", ""))}
    return names.pop() if len(names) == 1 else unquote_plus(stem)


def to_metadata(collection: Collection) -> bytes:
    """The content of a collection's `.metadata.json`."""
    written: Document = {
        "options": collection.options,
        "indexes": list(collection.indexes),
        "collectionName": collection.name,
        "type": collection.kind,
    }
    if collection.uuid:
        written["uuid"] = collection.uuid
    return dumps(written, json_options=CANONICAL_JSON_OPTIONS).encode()


def from_metadata(content: bytes, stem: str, data_stems: Iterable[str]) -> Collection:
    """A collection as a `.metadata.json` describes it.

    Args:
        stem: the file's name without extension.
        data_stems: the stems of all `.bson` files beside it.
    Raises:
        TornDocument: it cannot be read.
    """
    try:
        read: Any = loads(content, json_options=CANONICAL_JSON_OPTIONS)
        options, indexes = dict(read.get("options") or {}), [dict(each) for each in read.get("indexes") or ()]
        name = str(read.get("collectionName") or collection_of(stem, indexes))
        _refuse_deep(read)
        if not all("name" in each for each in indexes):
            raise ValueError("an index has no name")
    except (ValueError, TypeError, AttributeError, RecursionError, BSONError) as error:
        raise TornDocument(f"{stem}{METADATA} cannot be read", why=str(error)) from None
    kind = str(read.get("type") or ("view" if "viewOn" in options else "collection"))
    uuid = str(read.get("uuid", ""))
    if "viewOn" in options:
        return Collection(name, kind, options, indexes, uuid)
    known = set(data_stems)
    # Beside its metadata, or as the buckets of a time series; tools of different age escaped differently.
    buckets = next((each for each in (BUCKETS + stem, file_stem(BUCKETS + name)) if each in known), None)
    data = name if buckets is None else BUCKETS + name
    return Collection(name, kind, options, indexes, uuid, data, stem=buckets or stem)


def _refuse_deep(read: object) -> None:
    """What is nested deeper than in any server is no definition. Raises ValueError."""
    waiting = [(read, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        waiting += [(each, depth + 1) for each in inner]


# -- fingerprint ----------------------------------------------------------------------------------------


def objects(collections: Iterable[Collection]) -> dict[str, str]:
    """Every definition, by kind and name, for `Contents.objects`."""
    found = {}
    for each in collections:
        kind = "view" if "viewOn" in each.options else "collection"
        found[f"{kind} {each.name}"] = definition.written(_normal(each.options))
        for index in each.own_indexes:
            found[f"index {each.name}.{index['name']}"] = definition.written(_normal(index))
    return found


def names_of(collections: Iterable[Collection]) -> frozenset[str]:
    """What these are called in `Contents`: definitions and documents."""
    found = list(collections)
    return frozenset(objects(found)) | {each.name for each in found}


def _normal(described: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same facts for all spellings of a definition: what a restore may change without changing it is left out."""
    kept = {key: _plain(value) for key, value in described.items() if key not in _NOT_A_DEFINITION}
    if kept.get("v") == 2:
        del kept["v"]  # the only version that servers make
    return [(key, dumps(kept[key], json_options=CANONICAL_JSON_OPTIONS)) for key in sorted(kept)]


def _plain(value: Any) -> Any:
    """Numbers lose their width: 1, 1.0 and NumberLong(1) index the same way. Order in documents is kept."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (bool, Binary)):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, int) else value
