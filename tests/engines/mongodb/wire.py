"""A scripted server at MongoDB's wire: answers with the documents it is told to. For what the test server lacks."""

# ruff: noqa: N802, N815 -- methods are named after the commands they answer

import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import bson
from bson import Int64, Timestamp

Document = dict[str, Any]
NOW, LATER = Timestamp(1_800_000_000, 7), Timestamp(1_800_000_060, 1)
_OP_MSG = 2013


@dataclass
class Script:
    """A MongoDB 7 with one database, as far as a dump looks.

    Attributes:
        collections: documents by collection.
        fails: an error in place of the first answer of a command on a collection, by `command collection`.
        snapshots: whether it takes reads of level snapshot, as a replica set does.
        written: whether somebody writes while it is read.
        oplog_from: the time of the oldest entry in its oplog.
        loses: collections whose cursor ends after the first batch, without a word.
        heard: every command it was sent.
        accounts: what lies in `admin.system.users` and `admin.system.roles`, by that collection.
        forgets: users that a merge of accounts fails for, which is no error to the one who asked.
    """

    collections: dict[str, list[Document]]
    fails: dict[str, Document] = field(default_factory=dict)
    snapshots: bool = True
    loses: frozenset[str] = frozenset()
    heard: list[Document] = field(default_factory=list)
    written: bool = False
    oplog_from: Timestamp = NOW
    options: dict[str, Document] = field(default_factory=dict)
    answers: dict[str, Document] = field(default_factory=dict)
    accounts: dict[str, list[Document]] = field(default_factory=dict)
    forgets: frozenset[str] = frozenset()

    def answer(self, command: Document) -> Document:
        """The reply to a command."""
        self.heard.append(command)
        name = next(iter(command))
        target = str(command.get("collection") or command[name])
        if (failure := self.fails.pop(f"{name} {target}", None)) is not None:
            return {"ok": 0.0, **failure}
        if name in self.answers:
            return {"ok": 1.0, **self.answers[name]}
        method: Callable[[Document, str], Document] | None = getattr(self, f"_{name.lstrip('_')}", None)
        if method is None:
            return {"ok": 0.0, "code": 59, "errmsg": f"no such command: {name}"}
        return {"ok": 1.0, **method(command, target)}

    def _hello(self, _command: Document, _target: str) -> Document:
        return {"isWritablePrimary": True, "maxWireVersion": 21, "minWireVersion": 0, "maxBsonObjectSize": 16777216,
                "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000, "logicalSessionTimeoutMinutes": 30,
                "setName": "rs0", "hosts": ["scripted:27017"], "me": "scripted:27017", "secondary": False,
                "lastWrite": {"opTime": {"ts": self._newest(), "t": Int64(1)}}}  # fmt: skip

    _ismaster = _isMaster = _hello

    def _ping(self, _command: Document, _target: str) -> Document:
        return {}

    _endSessions = _killCursors = _ping

    def _buildInfo(self, _command: Document, _target: str) -> Document:
        return {"version": "7.0.5"}

    def _dbStats(self, _command: Document, _target: str) -> Document:
        return {"dataSize": 1000.0}

    def _listCollections(self, _command: Document, _target: str) -> Document:
        listed = [
            {"name": name, "type": "timeseries" if "timeseries" in self.options.get(name, {}) else "collection",
             "options": self.options.get(name, {}), "info": {"uuid": bson.Binary(name.encode().ljust(16)[:16], 4)}}
            for name in [*self.collections, *(self.options.keys() - self.collections.keys())]
        ]  # fmt: skip
        return self._cursor("$cmd.listCollections", listed)

    def _listIndexes(self, _command: Document, target: str) -> Document:
        return self._cursor(target, [{"v": 2, "key": {"_id": 1}, "name": "_id_"}])

    def _count(self, _command: Document, target: str) -> Document:
        return {"n": len(self.collections[target])}

    def _aggregate(self, command: Document, target: str) -> Document:
        if "$collStats" in command["pipeline"][0]:
            return self._cursor(target, [{"storageStats": {"avgObjSize": 4 * 1024 * 1024}}])
        return self._cursor(target, [{"n": len(self.collections[target])}])

    def _find(self, command: Document, target: str) -> Document:
        if target == "oplog.rs":
            return self._cursor(target, [{"ts": self.oplog_from, "op": "n", "ns": ""}])
        if command.get("readConcern", {}).get("level") == "snapshot" and not self.snapshots:
            return {"ok": 0.0, "code": 246, "errmsg": "no snapshots here"}
        if target in ("system.users", "system.roles"):
            return self._cursor(target, [each for each in self.accounts.get(target, []) if each["db"] == "crm"])
        documents = self.collections[target]
        batch = int(command.get("limit") or command.get("batchSize") or len(documents))
        rest = len(documents) > batch and target not in self.loses and not command.get("singleBatch")
        reply = self._cursor(target, documents[:batch], number=self._number(target) if rest else 0)
        if command.get("readConcern", {}).get("level") == "snapshot":
            reply["cursor"]["atClusterTime"] = NOW
        return reply

    def _insert(self, command: Document, target: str) -> Document:
        self.collections.setdefault(target, []).extend(command["documents"])
        return {"n": len(command["documents"])}

    def _drop(self, _command: Document, target: str) -> Document:
        self.collections.pop(target, None)
        return {}

    def _mergeAuthzCollections(self, command: Document, _target: str) -> Document:
        for kind in ("Users", "Roles"):
            name = command.get(f"temp{kind}Collection", "").removeprefix("admin.")
            kept = self.accounts.setdefault(f"system.{kind.lower()}", [])
            for each in self.collections.get(name, []):
                if each["db"] == command["db"] and each.get("user") not in self.forgets:
                    kept.append(each)
        return {}

    def _getMore(self, _command: Document, target: str) -> Document:
        return self._cursor(target, self.collections[target][1:], more=True)

    def _newest(self) -> Timestamp:
        return LATER if self.written and any("find" in each for each in self.heard) else NOW

    def _number(self, target: str) -> int:
        return 1000 + list(self.collections).index(target)

    @staticmethod
    def _cursor(target: str, documents: list[Document], *, number: int = 0, more: bool = False) -> Document:
        return {
            "cursor": {"id": Int64(number), "ns": f"crm.{target}", "nextBatch" if more else "firstBatch": documents}
        }


