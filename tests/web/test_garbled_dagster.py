"""A Dagster that talks nonsense, or something else on its port: the page says so, and does not fail itself."""

import copy
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ops_pipelines.errors import OpsError
from ops_pipelines.naming import SOURCE_TAG, Named
from ops_pipelines.operate.runs import run_state
from ops_pipelines.probes.graphql import DagsterSilent, ask
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
    "logsForRun": {"events": _EVENTS, "hasMore": False, "cursor": "1"},
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
        self.answer: Callable[[dict[str, Any]], object] | None = None

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if talker.answer is not None:
                    talker.data(talker.answer(asked))
                self.wfile.write(talker.says)

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


class Dripper:
    """Something on a port that sends a byte now and then, for ever."""

    def __init__(self, begin: bytes) -> None:
        self._begin, self._over = begin, threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._drip)

    def __enter__(self) -> "Dripper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._listening.close()

    def _drip(self) -> None:
        taken, _address = self._listening.accept()
        with taken, suppress(OSError):
            taken.sendall(self._begin)
            while not self._over.wait(0.05):
                taken.sendall(b" ")


@pytest.mark.parametrize("begin", [b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["headers", "body"])
def test_an_answer_that_never_ends_is_not_waited_for(begin: bytes) -> None:
    with Dripper(begin) as dripping, pytest.raises(DagsterSilent, match="its answer took more than 1 s"):
        ask(dripping.url, "query { version }", limit_s=1, most_bytes=2**20)


def test_everything_that_a_long_run_said_is_read(talker: Talker) -> None:
    def said(number: int) -> dict[str, Any]:
        return {"__typename": "LogMessageEvent", "message": f"line {number}", "timestamp": "1000", "level": "INFO"}

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        begin = int(asked["variables"].get("after") or 0)
        end = begin + 1000
        logs = {"events": [said(number) for number in range(begin, min(end, 2500))], "cursor": str(end)}
        return {**SOUND, "logsForRun": {**logs, "hasMore": end < 2500}}

    talker.answer = answer
    state = run_state(talker.url, "one")
    assert state is not None and state.said[-1][1] == "line 2499"


def test_an_address_without_http_is_said_so(make_house: MakeHouse) -> None:
    assert "does not answer" in used(Operations(make_house().workspace, "127.0.0.1:3000"))
