"""What Sentry is told, at the wire: errors that group and hold no secret, check-ins that notice silence."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.errors import DagsterError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.errors import ConfigError
from ops_pipelines.config.load import load_config
from ops_pipelines.errors import Busy, OpsError, SafetyRefusal, StoreError
from ops_pipelines.orchestration.describe import failures_explained
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.outside import build_heartbeat_sensor
from ops_pipelines.outside import errors
from ops_pipelines.outside.errors import report
from ops_pipelines.recovery.verify import verify
from ops_pipelines.redact import register
from ops_pipelines.sweeping import sweep
from ops_pipelines.web.request_log import RequestLog
from ops_pipelines.workspace import Workspace, open_workspace
from tests.conftest import PASSWORD, MakeWorkspace, TestServer
from tests.watch.outside import Listener, listener, wait_for

CANARY = "canary-" + "of-a-local-variable"


@pytest.fixture
def outside() -> Iterator[Listener]:
    with listener() as found:
        yield found


def told(made_path: Path, outside: Listener, **sentry: Any) -> Workspace:
    """The workspace, with Sentry switched on."""
    path = made_path / "ops.yaml"
    document = json.loads(path.read_text("utf-8"))
    (made_path / "dsn").write_text(outside.dsn, encoding="utf-8")
    document["sentry"] = {"dsn": {"file": "dsn"}, "environment": "staging", **sentry}
    path.write_text(json.dumps(document), encoding="utf-8")
    return open_workspace(load_config(path, environ={}))


@pytest.fixture
def unreachable(make_workspace: MakeWorkspace, outside: Listener) -> Workspace:
    """A source that nobody can reach."""
    made = make_workspace("postgresql://boss:hunter-canary@127.0.0.1:1/crm")
    return told(made.path, outside)


def test_a_failing_dump_is_an_event_that_says_where_and_groups(unreachable: Workspace, outside: Listener) -> None:
    for _ in range(2):
        with pytest.raises(OpsError), failures_explained_too():
            take_backup(unreachable, "crm")
    wait_for(lambda: len(outside.of("event")) == 2 and len(outside.check_ins()) == 4)
    first, second = outside.of("event")
    assert first["tags"]["source"] == "crm"
    assert first["tags"]["engine"] == "postgres"
    assert first["tags"]["phase"] == "backup"
    assert first["environment"] == "staging"
    assert first["release"].startswith("ops-pipelines@")
    assert first["server_name"]
    assert first["fingerprint"] == second["fingerprint"]
    assert first["fingerprint"][1:] == ["crm", "backup"]
    assert first["exception"]["values"][-1]["value"].startswith("backup of crm failed")
    assert b"hunter-canary" not in outside.raw
    assert b'"vars"' not in outside.raw
    for unwanted in ("request", "extra", "breadcrumbs", "modules"):
        assert unwanted not in first
    assert outside.check_ins() == [("crm-backup", "in_progress"), ("crm-backup", "error")] * 2
    began, ended = outside.of("check_in")[:2]
    assert began["check_in_id"] == ended["check_in_id"]
    assert began["monitor_config"] == {
        "schedule": {"type": "crontab", "value": "0 2,8,14,20 * * *"}, "timezone": "UTC", "checkin_margin": 30,
        "max_runtime": 370, "failure_issue_threshold": 1, "recovery_threshold": 1,
    }  # fmt: skip


def failures_explained_too() -> Any:
    """An error passes two floors that report."""
    from contextlib import contextmanager  # noqa: PLC0415

    @contextmanager
    def both() -> Iterator[None]:
        try:
            yield
        except OpsError as error:
            report(error, phase="run")
            raise

    return both()


def test_a_good_backup_and_its_proof_check_in(
    make_workspace: MakeWorkspace, outside: Listener, pg18: TestServer
) -> None:
    made = make_workspace(pg18.url(pg18.new_database()))
    workspace = told(made.path, outside, traces=1.0, profiles=1.0)
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    assert verify(workspace, point).outcome == "verified"
    wait_for(lambda: len(outside.check_ins()) == 4 and len(outside.of("transaction")) == 2)
    assert outside.check_ins() == [
        ("crm-backup", "in_progress"), ("crm-backup", "ok"), ("crm-verify", "in_progress"), ("crm-verify", "ok"),
    ]  # fmt: skip
    spans = {span["op"] for span in outside.of("transaction")[1]["spans"]}
    assert {"fetch", "compare"} <= spans
    # An older Python can hang for ever while its threads are looked at: no backup is worth a profile.
    assert bool(outside.of("profile")) == (sys.version_info >= (3, 12))
    assert outside.of("event") == []
    assert PASSWORD.encode() not in outside.raw


def test_a_bad_verdict_is_an_event(make_workspace: MakeWorkspace, outside: Listener, pg18: TestServer) -> None:
    made = make_workspace(pg18.url(pg18.new_database()), checks=[{"name": "none", "sql": "select 1", "min": 2}])
    workspace = told(made.path, outside)
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    assert verify(workspace, point).outcome == "bad"
    wait_for(lambda: outside.of("event") and len(outside.check_ins()) == 4)
    (event,) = outside.of("event")
    assert event["fingerprint"] == ["bad", "crm", "verify"]
    assert (event["tags"]["backup_id"], event["tags"]["store"]) == (point.id, "local")
    assert outside.check_ins()[-1] == ("crm-verify", "error")


_DIES = """
import os, signal, sys
from pathlib import Path
from ops_pipelines.config.load import load_config
from ops_pipelines.outside.client import sdk
from ops_pipelines.workspace import open_workspace
workspace = open_workspace(load_config(Path(sys.argv[1]), environ={}))
with workspace.ledger.activity("dump", source="crm"):
    sdk(workspace.config.sentry).flush(10)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_backup_is_an_error_check_in_at_the_next_sweep(unreachable: Workspace, outside: Listener) -> None:
    path = unreachable.config.base.parent / "ops.yaml"
    died = subprocess.run([sys.executable, "-c", _DIES, str(path)], check=False, timeout=60)
    assert died.returncode == -9
    assert outside.check_ins() == [("crm-backup", "in_progress")]
    sweep(unreachable)
    wait_for(lambda: len(outside.check_ins()) == 2 and outside.of("event"))
    began, ended = outside.of("check_in")
    assert (ended["status"], ended["check_in_id"]) == ("error", began["check_in_id"])
    assert outside.of("event")[0]["fingerprint"] == ["died", "crm", "backup"]


