"""Dumps as mongodump would have left them, made from documents at hand; no server is asked."""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import bson

TERMINATOR = b"\xff\xff\xff\xff"
MAGIC = struct.pack("<I", 0x8199E26D)

Collections = Mapping[str, tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]]
"""By name: what its `.metadata.json` says beside the name, and its documents."""

ID_INDEX = {"v": {"$numberInt": "2"}, "key": {"_id": {"$numberInt": "1"}}, "name": "_id_"}


def metadata(name: str, facts: Mapping[str, Any]) -> str:
    """A `.metadata.json` as mongodump 100 writes it."""
    return json.dumps({"indexes": [ID_INDEX], "uuid": "0" * 32, "collectionName": name, "type": "collection", **facts})


def view(on: str) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """A view of everything in a collection, as a member of a dump."""
    return {"indexes": [], "type": "view", "options": {"viewOn": on, "pipeline": []}}, []


def escaped(name: str) -> str:
    """A name as Go's url.QueryEscape writes it, by its rule: what is not a letter, a digit or one of -_.~ is a code."""
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
    return "".join(
        "+" if byte == ord(" ") else chr(byte) if byte in plain else f"%{byte:02X}" for byte in name.encode()
    )


def write_folder(
    folder: Path, collections: Collections, *, database: str = "crm", escape: Callable[[str], str] = escaped
) -> Path:
    """A dump's folder."""
    directory = folder / database
    directory.mkdir(parents=True)
    for name, (facts, documents) in collections.items():
        (directory / f"{escape(name)}.metadata.json").write_text(metadata(name, facts), encoding="utf-8")
        if facts.get("type") != "view":
            (directory / f"{escape(name)}.bson").write_bytes(b"".join(map(bson.encode, documents)))
    return folder


def write_archive(collections: Collections, *, database: str = "crm") -> bytes:
    """The bytes of `mongodump --archive`, with the collections' documents interleaved; a view has an empty block."""
    header = {"concurrent_collections": 4, "version": "0.1", "server_version": "7.0.5", "tool_version": "100.9.4"}
    out = MAGIC + bson.encode(header)
    for name, (facts, _documents) in collections.items():
        described = {
            "db": database,
            "collection": name,
            "metadata": metadata(name, facts),
            "size": 0,
            "type": facts.get("type", "collection"),
        }
        out += bson.encode(described)
    out += TERMINATOR
    most = max(len(documents) for _facts, documents in collections.values())
    for turn in range(0, most, 2):
        for name, (_facts, documents) in collections.items():
            if documents[turn : turn + 2]:
                out += _head(database, name) + b"".join(map(bson.encode, documents[turn : turn + 2])) + TERMINATOR
    for name, (_facts, documents) in collections.items():
        crc = _crc64(b"".join(map(bson.encode, documents)))
        out += _head(database, name, EOF=True, CRC=crc) + TERMINATOR
    return out


def _head(database: str, name: str, *, EOF: bool = False, CRC: int = 0) -> bytes:  # noqa: N803
    signed = bson.Int64(CRC - (1 << 64) if CRC >> 63 else CRC)
    return bson.encode({"db": database, "collection": name, "EOF": EOF, "CRC": signed})


def _crc64(data: bytes) -> int:
    """CRC-64/XZ, bit by bit, as its definition says."""
    crc = (1 << 64) - 1
    for byte in data:
        crc ^= byte
        for _bit in range(8):
            crc = crc >> 1 ^ (0xC96C5795D7870F42 if crc & 1 else 0)
    return crc ^ ((1 << 64) - 1)
