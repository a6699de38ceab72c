"""What Dagster alone knows reaches the outbox: runs that left no attempt, checks, backfills; and its end, too."""

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from ops_pipelines.config.models import Config
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.ledger.models import Incident
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.build import definitions_of
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock, watched_for_long
from tests.watch.conftest import MakeHouse, clock, make_house  # noqa: F401 - fixtures

DUMP, NAS, VERIFIED = (dg.AssetKey(["crm", name]) for name in ("dump", "offsite_nas", "verified"))


class Daemon:
    """The sensor, ticked by hand, on an instance of its own."""

    def __init__(self, config: Config, instance: dg.DagsterInstance) -> None:
        # Dagster writes its own time into everything: ours is the same.
        self.clock = StoppedClock(datetime.now(timezone.utc))
        self.workspace, self.instance = Workspace(config, self.clock), instance
        self._repository = definitions_of(Installation(self.workspace)).get_repository_def()
        self._cursor: str | None = None

    def tick(self) -> dict[str, Incident]:
        """What is open after a tick, by rule."""
        self.clock.at = max(datetime.now(timezone.utc), self.clock.at + timedelta(seconds=1))
        context = dg.build_sensor_context(
            self.instance,
            cursor=self._cursor,
            repository_def=self._repository,
        )
        result = self._repository.get_sensor_def("run_watch")(context)
        assert isinstance(result, dg.SensorResult)
        self._cursor = result.cursor
        open_now = AlertLedger(self.workspace.ledger).open_incidents()
        return {row.rule: row for row in open_now if row.rule.endswith("_failed")}

    def run(self, *keys: dg.AssetKey, tags: dict[str, str] | None = None) -> dg.DagsterRun:
        """A run that was launched and has not ended."""
        run = dg.DagsterRun(
            job_name=names.PLAIN.backup_job,
            run_id=str(secrets.token_hex(8)),
            asset_selection=frozenset(keys),
            status=dg.DagsterRunStatus.STARTED,
            tags=tags or {},
        )
        return self.instance.add_run(run)

    def ended(self, run: dg.DagsterRun, how: str = "SUCCESS") -> None:
        """It ends, as Dagster itself writes it down."""
        if how == "SUCCESS":
            event = dg.DagsterEvent(event_type_value="PIPELINE_SUCCESS", job_name=run.job_name, message="")
            self.instance.report_dagster_event(event, run_id=run.run_id)
        elif how == "CANCELED":
            self.instance.report_run_canceled(run)
        else:
            self.instance.report_run_failed(run, "Run worker exited unexpectedly")

    def checked(self, name: str, *, passed: bool, severity: str = "WARN", **metadata: Any) -> None:
        """A check is evaluated."""
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=VERIFIED, check_name=name, passed=passed, severity=dg.AssetCheckSeverity[severity],
                metadata=metadata,
            )
        )  # fmt: skip

    def aged(self, key: dg.AssetKey, state: FreshnessState) -> None:
        """Dagster's freshness daemon has come to another result."""
        change = FreshnessStateChange(
            key=key,
            new_state=state,
            previous_state=FreshnessState.UNKNOWN,
            state_change_timestamp=self.clock.at.timestamp(),
        )
        self.instance._report_runless_asset_event(change)  # as the daemon itself does

    def backfilled(self, status: BulkActionStatus, *keys: dg.AssetKey) -> None:
        """A backfill that has ended."""
        now = datetime.now(timezone.utc).timestamp()
        self.instance.add_backfill(
            PartitionBackfill(
                backfill_id=secrets.token_hex(4), status=status, from_failure=False, tags={}, backfill_timestamp=now,
                asset_selection=list(keys), backfill_end_timestamp=now,
            )
        )  # fmt: skip


@pytest.fixture
def daemon(make_house: MakeHouse, instance: dg.DagsterInstance) -> Iterator[Daemon]:  # noqa: F811
    yield Daemon(make_house({"slack": "http://127.0.0.1:1/x"}, sources=("crm", "forge")).config, instance)


