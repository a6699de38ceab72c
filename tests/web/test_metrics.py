"""What Prometheus reads: true figures from the ledger alone, in names and forms that its own tools accept."""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed
from sqlalchemy import create_engine
from sqlalchemy import text as sql

from ops_pipelines.ledger.tallies import last_days
from ops_pipelines.watch import exposition as text
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.metrics import exposition
from ops_pipelines.watch.snapshots import look
from ops_pipelines.web.negotiation import prefers_openmetrics
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.web.conftest import House, MakeHouse

HOUR = timedelta(hours=1)
_UNITS_OF_OLD = {
    'ops_last_db_dump_age_minutes use base unit "seconds" instead of "minutes"',
    'ops_last_verify_restore_age_hours use base unit "seconds" instead of "hours"',
}
LEGACY = {"path": "/crm/ops/metrics", "prefix": "crm_ops_", "source": "crm"}


def figures(page: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parsed(page)
        for sample in family.samples
    }


def at(page: str, name: str, **labels: str) -> float | None:
    return figures(page).get((name, frozenset(labels.items())))


def later(house: House, passed: timedelta) -> Workspace:
    return Workspace(house.workspace.config, StoppedClock(house.workspace.clock.now() + passed))


def test_a_scrape_tells_what_was_seen_and_what_was_attempted(make_house: MakeHouse, ledger_url: str) -> None:
    house = make_house("crm", "forge", ledger=ledger_url)
    house.holds("crm", "verified")
    house.holds("forge", "bad")
    with pytest.raises(OSError), house.workspace.ledger.activity("dump", source="crm"):
        raise OSError("no space")
    look(house.workspace, watching=True)
    watch_once(house.workspace)
    with house.serving() as site, house.workspace.ledger.activity("copy", source="crm"):
        answer = site.get("metrics")
    assert answer.headers["content-type"] == text.TEXT
    page = answer.text
    assert 0 <= (at(page, "ops_last_db_dump_age_minutes", source="crm") or -1) < 5
    assert at(page, "ops_last_verify_restore_age_hours", source="forge") == float("inf")
    assert at(page, "ops_backup_success_rate_7d", source="crm") == 0.5
    assert at(page, "ops_verify_success_rate_7d", source="crm") == 1
    assert at(page, "ops_verify_success_rate_7d", source="forge") == 0
    assert at(page, "ops_restore_duration_seconds_last", source="crm") == 0
    assert at(page, "ops_rpo_target_seconds", source="crm") == 86400
    assert at(page, "ops_rto_target_seconds", source="crm") == 1800
    assert at(page, "ops_expected_interval_seconds", source="crm") == 6 * 3600
    assert at(page, "ops_source_healthy", source="crm") == 1
    assert at(page, "ops_source_healthy", source="forge") == 0
    assert at(page, "ops_source_state", source="forge", kind="postgres", state="FAIL") == 1
    assert at(page, "ops_recovery_point_timestamp_seconds", source="forge") == 0
    assert at(page, "ops_copies", source="crm", store="nas") == 1
    assert at(page, "ops_copies_damaged", source="forge", store="nas") == 1
    assert at(page, "ops_attempts_total", source="crm", kind="dump", outcome="failed") == 1
    assert at(page, "ops_attempts_total", source="forge", kind="verify", outcome="bad") == 1
    assert at(page, "ops_verdicts_total", source="forge", outcome="bad") == 1
    assert at(page, "ops_attempts_running", source="crm", kind="copy") == 1
    assert at(page, "ops_phase_state", source="forge", phase="verify", state="FAIL") == 1
    assert (at(page, "ops_watch_heartbeat_timestamp_seconds") or 0) > datetime(2026, 1, 1).timestamp()
    assert at(page, "ops_outbox_messages") == 0
    open_incidents = [labels for (name, labels), _value in figures(page).items() if name == "ops_incidents_open"]
    assert any(("source", "forge") in labels for labels in open_incidents)


