"""mongodump's directory layout inside one tar stream: how a dump is packed, and how it is read again.

    dump/DATABASE/COLLECTION.metadata.json    options and indexes, canonical extended JSON
    dump/DATABASE/COLLECTION.bson             the documents, one after the other
    dump/DATABASE/prelude.json                versions, as mongodump notes them
    dump/DATABASE/$admin.system.users.bson    the database's users and roles, where wanted
    dump/oplog.bson                           what happened while the dump ran, where it is known

`tar -xf dump.tar` makes a folder of it that mongorestore reads.
"""

import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ops_pipelines.engines.mongodb.accounts import PREFIX, Accounts
from ops_pipelines.engines.mongodb.documents import TornDocument, batches
from ops_pipelines.engines.mongodb.namespaces import DATA, METADATA, Collection, from_metadata
from ops_pipelines.engines.selection import nothing_matches

PART, ROOT = "dump.tar", "dump"
OPLOG, PRELUDE = "oplog", "prelude.json"


def member_name(database: str, stem: str, extension: str) -> str:
    """Where a file of a database lies in the dump."""
    return f"{ROOT}/{database}/{stem}{extension}"


def prelude(server_version: str) -> bytes:
    """The content of `prelude.json`."""
    return json.dumps({"ServerVersion": server_version, "ToolVersion": "ops_pipelines"}).encode()


@dataclass(frozen=True)
class Stored:
    """The documents of one collection, inside the archive."""

    archive: Path
    offset: int
    size_bytes: int

    def whole(self) -> bytes:
        """All of them, where they are few."""
        with self._opened() as opened:
            return opened.read(self.size_bytes)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        with self.archive.open("rb") as opened:
            opened.seek(self.offset)
            yield opened

    def batches(self) -> Iterator[bytes]:
        """Whole documents, some at a time. Raises TornDocument."""
        with self._opened() as opened:
            yield from batches(opened, size_bytes=self.size_bytes)


@dataclass(frozen=True)
class Layout:
    """What a packed dump holds of its database."""

    collections: list[Collection]
    data: dict[str, Stored]
    accounts: Accounts | None

    def only(self, names: Sequence[str]) -> "Layout":
        """The same with nothing but these collections and views. Raises SourceError for one it does not have."""
        known = {each.name for each in self.collections}
        if missing := [name for name in names if name not in known]:
            raise nothing_matches(missing[0], known, "collections")
        return Layout(
            [each for each in self.collections if each.name in names],
            {name: stored for name, stored in self.data.items() if name in names},
            accounts=None,
        )


def read_layout(archive: Path, database: str) -> Layout:
    """The table of contents of a packed dump.

    Raises:
        TornDocument: it is not one, or misses the documents of a collection.
        OSError: the disk that it lies on fails, which says nothing of it.
    """
    metadata: dict[str, bytes] = {}
    stored: dict[str, Stored] = {}
    above = f"{ROOT}/{database}/"
    try:
        with tarfile.open(archive, "r:") as packed:
            for member in packed:
                name = member.name.removeprefix(above)
                if member.name == name or not member.isfile():
                    continue
                if name.endswith(METADATA):
                    opened = packed.extractfile(member)
                    metadata[name.removesuffix(METADATA)] = opened.read() if opened else b""
                elif name.endswith(DATA):
                    stored[name.removesuffix(DATA)] = Stored(archive, member.offset_data, member.size)
    except (tarfile.TarError, EOFError) as error:
        raise TornDocument(f"{PART} cannot be read", why=str(error)) from None
    collections = [from_metadata(content, stem, stored) for stem, content in sorted(metadata.items())]
    data = {}
    for each in collections:
        if each.data is None:
            continue
        if (found := stored.get(each.stem)) is None:
            raise TornDocument(f"{PART} has no documents of {each.name}", why="its .bson file is missing")
        data[each.name] = found
    if not collections:
        raise TornDocument(f"{PART} holds nothing of database {database}")
    files = {stem: found.whole() for stem, found in stored.items() if stem.startswith(PREFIX)}
    return Layout(collections, data, accounts=Accounts.of_files(files) if files else None)
