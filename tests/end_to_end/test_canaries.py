"""No credential, whatever is in it, is seen on any output: not whole, not in halves, not in another spelling."""

import gzip
import json
import os
import subprocess
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.end_to_end.conftest import OPS
from tests.faults.test_secrets import watched
from tests.faults.tries import long_run
from tests.sample import files_holding
from tests.unit.vaults import IDENTITY, RECIPIENT

KINDS = (
    "postgres", "mysql", "mongodb", "accesskey", "secretkey", "smtp", "slack", "apprise", "sentry", "restic", "token",
    "basic", "redis", "probe", "heartbeat", "ledgerurl", "target",
    "kit",
)  # fmt: skip
# Between the head and the tail of each; a line break cannot be part of any of them.
BETWEEN = ("/@#?%:", "'\"$\\ `", "&=+;,!*()[]<>|~^{}", "č%2F%zz")
SECRETS_ARE_HERE = "secrets"


_EVERYTHING = (
    ("check",), ("backup", "--json"), ("status", "--steps"), ("status", "--json"), ("list", "--json"),
    ("alerts", "run"), ("alerts", "list"), ("alerts", "digest"), ("report", "--format", "html"), ("history",),
    ("status", "--junit", "status.xml"),
)  # fmt: skip
_CONNECTING = (("doctor",), ("alerts", "test"), ("restore", "postgres", "--to", "${TARGET_URL}"))


def head(kind: str) -> str:
    return f"cnryhead{kind}"


def tail(kind: str) -> str:
    return f"cnrytail{kind}"


@dataclass
class Outside:
    """Who is told something outside: Slack, Sentry, heartbeats; the bodies of what came."""

    port: int
    bodies: list[str] = field(default_factory=list)


@pytest.fixture
def outside() -> Iterator[Outside]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            coding = self.headers.get("Content-Encoding", "")
            body = gzip.decompress(body) if coding == "gzip" else zlib.decompress(body) if coding == "deflate" else body
            made.bodies.append(body.decode(errors="replace"))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def do_GET(self) -> None:
            self.do_POST()

        def do_PUT(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Outside(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()


@dataclass
class Place:
    """A folder with an `ops.yaml` all of whose credentials are canaries, and everything that was said in it."""

    folder: Path
    environment: dict[str, str]
    said: str = ""

    def ops(self, *words: str) -> None:
        """Type a command, however it ends."""
        done = subprocess.run(
            [OPS, *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
            timeout=240, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.said += done.stdout + done.stderr


@contextmanager
def place(folder: Path, between: str, port: int, *, encoded: bool) -> Iterator[Place]:
    secret = {kind: f"{head(kind)}{between}{tail(kind)}" for kind in KINDS}
    put = {kind: quote(value, safe="") if encoded else value for kind, value in secret.items()}
    nowhere = "127.0.0.1:1"
    values = {
        "postgres": f"postgresql://boss:{put['postgres']}@{nowhere}/crm",
        "mysql": f"mysql://boss:{put['mysql']}@{nowhere}/shop",
        "mongodb": f"mongodb://boss:{put['mongodb']}@{nowhere}/service",
        "smtp": f"smtp://boss:{put['smtp']}@{nowhere}/?from=a@example.com&to=b@example.com",
        "slack": f"http://127.0.0.1:{port}/services/T0/B0/{quote(secret['slack'], safe='')}",
        "apprise": f"json://boss:{put['apprise']}@{nowhere}/hook",
        "sentry": f"http://{quote(secret['sentry'], safe='')}@127.0.0.1:{port}/1",
        "redis": f"redis://:{put['redis']}@{nowhere}/0",
        "probe": f"http://boss:{put['probe']}@{nowhere}/health",
        "heartbeat": f"http://127.0.0.1:{port}/{quote(secret['heartbeat'], safe='')}",
        "target": f"postgresql://boss:{put['target']}@{nowhere}/elsewhere",
        "ledgerurl": f"postgresql+psycopg://boss:{put['ledgerurl']}@{nowhere}/ledger",
    }
    kept = folder / SECRETS_ARE_HERE
    kept.mkdir()
    for kind in KINDS:
        (kept / kind).write_text(values.get(kind, secret[kind]), encoding="utf-8")
    (kept / "identity").write_text(IDENTITY, encoding="utf-8")
    (folder / "uploads").mkdir()
    (folder / "uploads" / "a").write_text("content", encoding="utf-8")
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    named = lambda kind: {"file": f"{SECRETS_ARE_HERE}/{kind}"}  # noqa: E731
    document = {
        "base": "base",
        "defaults": {
            "encrypt": {"age": [RECIPIENT], "identity": named("identity")},
            "copies": ["far"],
            "heartbeats": {"backup": named("heartbeat")},
        },
        "stores": {
            "far": {
                "kind": "s3", "bucket": "acme", "endpoint": f"http://{nowhere}", "retries": 0, "timeout": "1s",
                "credentials": {"access_key": named("accesskey"), "secret_key": named("secretkey")},
            }
        },
        "sources": {
            **{kind: {"kind": kind, "url": named(kind)} for kind in ("postgres", "mysql", "mongodb")},
            "uploads": {"kind": "files", "paths": ["uploads"], "password": named("restic")},
        },
        "alerts": {"channels": {kind: named(kind) for kind in ("smtp", "apprise", "slack")}},
        "sentry": {"dsn": named("sentry")},
        "web": {
            "token": named("token"), "basic": {"user": "ops", "password": named("basic")}, "redis": named("redis"),
        },
        "probes": {"services": {"cache": named("redis"), "portal": named("probe")}, "timeout": "1s"},
        "logging": {"file": "ops.log", "format": "json"},
    }  # fmt: skip
    (folder / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    environment = {
        **os.environ,
        "TARGET_URL": values["target"],
        "DAGSTER_HOME": str(folder),
        "OPS_CONFIG": str(folder / "ops.yaml"),
    }
    yield Place(folder, environment)


def shows(text: str) -> set[str]:
    """The halves of canaries that a text shows."""
    return {half for kind in KINDS for half in (head(kind), tail(kind)) if half in text}


@pytest.mark.timeout(580)
@pytest.mark.parametrize("between", BETWEEN if long_run() else BETWEEN[:1])
def test_every_credential_on_every_output(tmp_path: Path, outside: Outside, between: str) -> None:
    encoded = between == BETWEEN[2]
    halves = tuple(half for kind in KINDS for half in (head(kind), tail(kind)))
    with place(tmp_path, between, outside.port, encoded=encoded) as here, watched(halves) as seen:
        for words in (*(_EVERYTHING if between == BETWEEN[0] else ()), *_CONNECTING):
            here.ops(*words)
        here.ops("restore", "uploads", "--to", here.environment["TARGET_URL"])
        here.ops("kit", "--to", "kit", "--passphrase-file", f"{SECRETS_ARE_HERE}/kit")
    assert "uploads" in here.said
    assert "Traceback" not in here.said
    assert shows(here.said) == set()
    assert list((tmp_path / "kit").iterdir())
    assert outside.bodies
    # Sentry's own protocol puts the key of the DSN into a trace's envelope, on its way to the server that gave it out.
    assert shows("".join(outside.bodies)) - {head("sentry"), tail("sentry")} == set()
    holding = [path for path in files_holding(tmp_path, *halves) if SECRETS_ARE_HERE not in path.parts]
    assert holding == []
    assert not [words for words in seen if "restore" not in words]  # there it is what somebody typed