def test_promtool_has_nothing_to_say_but_that_two_runbook_names_are_in_minutes_and_hours(
    make_house: MakeHouse,
) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "apt-get install prometheus"
    house = make_house()
    house.holds("crm", "verified")
    look(house.workspace, watching=True)
    watch_once(house.workspace)
    page = exposition(house.workspace)
    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert set(filter(None, (checked.stdout + checked.stderr).splitlines())) == _UNITS_OF_OLD


def test_both_formats_say_the_same(make_house: MakeHouse) -> None:
    house = make_house()
    house.holds("crm", "verified")
    look(house.workspace)
    stopped = Workspace(house.workspace.config, StoppedClock(house.workspace.clock.now()))
    plain, modern = exposition(stopped), exposition(stopped, openmetrics=True)
    told = {(s.name, frozenset(s.labels.items())): s.value for f in openmetrics(modern) for s in f.samples}
    assert told == figures(plain)
    with house.serving() as site:
        answer = site.get("metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"] == text.OPENMETRICS
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("accept", "openness"),
    [
        # What Prometheus 2 and 3 ask for.
        ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;q=0.3", True),
        ("text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.1", False),
        ("text/plain;q=0.5,application/openmetrics-text;q=0", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("application/openmetrics-text;q=much", False),
        ("application/openmetrics-text;q=inf", False),
        ("application/openmetrics-text;q*=a;q*1=b", True),
        ("application/openmetrics-text;q*" + "9" * 5000 + "=1", True),
        ('application/openmetrics-text; Q = "0.5", text/*;q=.4', True),
        ("*/*", False),
        ("", False),
    ],
)  # fmt: skip
def test_a_client_gets_the_format_it_prefers(accept: str, openness: bool) -> None:
    assert prefers_openmetrics(accept) is openness


def test_labels_survive_quotes_backslashes_and_line_ends() -> None:
    nasty = 'a"b\\c\nd'
    family = text.Family("odd", "gauge", "One \\ line\nor two.")
    family.add(text.labels(source=nasty, store=""), 1.5)
    for openness, parser in ((False, parsed), (True, openmetrics)):
        (found,) = parser(text.render([family], prefix="ops_", openmetrics=openness))
        assert [(sample.labels, sample.value) for sample in found.samples] == [({"source": nasty}, 1.5)]


def test_the_legacy_path_has_the_old_names_without_a_label(make_house: MakeHouse) -> None:
    house = make_house("crm", "forge", web={"legacy_metrics": [LEGACY, {"path": "/all", "prefix": "old_"}]})
    house.holds("crm", "verified")
    house.holds("forge", "verified")
    look(house.workspace)
    with house.serving() as site:
        legacy, both = site.get("crm/ops/metrics").text, site.get("all").text
    for name in (
        "last_db_dump_age_minutes", "last_verify_restore_age_hours", "backup_success_rate_7d",
        "verify_success_rate_7d", "restore_duration_seconds_last",
    ):  # fmt: skip
        assert at(legacy, f"crm_ops_{name}") is not None, name
        assert at(both, f"old_{name}", source="forge") is not None, name
    assert "forge" not in legacy


def test_ages_grow_although_nobody_looks_and_silence_is_visible(make_house: MakeHouse) -> None:
    house = make_house()
    house.holds("crm", "verified")
    look(house.workspace, watching=True)
    soon, much_later = exposition(later(house, timedelta(0))), exposition(later(house, 30 * HOUR))
    assert at(much_later, "ops_last_db_dump_age_minutes", source="crm") == pytest.approx(
        (at(soon, "ops_last_db_dump_age_minutes", source="crm") or 0) + 30 * 60, abs=1
    )
    for name in ("ops_health_snapshot_timestamp_seconds", "ops_recovery_point_timestamp_seconds"):
        assert at(soon, name, source="crm") == at(much_later, name, source="crm") != 0
    assert at(soon, "ops_source_state", source="crm", kind="postgres", state="OK") == 1
    assert at(much_later, "ops_source_state", source="crm", kind="postgres", state="UNKNOWN") == 1
    assert at(much_later, "ops_source_healthy", source="crm") == 0


