"""A Dagster that talks nonsense, or something else on its port: the page says so, and does not fail itself."""

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ops_pipelines.errors import OpsError
from ops_pipelines.naming import SOURCE_TAG, Named
from ops_pipelines.web.api import models
from ops_pipelines.web.operations import Operations
from ops_pipelines.web.pages.environment import Visit
from ops_pipelines.web.pages.run import run_page
from tests.web.conftest import MakeHouse

_STEP = {"stepKey": "s", "status": "FAILURE", "startTime": 1.0, "endTime": 2.0}
_ERROR = {"message": "it broke", "cause": None}
_EVENTS: list[Any] = [
    {"__typename": "LogMessageEvent", "message": "hello", "timestamp": "1000", "level": "INFO"},
    {"__typename": "MaterializationEvent", "metadataEntries": [{"label": "proof", "text": "verified"}]},
    {"__typename": "ExecutionStepFailureEvent", "stepKey": "s", "error": _ERROR, "failureMetadata": None},
    {"__typename": "RunFailureEvent", "message": "it failed"},
]
_NODE = {
    "assetKey": {"path": Named().verified_path("crm")}, "groupName": "crm", "isMaterializable": True, "jobNames": [],
    "tags": [{"key": SOURCE_TAG, "value": "crm"}], "repository": {"name": "r", "location": {"name": "l"}},
}  # fmt: skip
SOUND: dict[str, Any] = {
    "assetNodes": [_NODE],
    "runsOrError": {"results": []},
    "launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": "one"}},
    "runOrError": {
        "__typename": "Run", "runId": "one", "status": "FAILURE", "jobName": "backup", "startTime": 1.0, "endTime": 2.0,
        "tags": [{"key": SOURCE_TAG, "value": "crm"}], "stepStats": [_STEP],
    },
    "logsForRun": {"events": _EVENTS},
}  # fmt: skip
"""What Dagster says to every question of ours."""
NONSENSE: tuple[Any, ...] = (None, [], {}, [None], -1, 1e300, "", "<blink>")
NOT_HTTP_NOR_JSON = (
    b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\n\r\n<!doctype html><h1>Hello</h1>",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{", b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000,
    b'HTTP/1.1 200 OK\r\n\r\n{"errors": {"message": "no"}}', b'HTTP/1.1 200 OK\r\n\r\n{"errors": ["no"]}',
    b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n", b"HTTP/1.1 500 No\r\n\r\n",
)  # fmt: skip


class Talker:
    """Something on a port that answers every request with the same bytes."""

    def __init__(self) -> None:
        talker, self.says = self, b""

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.wfile.write(talker.says)

            do_GET = do_POST  # noqa: N815 - as the library calls it

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def data(self, data: object) -> None:
        """Answer as a GraphQL server."""
        self.says = b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps({"data": data}).encode()


@pytest.fixture
def talker() -> Iterator[Talker]:
    """One that talks until the test ends."""
    made = Talker()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def garbled(document: Any) -> Iterator[Any]:
    """A document in which one thing is nonsense, for every thing and every nonsense."""
    for where in _places(document):
        for nonsense in NONSENSE:
            changed = copy.deepcopy(document)
            inside = changed
            for step in where[:-1]:
                inside = inside[step]
            inside[where[-1]] = nonsense
            yield changed


def _places(document: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in inside:
        yield (*before, key)
        if isinstance(value, (dict, list)):
            yield from _places(value, (*before, key))


def used(operations: Operations) -> str:
    """Start a backup and look at a run: what the page shows, or what it says that it could not."""
    said = ""
    with suppress(OpsError):
        said = escape(operations.back_up("crm", "anna"))
    try:
        state = operations.run("one")
    except OpsError as error:
        return f"{said} {escape(str(error))}"
    models.Run.model_validate(state)
    return said + run_page(operations.workspace, Visit(dagster_url=operations.dagster_url), state)


def test_a_sound_answer_is_understood(make_house: MakeHouse, talker: Talker) -> None:
    talker.data(SOUND)
    shown = used(Operations(make_house().workspace, talker.url))
    assert shown.startswith("one") and "it broke" in shown and "hello" in shown


def test_one_thing_that_is_nonsense_costs_no_traceback(make_house: MakeHouse, talker: Talker) -> None:
    operations = Operations(make_house().workspace, talker.url)
    for document in garbled(SOUND):
        talker.data(document)
        assert "</html>" in (shown := used(operations)) or "does not answer" in shown, document
        assert "<blink>" not in shown, document


@pytest.mark.parametrize("says", NOT_HTTP_NOR_JSON, ids=lambda says: repr(says[-30:]))
def test_what_is_no_dagster_is_said_so(make_house: MakeHouse, talker: Talker, says: bytes) -> None:
    talker.says = says
    assert "does not answer" in used(Operations(make_house().workspace, talker.url))


def test_an_address_without_http_is_said_so(make_house: MakeHouse) -> None:
    assert "does not answer" in used(Operations(make_house().workspace, "127.0.0.1:3000"))
