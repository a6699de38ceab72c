"""Questions about what runs by itself: the ledger, who watches, Dagster, alerting."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import yaml
from sqlalchemy import func, select

from ops_pipelines.chronology import SKEW, in_words
from ops_pipelines.clock import UTC, human_duration
from ops_pipelines.doctor.question import Answer, Measure, Question, attention, failed, well
from ops_pipelines.doctor.shared import Shared
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.ledger.ledger import HEAD
from ops_pipelines.ledger.models import DELIVERED, WAITING, Evaluation, Health, Outgoing
from ops_pipelines.probes.dagster import DagsterState, dagster_state
from ops_pipelines.starting import start_command
from ops_pipelines.watch.alerts.channels.registry import open_channel
from ops_pipelines.watch.alerts.delivery import send
from ops_pipelines.watch.alerts.message import trial
from ops_pipelines.watch.situations import SET_CLOCK

DAGSTER, ALERTS, LEDGER = "Dagster", "alerts", "ledger"
WATCHED = "watched"
_SILENT = timedelta(minutes=10)
# A part that was never evaluated has a row all the same.
_BEFORE_US = datetime(2001, 1, 1, tzinfo=UTC)


def questions(shared: Shared, *, sending: bool) -> Iterator[Question]:
    """About what runs by itself.

    Args:
        sending: send a message through every channel.
    """
    yield Question(LEDGER, "whole", lambda: _ledger(shared))
    yield Question(LEDGER, WATCHED, lambda: _watched(shared))
    yield from _of_dagster(shared)
    channels = shared.workspace.config.alerts.channels
    if not channels:
        yield Question(ALERTS, "channels", _nobody)
    for name in channels:
        yield Question(ALERTS, name, lambda name=name: _channel(shared, name, sending=sending))  # type: ignore[misc]
    if channels:
        yield Question(ALERTS, "delivery", lambda: _delivery(shared))


def _ledger(shared: Shared) -> Answer:
    problems = shared.workspace.ledger.problems()
    if problems:
        where = shared.workspace.places.ledger
        return failed(
            f"the database is damaged: {problems}",
            f"mv {where} {where}.damaged   # a new one is made; backups and verdicts are in the stores",
        )
    return well(f"schema {HEAD}, whole")


def _watched(shared: Shared) -> Answer:
    """When anything last looked at the recovery points by itself."""
    with shared.workspace.ledger.session() as session:
        seen = [session.scalar(select(func.max(Health.watched_at))), session.scalar(select(func.max(Evaluation.at)))]
    moments = [each for each in seen if isinstance(each, datetime) and each > _BEFORE_US]
    start = start_command(shared.config_path)
    if not moments:
        return attention("the daemon has never run: backups run only when you start them by hand", start)
    now = shared.workspace.clock.now()
    if min(moments) > now + SKEW:
        said = f"the last look was {human_duration(min(moments) - now)} ahead of this machine's clock"
        return failed(
            f"{said}: schedules wait for it, if it was set back",
            SET_CLOCK,
            f"ops backup; {start}   # the daemon waits for that time until it is started again",
        )
    age = max(timedelta(0), now - max(each for each in moments if each <= now + SKEW))
    allowed = max(_SILENT, shared.workspace.config.web.stale_after)
    measure = Measure("watched", round(age.total_seconds()), "s", None, allowed.total_seconds())
    if age > allowed:
        return failed(
            f"the daemon has not run for {human_duration(age)}: schedules do not run", start, measures=[measure]
        )
    return well(f"{human_duration(age)} ago", measure)


def _of_dagster(shared: Shared) -> Iterator[Question]:
    if (url := shared.workspace.config.alerts.dagster_url) is None:
        yield Question(DAGSTER, "web server", _unknown_dagster)
        return
    state: list[DagsterState] = []

    def asked() -> DagsterState:
        return state[0] if state else dagster_state(url)

    yield Question(DAGSTER, "web server", lambda: _code(asked()))
    yield Question(DAGSTER, "daemons", lambda: _daemons(asked(), shared.config_path))
    yield Question(DAGSTER, "schedules", lambda: _schedules(asked()))
    yield Question(DAGSTER, "settings", lambda: _settings(asked()))


def _unknown_dagster() -> Answer:
    return attention("not checked: ops.yaml does not say where it is",
                     "add alerts: {dagster_url: http://127.0.0.1:3000}")  # fmt: skip


def _code(state: DagsterState) -> Answer:
    if state.broken:
        return failed(
            f"the code cannot be loaded: {'; '.join(state.broken)}", "ops check; then restart the code server"
        )
    return well(f"Dagster {state.version}, the code is loaded")


def _daemons(state: DagsterState, config: Path) -> Answer:
    if dead := [each for each in state.daemons if not each.healthy]:
        beats = [each.beat_at for each in dead if each.beat_at is not None]
        since = f" since {max(beats):%Y-%m-%d %H:%M} UTC" if beats else ", and never were"
        said = f"{', '.join(each.name.lower() for each in dead)} are not alive{since}"
        return failed(said, start_command(config))
    return well(f"{len(state.daemons)} alive")


def _schedules(state: DagsterState) -> Answer:
    if state.stopped:
        names = ", ".join(state.stopped)
        return failed(f"stopped: {names}", *(f"dagster schedule start {each}   # or sensor; or in the UI: Automation"
                                             for each in state.stopped))  # fmt: skip
    if not state.running:
        return failed("there are none", "ops check; then restart the code server")
    return well(f"{len(state.running)} schedules and sensors run")


def _settings(state: DagsterState) -> Answer:
    info = yaml.safe_load(state.info) or {}
    limits = str(info.get("concurrency") or info.get("run_coordinator") or "")
    queue = str(info.get("run_queue") or info.get("run_coordinator") or "")
    missing = {}
    if not (info.get("run_monitoring") or {}).get("enabled"):
        missing["run_monitoring: {enabled: true}"] = "a killed run would never be noticed"
    if "max_concurrent_runs" not in limits:
        missing["concurrency: {runs: {max_concurrent_runs: 4}}"] = "all sources would be backed up at once"
    if "dagster/backfill" not in limits:
        wanted = "concurrency: {runs: {tag_concurrency_limits: [{key: dagster/backfill, limit: 1}]}}"
        missing[wanted] = "a backfill would hold up the live backups"
    if "max_user_code_failure_retries" not in queue:
        wanted = "run_queue: {max_user_code_failure_retries: 120, user_code_failure_retry_delay: 30}"
        missing[wanted] = "what is queued would be lost when the code server restarts"
    if missing:
        return attention("; ".join(missing.values()), *(f"add to dagster.yaml: {each}" for each in missing))
    return well("killed runs are noticed, concurrent ones are limited, queued ones outlive a restart")


def _nobody() -> Answer:
    return attention("no alert is sent when something breaks",
                     "add alerts: {channels: {slack: {env: ALERT_SLACK_WEBHOOK}}} to ops.yaml")  # fmt: skip


def _channel(shared: Shared, name: str, *, sending: bool) -> Answer:
    channel = open_channel(name, shared.workspace.config.alerts.channels[name])
    if not sending:
        return well("set; to try it: ops doctor --send")
    return well(
        send(channel, trial(shared.workspace.clock.now(), name, shared.workspace.config.language))
        or "accepted a message"
    )


def _delivery(shared: Shared) -> Answer:
    book = AlertLedger(shared.workspace.ledger)
    stuck = [row for row in book.outbox() if row.status == WAITING and row.error]
    if stuck:
        return failed(f"{book.depth()} messages wait: {stuck[0].error}", "ops alerts test; then: ops alerts run")
    with shared.workspace.ledger.session() as session:
        last = session.scalar(select(func.max(Outgoing.delivered_at)).where(Outgoing.status == DELIVERED))
    if last is None:
        return well("no alert was needed yet")
    return well(f"the last message was accepted {in_words(last, shared.workspace.clock.now())} ago")