def test_a_source_nobody_ever_looked_at_is_there_and_unwell(make_house: MakeHouse) -> None:
    page = exposition(make_house().workspace)
    assert at(page, "ops_health_snapshot_timestamp_seconds", source="crm") == 0
    assert at(page, "ops_source_healthy", source="crm") == 0
    assert at(page, "ops_rpo_actual_seconds", source="crm") == float("inf")
    assert at(page, "ops_watch_heartbeat_timestamp_seconds") == 0


def test_the_heartbeat_is_the_watchers_and_not_that_of_who_asks_for_the_status(make_house: MakeHouse) -> None:
    house = make_house()
    first = Workspace(house.workspace.config, StoppedClock(datetime(2026, 11, 21, tzinfo=timezone.utc)))
    look(first, watching=True)
    second = Workspace(first.config, StoppedClock(first.clock.now() + HOUR))
    look(second)
    page = exposition(second)
    assert at(page, "ops_watch_heartbeat_timestamp_seconds") == first.clock.now().timestamp()
    assert at(page, "ops_health_snapshot_timestamp_seconds", source="crm") == (first.clock.now() + HOUR).timestamp()


def test_success_rates_forget_what_is_older_than_seven_days(make_house: MakeHouse, ledger_url: str) -> None:
    house = make_house(ledger=ledger_url)
    clock = StoppedClock(datetime(2026, 11, 21, 12, tzinfo=timezone.utc))
    workspace = Workspace(house.workspace.config, clock)
    with pytest.raises(OSError), workspace.ledger.activity("dump", source="crm"):
        raise OSError("no")
    clock.at += timedelta(days=6)
    for _twice in range(2):
        with workspace.ledger.activity("dump", source="crm"):
            pass
    assert at(exposition(workspace), "ops_backup_success_rate_7d", source="crm") == pytest.approx(2 / 3)
    clock.at += timedelta(days=1)
    assert at(exposition(workspace), "ops_backup_success_rate_7d", source="crm") == 1
    assert at(exposition(workspace), "ops_attempts_total", source="crm", kind="dump", outcome="failed") == 1
    with workspace.ledger.session() as session:
        assert last_days(session, clock.at + timedelta(days=90), days=7) == []


def test_attempts_that_end_at_once_are_all_counted(make_house: MakeHouse, ledger_url: str) -> None:
    workspace = make_house(ledger=ledger_url).workspace

    def attempt(_number: int) -> None:
        with workspace.ledger.activity("dump", source="crm"):
            pass

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(attempt, range(40)))
    assert at(exposition(workspace), "ops_attempts_total", source="crm", kind="dump", outcome="succeeded") == 40


def test_a_ledger_of_before_is_counted_when_it_is_opened(make_house: MakeHouse, ledger_url: str) -> None:
    house = make_house("crm", "forge", ledger=ledger_url)
    house.holds("crm", "verified")
    house.holds("forge", None)
    before = exposition(house.workspace)
    engine = create_engine(ledger_url)
    with engine.begin() as connection:
        for table in ("ops_tallies", "ops_health", "ops_probes", "ops_numbers", "ops_since"):
            connection.execute(sql(f"drop table {table}"))
        for index in ("ix_ops_activities_turn", "ix_ops_activities_source_kind_turn"):
            connection.execute(sql(f"drop index {index}"))
        connection.execute(sql("alter table ops_activities drop column turn"))
        columns = "ops_activities (source, kind, started_at)"
        connection.execute(sql(f"create index ix_ops_activities_source_kind_started on {columns}"))
        connection.execute(sql("delete from ops_evaluations where part = 'probes'"))
        connection.execute(sql("update alembic_version set version_num = '0002'"))
    engine.dispose()
    after = exposition(Workspace(house.workspace.config))
    for name in ("ops_attempts_total", "ops_backup_success_rate_7d", "ops_verdicts_total"):
        told = {key: value for key, value in figures(after).items() if key[0] == name}
        assert told == {key: value for key, value in figures(before).items() if key[0] == name} != {}, name