def test_a_killed_run_that_left_no_attempt_is_told_until_the_same_was_done_again(daemon: Daemon) -> None:
    assert daemon.tick() == {}
    daemon.ended(daemon.run(DUMP, NAS, names.PLAIN.report), "FAILURE")
    incident = daemon.tick()["run_failed"]
    assert (incident.source, incident.severity) == ("crm", "error")
    assert "Run worker exited unexpectedly" in incident.told("cause")
    assert incident.told("next") == "ops backup crm"
    daemon.ended(daemon.run(NAS))
    assert daemon.tick()["run_failed"].id == incident.id, "a part of it is not the whole"
    daemon.ended(daemon.run(dg.AssetKey(["forge", "dump"])))
    assert daemon.tick()["run_failed"].id == incident.id, "nor is another source"
    daemon.ended(daemon.run(DUMP, NAS, VERIFIED))
    assert daemon.tick() == {}


def test_a_cancelled_run_is_a_warning_and_one_that_dagster_tries_again_is_nothing(daemon: Daemon) -> None:
    daemon.ended(daemon.run(DUMP, tags={"dagster/will_retry": "true"}), "FAILURE")
    assert daemon.tick() == {}
    daemon.ended(daemon.run(DUMP), "CANCELED")
    incident = daemon.tick()["run_failed"]
    assert (incident.severity, incident.told("title")) == ("warn", "run was cancelled")


def test_a_run_whose_failure_is_in_the_ledger_is_not_told_twice(daemon: Daemon) -> None:
    run = daemon.run(DUMP)
    ledger = daemon.workspace.ledger
    with pytest.raises(ZeroDivisionError), ledger.activity("dump", source="crm", run_id=run.run_id):
        raise ZeroDivisionError
    daemon.ended(run, "FAILURE")
    assert daemon.tick() == {}


def test_runs_about_no_source_share_one_incident(daemon: Daemon) -> None:
    daemon.ended(daemon.run(names.PLAIN.retention), "FAILURE")
    daemon.ended(daemon.run(names.PLAIN.report), "FAILURE")
    incident = daemon.tick()["run_failed"]
    assert incident.source == ""
    assert incident.told("title") == "retention, backup_report: failed or was killed"


def test_a_check_that_stops_no_run_is_told_with_what_it_found_and_only_if_no_rule_tells_it(daemon: Daemon) -> None:
    daemon.checked("rpo", passed=False, severity="ERROR")
    daemon.checked("rotation", passed=False, severity="ERROR")
    assert daemon.tick() == {}
    daemon.checked("three_two_one", passed=False, missing="- 1 off-site: no copy is")
    incident = daemon.tick()["check_failed"]
    assert (incident.source, incident.severity) == ("crm", "warn")
    assert incident.told("cause") == "three_two_one of crm/verified: 1 off-site: no copy is"
    daemon.checked("three_two_one", passed=True)
    assert daemon.tick() == {}


def test_a_backfill_that_failed_is_told_until_it_is_done_again(daemon: Daemon) -> None:
    daemon.backfilled(BulkActionStatus.COMPLETED_FAILED, NAS)
    incident = daemon.tick()["backfill_failed"]
    assert "of crm/offsite_nas ended as completed_failed" in incident.told("cause")
    daemon.backfilled(BulkActionStatus.COMPLETED_SUCCESS, DUMP)
    assert daemon.tick()["backfill_failed"].id == incident.id, "that was another one"
    daemon.backfilled(BulkActionStatus.COMPLETED_SUCCESS, NAS, VERIFIED)
    assert daemon.tick() == {}


def test_freshness_is_told_where_the_stores_say_otherwise(daemon: Daemon) -> None:
    daemon.aged(DUMP, FreshnessState.WARN)
    assert daemon.tick() == {}
    daemon.aged(DUMP, FreshnessState.FAIL)
    incident = daemon.tick()["freshness_failed"]
    assert (incident.source, incident.severity) == ("crm", "warn")
    assert "crm/dump was not materialized within 1d 0h" in incident.told("cause")
    watched_for_long(daemon.workspace)
    watch_once(daemon.workspace)
    assert daemon.tick() == {}, "the rule that reads the stores says it, and better"


def test_a_tick_that_could_not_write_finds_the_same_again(daemon: Daemon) -> None:
    daemon.ended(daemon.run(DUMP), "FAILURE")
    database = daemon.workspace.config.base / "ledger.sqlite"
    assert daemon.workspace.ledger.running("crm") == []
    away = database.rename(database.with_suffix(".away"))
    daemon.workspace.__dict__.pop("ledger")
    database.mkdir()
    with pytest.raises(Exception, match="ledger"):
        daemon.tick()
    database.rmdir()
    away.rename(database)
    daemon.workspace.__dict__.pop("ledger", None)
    assert "run_failed" in daemon.tick()
