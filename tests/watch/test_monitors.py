"""Silence is noticed elsewhere: by what Sentry's monitors and a heartbeat host know of us, and without another word."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from cronsim import CronSim

from ops_pipelines.clock import SystemClock
from ops_pipelines.config.load import load_config
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.outside import build_heartbeat_sensor
from ops_pipelines.workspace import Workspace, open_workspace
from tests.watch.monitors import HeartbeatCheck, SentryMonitors
from tests.watch.outside import Listener, listener, wait_for

MINUTE = timedelta(minutes=1)


@pytest.fixture
def outside() -> Iterator[Listener]:
    with listener() as found:
        yield found


@pytest.fixture
def house(tmp_path: Path, outside: Listener) -> Workspace:
    """A source that is backed up once a day, half a day from now; Sentry, and heartbeat URLs."""
    (tmp_path / "dsn").write_text(outside.dsn, encoding="utf-8")
    hour = (SystemClock().now().hour + 12) % 24
    source = {
        "kind": "postgres", "url": "postgresql://127.0.0.1:1/crm", "every": f"0 {hour} * * *", "rpo": "3d",
        "heartbeats": {"backup": outside.url("/crm-backup")},
    }  # fmt: skip
    document = {
        "base": "base", "sentry": {"dsn": {"file": "dsn"}}, "heartbeats": {"daemon": outside.url("/daemon")},
        "sources": {"crm": source},
    }  # fmt: skip
    (tmp_path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    return open_workspace(load_config(tmp_path / "ops.yaml", environ={}))


def test_a_daemon_that_falls_silent_is_missed_by_both(house: Workspace, outside: Listener) -> None:
    sentry = SentryMonitors(outside)
    check = HeartbeatCheck(outside, "/daemon", period=5 * MINUTE, grace=5 * MINUTE)
    now = SystemClock().now()
    assert sentry.status("ops-daemon", now) == "unknown"
    (sensor,) = build_heartbeat_sensor(Installation(house))
    for beats in (1, 2):
        with dg.DagsterInstance.ephemeral() as instance:
            sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
        wait_for(lambda expected=beats: len(outside.check_ins()) == len(outside.beats) == expected)
        last = max(outside.items_at[-1], outside.beaten_at[-1])
        assert sentry.status("ops-daemon", last + 9.9 * MINUTE) == "ok"
        assert check.is_up(last + 9.9 * MINUTE)
        assert sentry.status("ops-daemon", last + 10.1 * MINUTE) == "missed"
        assert not check.is_up(last + 10.1 * MINUTE)


def test_a_backup_that_does_not_begin_or_does_not_end_is_missed(house: Workspace, outside: Listener) -> None:
    sentry = SentryMonitors(outside)
    check = HeartbeatCheck(outside, "/crm-backup", period=timedelta(days=1), grace=60 * MINUTE)
    with house.ledger.activity("dump", source="crm"):
        wait_for(lambda: len(outside.check_ins()) == len(outside.beats) == 1)
        begun, limits = outside.items_at[0], house.config.source("crm").limits
        assert sentry.status("crm-backup", begun + limits.lock + limits.total - MINUTE) == "ok"
        assert sentry.status("crm-backup", begun + limits.lock + limits.total + MINUTE) == "timeout"
        assert check.is_up(begun + 59 * MINUTE)
        assert not check.is_up(begun + 61 * MINUTE), "started and not ended within its grace"
    wait_for(lambda: len(outside.check_ins()) == len(outside.beats) == 2)
    due = next(CronSim(house.config.source("crm").every, begun))
    assert timedelta(hours=11) <= due - begun <= timedelta(hours=12)
    assert sentry.status("crm-backup", due + 29 * MINUTE) == "ok"
    assert sentry.status("crm-backup", due + 31 * MINUTE) == "missed"
    assert check.is_up(begun + timedelta(days=1))
    assert not check.is_up(begun + timedelta(days=1, hours=2))


@pytest.mark.parametrize(
    ("drills", "expected"),
    [
        ({}, "missed"),
        ({"applications": {"crm": {"sources": ["crm"]}}}, "missed"),
        ({"scenario": "random_restore_point"}, "unknown"),
        ({"applications": {"forge": {"sources": ["forge"]}}}, "unknown"),
        (None, "unknown"),
    ],
)
def test_a_drill_that_is_not_played_is_missed_where_one_is_due(
    house: Workspace, outside: Listener, tmp_path: Path, drills: dict[str, object] | None, expected: str
) -> None:
    document = json.loads((tmp_path / "ops.yaml").read_text(encoding="utf-8"))
    document["sources"]["forge"] = {**document["sources"]["crm"], "heartbeats": {}}
    document |= {"drills": drills} if drills is not None else {}
    (tmp_path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    house = open_workspace(load_config(tmp_path / "ops.yaml", environ={}))
    with house.ledger.activity("drill", source="crm"):
        pass
    wait_for(lambda: len(outside.check_ins()) == 2)
    sentry, now = SentryMonitors(outside), outside.items_at[-1]
    assert sentry.status("crm-drill", now) == ("ok" if expected == "missed" else "unknown")
    assert sentry.status("crm-drill", now + timedelta(days=8)) == expected
