"""mongodump's archive format (`mongodump --archive`): take it apart into its directory layout.

    magic 0x8199e26d
    prelude: a header document, one document per collection (its metadata), terminator
    blocks:  a namespace header, documents of that collection, terminator; interleaved; the last block
             of a collection is empty and says EOF, with a CRC-64 over all its documents
    terminator = 0xFFFFFFFF

The format: https://github.com/mongodb/mongo-tools (common/archive).
"""

import ctypes
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import bson
from bson.errors import BSONError

from ops_pipelines.engines.mongodb.documents import CHUNK, LARGEST, TornDocument
from ops_pipelines.engines.mongodb.layout import OPLOG
from ops_pipelines.engines.mongodb.namespaces import BUCKETS, DATA, METADATA, file_stem
from ops_pipelines.streams import Reader

MAGIC = struct.pack("<I", 0x8199E26D)
_TERMINATOR = b"\xff\xff\xff\xff"
_SMALLEST = 5
_LONGEST_DATABASE = 63


@dataclass
class Unpacked:
    """What an archive said about itself, beside its collections."""

    server_version: str = ""
    warnings: list[str] = field(default_factory=list)


def unpack(stream: Reader, folder: Path) -> Unpacked:
    """Write the collections of an archive into `folder`, one directory for each database.

    Raises:
        TornDocument: it is no archive, or not a whole one.
    """
    reader = _Reader(stream)
    if reader.exactly(4) != MAGIC:
        raise TornDocument("the stream is no mongodump archive", why="it begins with other bytes")
    header, *prelude = reader.block()
    unpacked = Unpacked(server_version=str(_decoded(header).get("server_version", "")))
    opened: dict[str, _Collection | _View] = {}
    for description in map(_decoded, prelude):
        _describe(folder, description, opened)
    with_crc = _crc64() is not None
    if not with_crc:
        unpacked.warnings.append("the archive's checksums were not checked: liblzma, which computes them, is not here")
    try:
        while (block := reader.blocks()) is not None:
            head = _decoded(next(block))
            collection = opened.get(_key(head))
            if collection is None or collection.ended:
                raise TornDocument("the archive is damaged", why=f"it holds documents of {_key(head)}, unannounced")
            for document in block:
                collection.add(document)
            if head.get("EOF"):
                crc = head.get("CRC", 0)
                if not isinstance(crc, int):
                    raise TornDocument("the archive is damaged", why="a checksum is no number")
                collection.end(crc if with_crc else None)
    finally:
        for collection in opened.values():
            collection.close()
    missing = [name for name, each in opened.items() if not each.ended and isinstance(each, _Collection)]
    if missing:
        raise TornDocument("the archive is cut short", why=f"no end of {', '.join(sorted(missing)[:5])}")
    return unpacked


def _describe(folder: Path, description: dict[str, Any], opened: "dict[str, _Collection | _View]") -> None:
    """Write a collection's metadata, and expect its documents."""
    database, name = str(description.get("db", "")), str(description.get("collection", ""))
    if database in ("", ".", "..") or any(each in database for each in "/\0") or len(database) > _LONGEST_DATABASE:
        if (database, name) != ("", OPLOG):
            raise TornDocument("the archive is damaged", why=f"it names a database {database!r}")
        opened[_key(description)] = _Collection(folder / f"{OPLOG}{DATA}")
        return
    directory = folder / database
    directory.mkdir(mode=0o700, exist_ok=True)
    metadata = str(description.get("metadata", ""))
    if metadata:
        (directory / f"{file_stem(name)}{METADATA}").write_text(metadata, encoding="utf-8")
    if description.get("type") == "view" or '"viewOn"' in metadata:
        opened[_key(description)] = _View(name)  # it has blocks all the same, with nothing in them
        return
    data = BUCKETS + name if description.get("type") == "timeseries" else name
    collection = _Collection(directory / f"{file_stem(data)}{DATA}")
    opened[f"{database}.{name}"] = opened[f"{database}.{data}"] = collection


def _key(described: dict[str, Any]) -> str:
    return f"{described.get('db', '')}.{described.get('collection', '')}"


def _decoded(document: bytes) -> dict[str, Any]:
    try:
        return dict(bson.decode(document))
    except BSONError as error:
        raise TornDocument("the archive is damaged", why=str(error)) from None


class _View:
    """A view: it has no documents, and says so at its end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.ended = False

    def add(self, document: bytes) -> None:
        raise TornDocument("the archive is damaged", why=f"it holds {len(document)} bytes of the view {self._name}")

    def end(self, crc: int | None) -> None:
        if crc:
            raise TornDocument("the archive is damaged", why=f"the view {self._name} has a checksum of documents")
        self.ended = True

    def close(self) -> None:
        """There is no file."""


class _Collection:
    """The file that one collection's documents go into."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("wb")
        self._crc = 0
        self._digest = _crc64()
        self.ended = False

    def add(self, document: bytes) -> None:
        self._file.write(document)
        if self._digest is not None:
            self._crc = self._digest(document, len(document), self._crc)

    def end(self, crc: int | None) -> None:
        """The archive says that this was all. Raises TornDocument when the checksum says otherwise."""
        if crc is not None and crc % (1 << 64) != self._crc:
            raise TornDocument("the archive is damaged", why=f"the checksum of {self._path.name} is another one")
        self.ended = True

    def close(self) -> None:
        self._file.close()


class _Reader:
    """Reads blocks of documents."""

    def __init__(self, stream: Reader) -> None:
        self._stream = stream
        self._held = bytearray()

    def exactly(self, size: int) -> bytes:
        """So many bytes. Raises TornDocument when the stream ends before."""
        while len(self._held) < size:
            if not (chunk := self._stream.read(CHUNK)):
                raise TornDocument("the archive is cut short", why="it ends inside a block")
            self._held += chunk
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def blocks(self) -> Iterator[bytes] | None:
        """The documents of the next block, its header first; None at the end of the archive."""
        if not self._held and not (chunk := self._stream.read(CHUNK)):
            return None
        if not self._held:
            self._held += chunk
        return self._documents()

    def block(self) -> list[bytes]:
        """The next block, whole. Raises TornDocument when it is empty."""
        documents = list(self._documents())
        if not documents:
            raise TornDocument("the archive is damaged", why="a block has no header")
        return documents

    def _documents(self) -> Iterator[bytes]:
        first = True
        while (length := self.exactly(4)) != _TERMINATOR:
            (size,) = struct.unpack("<i", length)
            if not _SMALLEST <= size <= LARGEST:
                raise TornDocument("the archive is damaged", why=f"a document would have {size} bytes")
            document = length + self.exactly(size - 4)
            if document[-1]:
                raise TornDocument("the archive is damaged", why="a document does not end with a zero")
            first = False
            yield document
        if first:
            raise TornDocument("the archive is damaged", why="a block has no header")


@cache
def _crc64() -> Callable[[bytes, int, int], int] | None:
    """CRC-64 of the archive format is that of xz: its library computes it; Python's own would take minutes."""
    try:
        library = ctypes.CDLL("liblzma.so.5")
        function = library.lzma_crc64
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_uint64
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    return function
