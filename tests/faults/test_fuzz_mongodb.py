"""Dumps of MongoDB that are damaged: taken apart, packed and read, or called damaged."""

import gzip
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import bson
from bson.errors import InvalidDocument

from ops_pipelines.engines.mongodb import archive, folder, layout
from ops_pipelines.engines.mongodb.accounts import PREFIX
from ops_pipelines.engines.mongodb.documents import Tally
from ops_pipelines.engines.mongodb.migrations import Heads
from ops_pipelines.engines.packing import Member, TarStream
from ops_pipelines.errors import OpsError
from tests.faults.fuzz import each_try, only
from tests.faults.mutate import torn, twisted

DOCUMENTS = [bson.encode({"_id": each, "a": "x" * each, "d": {"e": [1, 2.5, None, True]}}) for each in range(20)]
METADATA = json.dumps(
    {
        "options": {"validator": {"a": {"$type": "string"}}},
        "indexes": [{"v": 2, "key": {"_id": 1}, "name": "_id_"}, {"v": 2, "key": {"a": 1}, "name": "a_1"}],
        "collectionName": "c",
        "type": "collection",
    }
)
_ROLE = {"role": "readWrite", "db": "d"}
DUMP = {
    "d/c.bson": b"".join(DOCUMENTS),
    "d/c.metadata.json": METADATA.encode(),
    "d/prelude.json": b'{"ServerVersion": "7.0.1"}',
    f"d/{PREFIX}users.bson": bson.encode({"_id": "d.u", "user": "u", "db": "d", "credentials": {}, "roles": [_ROLE]}),
    f"d/{PREFIX}roles.bson": bson.encode({"_id": "d.r", "role": "r", "db": "d", "privileges": [], "roles": [_ROLE]}),
    "oplog.bson": DOCUMENTS[0],
}
"""What `mongodump` leaves of a small database."""
_END = b"\xff\xff\xff\xff"


def archived(head: Any) -> bytes:
    """The same as `mongodump --archive` writes it, with this description of its collection."""
    blocks = [
        bson.encode({"db": "d", "collection": "c", "EOF": eof, "CRC": bson.Int64(0)})
        + (b"" if eof else DUMP["d/c.bson"])
        for eof in (False, True)
    ]
    start = archive.MAGIC + bson.encode({"server_version": "7.0.1"}) + _encoded(head)
    return start + b"".join(_END + each for each in blocks) + _END


def test_an_archive_of_mongodump_is_taken_apart_or_called_damaged(tmp_path: Path) -> None:
    head = {"db": "d", "collection": "c", "metadata": METADATA, "size": 1, "type": "collection"}
    for random, name in each_try("an archive", 200):
        into = tmp_path / name
        into.mkdir()
        content = archived(twisted(random, head)) if random.random() < 0.4 else torn(random, archived(head))
        with only(OpsError, name):
            archive.unpack(io.BytesIO(content), into)
        shutil.rmtree(into)


class Sink:
    """Where an engine writes its parts: read to their end, and forgotten."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def plain_directory(self) -> Path:
        """A directory for files that are to be packed."""
        self._directory.mkdir(exist_ok=True)
        return self._directory

    def stream(self, _name: str, _role: str, reader: Any) -> None:
        """Take a part."""
        while reader.read(2**20):
            pass


def _damaged(random: Random) -> Iterator[tuple[str, bytes]]:
    """The files of the dump as they are this time."""
    for file, whole in DUMP.items():
        content = whole
        if file.endswith(".json") and random.random() < 0.4:
            content = json.dumps(twisted(random, json.loads(whole))).encode()
        elif PREFIX in file and random.random() < 0.5:
            content = _encoded(twisted(random, bson.decode(whole)))
        elif random.random() < 0.2:
            content = torn(random, whole)
        if random.random() < 0.1:
            packed = gzip.compress(content)
            yield f"{file}.gz", torn(random, packed) if random.random() < 0.5 else packed
        else:
            yield file, content


def _encoded(document: Any) -> bytes:
    """A document in BSON; nothing where it cannot be one."""
    try:
        return bson.encode(document)
    except (OverflowError, InvalidDocument, TypeError):
        return b""


def test_a_folder_of_mongodump_is_packed_or_called_not_whole(tmp_path: Path) -> None:
    for random, name in each_try("a folder", 200):
        into = tmp_path / "dump"
        (into / "d").mkdir(parents=True)
        for file, content in _damaged(random):
            (into / file).write_bytes(content)
        with only(OpsError, name):
            folder.pack(into, "d", Sink(tmp_path / "sink"), level="full")  # type: ignore[arg-type]
        shutil.rmtree(into)
        shutil.rmtree(tmp_path / "sink", ignore_errors=True)


def test_a_packed_dump_is_read_or_called_torn(tmp_path: Path) -> None:
    path = tmp_path / "dump.tar"
    for random, name in each_try("a packed dump", 200):
        members = (Member(f"dump/{file}", torn(random, content) if random.random() < 0.2 else content)
                   for file, content in DUMP.items())  # fmt: skip
        whole, packed = b"", TarStream(members)
        while chunk := packed.read(2**20):
            whole += chunk
        path.write_bytes(torn(random, whole) if random.random() < 0.6 else whole)
        with only(OpsError, name):
            for stored in layout.read_layout(path, "d").data.values():
                tally, heads = Tally("full"), Heads()
                for batch in stored.batches():
                    tally.add(batch)
                    heads.add("c", batch)