def test_an_error_sent_as_the_process_ends_still_arrives(unreachable: Workspace, outside: Listener) -> None:
    path = unreachable.config.base.parent / "ops.yaml"
    program = (
        "import sys; from pathlib import Path; from ops_pipelines.config.load import load_config\n"
        "from ops_pipelines.workspace import open_workspace\n"
        "from ops_pipelines.backup.take import take_backup\n"
        "take_backup(open_workspace(load_config(Path(sys.argv[1]), environ={})), 'crm')\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=False, timeout=60, stderr=subprocess.DEVNULL)
    assert outside.of("event")
    assert outside.check_ins()[-1] == ("crm-backup", "error")


class _Wrapped(DagsterError):
    """As Dagster wraps what user code raises."""

    def __init__(self, inner: Exception) -> None:
        super().__init__("Error occurred while executing op")
        self.user_exception = inner


_Wrapped.__module__ = "dagster._core.errors"


def test_wrappers_are_unwrapped_and_secrets_and_locals_stay_here(unreachable: Workspace, outside: Listener) -> None:
    secret = register("a canary of a registered value")
    local = CANARY + str(os.getpid())
    try:
        assert local
        raise ValueError(f"cannot log in with {secret}")
    except ValueError as inner:
        report(_Wrapped(inner), phase="run")
    wait_for(lambda: outside.of("event"))
    (event,) = outside.of("event")
    assert event["exception"]["values"][-1]["type"] == "ValueError"
    assert event["fingerprint"] == ["ValueError", "", "run"]
    assert secret.encode() not in outside.raw
    assert local.encode() not in outside.raw
    assert unreachable.config.sentry.on


def test_the_step_boundary_reports_what_it_drops_and_refusals_are_no_errors(
    unreachable: Workspace, outside: Listener
) -> None:
    for error in (Busy("held"), SafetyRefusal("no"), StoreError("gone")):
        with pytest.raises(dg.Failure), failures_explained():
            raise error
    with pytest.raises(KeyError), Installation(unreachable).sensing("rpo_watch"):
        raise KeyError("of a sensor")
    wait_for(lambda: len(outside.of("event")) == 2)
    assert [each["exception"]["values"][-1]["type"] for each in outside.of("event")] == ["StoreError", "KeyError"]
    assert outside.of("event")[1]["tags"]["sensor"] == "rpo_watch"
    assert unreachable.config.sentry.on


def test_an_error_behind_a_request_is_reported(unreachable: Workspace, outside: Listener) -> None:
    def broken(_request: Request) -> Response:
        raise RuntimeError("of the web")

    app = Starlette(routes=[Route("/", broken)], middleware=[Middleware(RequestLog)])
    scope = {
        "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "headers": [],
        "query_string": b"token=canary-of-a-query",
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 500
    wait_for(lambda: outside.of("event"))
    assert outside.of("event")[0]["tags"]["phase"] == "web"
    assert b"canary-of-a-query" not in outside.raw
    assert unreachable.config.sentry.on


def test_a_server_that_hangs_delays_no_backup(
    make_workspace: MakeWorkspace, outside: Listener, pg18: TestServer
) -> None:
    made = make_workspace(pg18.url(pg18.new_database()))
    workspace = told(made.path, outside)
    outside.release.clear()
    manifest = take_backup(workspace, "crm")
    wait_for(outside.held.is_set)
    assert workspace.catalogue("crm").newest is not None and manifest.id
    assert outside.items == [], "the backup ended while its first check-in was still held"


def test_the_daemon_checks_in_and_says_when_a_part_of_it_stands_still(
    unreachable: Workspace, outside: Listener
) -> None:
    (sensor,) = build_heartbeat_sensor(Installation(unreachable))
    # The first needs no daemons; those that the second needs do not run.
    for count, opened in enumerate((dg.DagsterInstance.ephemeral, dg.DagsterInstance.local_temp), start=1):
        with opened() as instance:
            context = dg.build_sensor_context(instance=instance)
            sensor.evaluate_tick(context)
        wait_for(lambda expected=count: len(outside.check_ins()) == expected)
    assert outside.check_ins() == [("ops-daemon", "ok"), ("ops-daemon", "error")]
    sent = outside.of("check_in")[0]
    assert sent["monitor_config"]["schedule"] == {"type": "interval", "value": 5, "unit": "minute"}


def test_without_a_dsn_nothing_is_loaded_or_sent(make_workspace: MakeWorkspace) -> None:
    made = make_workspace("postgresql://127.0.0.1:1/crm")
    program = (
        "import sys; from pathlib import Path; from ops_pipelines.config.load import load_config\n"
        "from ops_pipelines.workspace import open_workspace\n"
        "from ops_pipelines.errors import OpsError\n"
        "from ops_pipelines.backup.take import take_backup\n"
        "import ops_pipelines.cli.main\n"
        "try: take_backup(open_workspace(load_config(Path(sys.argv[1]))), 'crm')\n"
        "except OpsError: sys.exit('sentry_sdk' in sys.modules)\n"
    )
    environ = {key: value for key, value in os.environ.items() if key != "SENTRY_DSN"}
    argv = [sys.executable, "-c", program, str(made.path / "ops.yaml")]
    assert subprocess.run(argv, check=False, timeout=60, env=environ).returncode == 0


def test_the_environment_alone_switches_it_on(
    make_workspace: MakeWorkspace, outside: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_workspace("postgresql://127.0.0.1:1/crm")
    monkeypatch.setenv("SENTRY_DSN", outside.dsn)
    monkeypatch.setenv("ENVIRONMENT", "production-eu")
    with pytest.raises(OpsError):
        take_backup(open_workspace(load_config(made.path / "ops.yaml")), "crm")
    wait_for(lambda: outside.of("event"))
    assert outside.of("event")[0]["environment"] == "production-eu"


def test_ops_check_refuses_what_is_no_dsn(make_workspace: MakeWorkspace) -> None:
    path = make_workspace("postgresql://127.0.0.1:1/crm").path / "ops.yaml"
    document = json.loads(path.read_text("utf-8"))
    for wrong in ({"dsn": "not-a-dsn"}, {"traces": 2}, {"dns": {"env": "SENTRY_DSN"}}):
        path.write_text(json.dumps({**document, "sentry": wrong}), encoding="utf-8")
        with pytest.raises(ConfigError):
            load_config(path, environ={})


@pytest.fixture(autouse=True)
def _nothing_configured_remains() -> Iterator[None]:
    yield
    errors._configured = None
