"""A dump of MongoDB from somebody else: names, lengths and depths that are lies, and JavaScript that a server may run.

What takes a dump in runs outside of the sandbox and decodes names and definitions only; what loads it runs inside.
"""

import io
import json
import struct
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import bson
import pytest

from ops_pipelines.backup.adopt import adopt, look
from ops_pipelines.clock import UTC
from ops_pipelines.engines.base import Legacy
from ops_pipelines.engines.mongodb.engine import MongoDBEngine
from ops_pipelines.engines.mongodb.settings import MongoDBSource
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sandbox import isolation
from tests.conftest import MakeWorkspace
from tests.engines.mongodb.archives import MAGIC, TERMINATOR, metadata, write_folder
from tests.engines.mongodb.conftest import TestServer
from tests.engines.mongodb.test_adoption import Sink
from tests.sandbox.conftest import Canary, left_in

AT = datetime(2026, 2, 3, tzinfo=UTC)
needs_sandbox = pytest.mark.skipif(isolation.standing().best != "sandbox", reason="no sandbox can be had here")
JAVASCRIPT = "function() { require('fs').writeFileSync('{canary}/js', 'x'); run('touch', '{canary}/run'); return true }"


def deep(levels: int, kind: bytes = b"\x03") -> bytes:
    """A document (or an array) in a document, and so on, as nobody's encoder would write it."""
    document = b"\x05\0\0\0\0"
    for _ in range(levels):
        body = kind + b"a\0" + document + b"\0"
        document = struct.pack("<i", len(body) + 4) + body
    return document


def raw(*, database: object = "crm", name: object = "people", more: str = "", documents: bytes = b"",
        head: dict[str, Any] | None = None) -> bytes:  # fmt: skip
    """An archive with one collection, of which anything may be said."""
    described = {"db": database, "collection": name, "metadata": more or metadata("people", {}), "type": "collection"}
    told = {"db": database, "collection": name, "EOF": False, "CRC": bson.Int64(0)}
    out = MAGIC + bson.encode({"server_version": "7.0.5"}) + bson.encode(described) + TERMINATOR
    out += bson.encode(told) + documents + TERMINATOR
    return out + bson.encode({**told, "EOF": True, **(head or {})}) + TERMINATOR


def length(claimed: int) -> bytes:
    return struct.pack("<i", claimed) + bson.encode({"_id": 1, "v": "x" * 100})[4:]