def _message(body: bytes) -> Document:
    """The command of an OP_MSG, with the documents that follow it in a section of their own."""
    at, command = 4, {}
    while at < len(body):
        kind, (size,) = body[at], struct.unpack_from("<i", body, at + 1)
        section = body[at + 1 : at + 1 + size]
        if kind == 0:
            command = bson.decode(section) | command
        else:
            end = section.index(b"\0", 4)
            command |= {section[4:end].decode(): bson.decode_all(section[end + 1 :])}
        at += 1 + size
    return command


@contextmanager
def serving(script: Script) -> Iterator[str]:
    """A server that plays the script; yields the URL of its database `crm`."""

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while head := self.rfile.read(16):
                length, request, _answered, code = struct.unpack("<iiii", head)
                body = self.rfile.read(length - 16)
                if code == _OP_MSG:
                    reply = struct.pack("<IB", 0, 0) + bson.encode(script.answer(_message(body)))
                    answer_code = _OP_MSG
                else:  # OP_QUERY, the first greeting of old
                    name_end = body.index(b"\0", 4)
                    query = bson.decode(body[name_end + 9 :])
                    reply = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(script.answer(query))
                    answer_code = 1
                self.wfile.write(struct.pack("<iiii", 16 + len(reply), 1, request, answer_code) + reply)

    class Listening(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Listening(("127.0.0.1", 0), Conversation) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"mongodb://127.0.0.1:{server.server_address[1]}/crm?directConnection=true"
        finally:
            server.shutdown()