ARCHIVES: dict[str, Callable[[str], bytes]] = {
    "database up": lambda at: raw(database=f"{'../' * 20}{at[1:]}/planted"),
    "database of dots": lambda at: raw(database=".."),
    "database absolute": lambda at: raw(database=at),
    "database with NUL": lambda at: raw(database="a\0b"),
    "database with a line break": lambda at: raw(database="a\nb"),
    "database too long": lambda at: raw(database="a" * 300),
    "database a number": lambda at: raw(database=7),
    "database nothing": lambda at: raw(database=""),
    "name up": lambda at: raw(name=f"{'../' * 20}{at[1:]}/planted"),
    "name of dots": lambda at: raw(name=".."),
    "name absolute": lambda at: raw(name=f"{at}/planted"),
    "name with NUL": lambda at: raw(name="a\0b"),
    "name with a line break": lambda at: raw(name="a\nb"),
    "name too long": lambda at: raw(name="a" * 3000),
    "name an option": lambda at: raw(name=f"--out={at}/planted"),
    "name of accounts up": lambda at: raw(name=f"$admin.system.x/../{'../' * 20}{at[1:]}/planted"),
    "name of accounts with NUL": lambda at: raw(name="$admin.system.\0"),
    "metadata deep": lambda at: raw(more="[" * 100_000),
    "metadata deep objects": lambda at: raw(more='{"options":' * 100_000),
    "metadata a little deep": lambda at: raw(more='{"options":' + '{"a":' * 600 + "1" + "}" * 601),
    "metadata no object": lambda at: raw(more="7"),
    "metadata without names": lambda at: raw(more=json.dumps({"indexes": [{"v": 2, "key": {"a": 1}}]})),
    "metadata of another name": lambda at: raw(more=json.dumps({"collectionName": f"../..{at}/planted"})),
    "description deep": lambda at: MAGIC + bson.encode({"server_version": "7"}) + deep(10_000) + TERMINATOR,
    "header deep": lambda at: MAGIC + deep(10_000) + TERMINATOR,
    "checksum a text": lambda at: raw(head={"CRC": "x"}),
    "checksum a document": lambda at: raw(head={"CRC": {"a": 1}}),
    "length negative": lambda at: raw(documents=length(-1)),
    "length nothing": lambda at: raw(documents=length(0)),
    "length of the terminator": lambda at: raw(documents=TERMINATOR * 3),
    "length too large": lambda at: raw(documents=length(2**31 - 1)),
    "length into the next": lambda at: raw(documents=length(200)),
    "length too short": lambda at: raw(documents=length(20)),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_is_taken_in_or_refused_in_words_and_writes_nowhere_else(
    canary: Canary, tmp_path: Path, name: str
) -> None:
    packed = ARCHIVES[name](str(canary.folder))
    sink = Sink(tmp_path / "sink")
    sink.directory.mkdir()
    source = MongoDBSource.model_validate({"kind": "mongodb", "url": "mongodb://127.0.0.1:1/crm"})
    try:
        MongoDBEngine("crm", source).adopt(Legacy("old-dump", AT, stream=io.BytesIO(packed)), sink)
    except OpsError as error:
        assert error.why, "it is told why"
    canary.assert_unharmed()
    assert {path.name for path in tmp_path.iterdir()} <= {"sink", "canary", "secret"}


DOCUMENTS: dict[str, bytes] = {
    "deep documents": deep(10_000),
    "deep arrays": deep(10_000, b"\x04"),
    "a string longer than its document": bson.encode({"_id": 1, "v": "x" * 50}).replace(
        b"\x33\0\0\0x", b"\xff\xff\xff\x7fx"
    ),
    "an inner document longer than its outer": bson.encode({"_id": 1, "d": {"a": 1}}).replace(
        b"d\0\x0c\0\0\0", b"d\0\xff\xff\0\0"
    ),
    "unknown type": bson.encode({"_id": 1, "v": 1.5}).replace(b"\x01v\0", b"\x7ev\0"),
    "no UTF-8": bson.encode({"_id": 1, "v": "xx"}).replace(b"xx", b"\xff\xfe"),
    "code": bson.encode({"_id": 1, "v": bson.Code(JAVASCRIPT, {"a": 1})}),
}


@needs_sandbox
@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_that_lie_are_told_by_a_verdict(
    mongo: TestServer, make_workspace: MakeWorkspace, canary: Canary, tmp_path: Path, name: str
) -> None:
    folder = write_folder(tmp_path / "dump-20260203-0415", {"people": ({}, [{"_id": 7}])})
    with (folder / "crm" / "people.bson").open("ab") as data:
        data.write(DOCUMENTS[name])
    outcome = proved(mongo, make_workspace, canary, folder)
    assert outcome in ("bad", "inconclusive", "refused", "verified")
    if name.startswith("deep"):
        assert outcome != "verified"


SCRIPTS: dict[str, Any] = {
    "validator": {"people": ({"options": {"validator": {"$where": JAVASCRIPT}}}, [{"_id": 1}])},
    "expression": {"people": ({"options": {"validator": {"$expr": {"$function": {
        "body": JAVASCRIPT, "args": [], "lang": "js"}}}}}, [{"_id": 1}])},
    "view": {"people": ({}, [{"_id": 1}]), "seen": ({"indexes": [], "type": "view", "options": {
        "viewOn": "people", "pipeline": [{"$match": {"$where": JAVASCRIPT}}]}}, [])},
    "view that writes": {"people": ({}, [{"_id": 1}]), "seen": ({"indexes": [], "type": "view", "options": {
        "viewOn": "people", "pipeline": [{"$out": "people"}]}}, [])},
    "stored": {"people": ({}, [{"_id": 1}]), "system.js": ({}, [{"_id": "f", "value": bson.Code(JAVASCRIPT)}])},
    "index": {"people": ({"indexes": [{"v": 2, "key": {"a": 1}, "name": "i",
                                       "partialFilterExpression": {"$where": JAVASCRIPT}}]}, [{"_id": 1}])},
}  # fmt: skip


@needs_sandbox
@pytest.mark.parametrize("name", SCRIPTS)
def test_javascript_of_a_dump_does_nothing_outside(
    mongo: TestServer, make_workspace: MakeWorkspace, canary: Canary, tmp_path: Path, name: str
) -> None:
    folder = write_folder(tmp_path / "dump-20260203-0415", SCRIPTS[name])
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix == ".json":
            path.write_text(path.read_text("utf-8").replace("{canary}", str(canary.folder)), encoding="utf-8")
    assert proved(mongo, make_workspace, canary, folder) in ("bad", "inconclusive", "verified")


def proved(mongo: TestServer, make_workspace: MakeWorkspace, canary: Canary, folder: Path) -> str:
    """The outcome for a dump's folder, or `refused`; nothing else is touched."""
    workspace = make_workspace(mongo.url("crm"), kind="mongodb").workspace
    (candidate,) = look(workspace, "crm", folder)
    outcome = "refused"
    try:
        adopt(workspace, "crm", candidate)
    except OpsError as error:
        assert error.why, "it is told why"
    else:
        point = workspace.catalogue("crm").newest
        assert point is not None
        verdict = verify(workspace, point)
        assert verdict.outcome == "verified" or verdict.reason
        outcome = verdict.outcome
    canary.assert_unharmed()
    assert left_in(workspace.places.scratch) == []
    return outcome
