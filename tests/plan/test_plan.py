"""`ops plan` against the real thing: the same days are lived through, and the same happens."""

import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops_pipelines.backup.prune import prune
from ops_pipelines.cli.main import app
from ops_pipelines.config.cadence import quiet_moment, ticks
from ops_pipelines.config.load import load_config
from ops_pipelines.plan.ahead import look_ahead
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.unit.histories import made, publish

NOW = datetime(2026, 10, 23, 10, tzinfo=timezone.utc)
DAYS = 4  # in Prague an hour is gained on the 25th


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week of one source in two stores, each with a policy of its own; one old backup of another; a new one."""
    directory = tmp_path_factory.mktemp("history")
    few = {"last": 2, "daily": 5, "weekly": 1, "monthly": 0, "min_verified": 1}
    document: dict[str, Any] = {
        "timezone": "Europe/Prague",
        "base": "base",
        "defaults": {"keep": few, "copies": ["nas"], "rpo": "24h"},
        "stores": {"nas": {"kind": "directory", "path": "nas", "keep": {**few, "last": 6, "daily": 2}}},
        "sources": {
            "crm": {"kind": "postgres", "url": "host=nowhere dbname=crm"},
            "forge": {"kind": "postgres", "url": "host=nowhere dbname=forge", "every": "30 * * * *", "keep": None},
            "new": {"kind": "postgres", "url": "host=nowhere dbname=new"},
        },
    }
    (directory / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    workspace = opened(directory)
    for at in ticks(workspace.config.source("crm").every, "Europe/Prague", NOW - timedelta(days=7), NOW):
        back_up(workspace, "crm", at)
    back_up(workspace, "forge", NOW - timedelta(hours=30))
    return directory


def opened(directory: Path) -> Workspace:
    """The workspace in a directory, at a moment that stands still."""
    return Workspace(load_config(directory / "ops.yaml", environ={}), StoppedClock(NOW))


@pytest.fixture
def workspace(history: Path, tmp_path: Path) -> Workspace:
    """One's own copy of that history."""
    shutil.copytree(history, tmp_path, dirs_exist_ok=True)
    return opened(tmp_path)


def back_up(workspace: Workspace, name: str, at: datetime, *, took_s: float = 60) -> None:
    """A verified backup of that time in both stores, and the attempts in the ledger."""
    clock = workspace.clock
    assert isinstance(clock, StoppedClock)
    before, clock.at = clock.at, at
    point = made(at, "verified", source=name, stores=("local", "nas"))
    for kind, store in (("dump", "local"), ("copy", "nas"), ("verify", "nas")):
        with workspace.ledger.activity(kind, source=name, store=store, backup_id=point.id):
            clock.at += timedelta(seconds=took_s)
    for store in workspace.stores.values():
        publish(point, store)  # type: ignore[arg-type]
    clock.at = before


def lived_through(workspace: Workspace, names: list[str]) -> set[tuple[datetime, str, str, datetime]]:
    """Let the days pass for real: what `ops prune --apply` deleted, when, of which source, in which store."""
    clock, config = workspace.clock, workspace.config
    assert isinstance(clock, StoppedClock)
    end = NOW + timedelta(days=DAYS)
    happens = [(at, name) for name in names for at in ticks(config.sources[name].every, config.timezone, NOW, end)]
    happens += [(at, "") for at in ticks(quiet_moment(config), config.timezone, NOW, end)]
    gone = set()
    for at, name in sorted(happens, key=lambda each: each[0]):
        clock.at = at
        if name:
            back_up(workspace, name, at)
            continue
        begun = {(each, point.id): point.started_at for each in names for point in workspace.catalogue(each).points}
        for source in prune(workspace, names, apply=True):
            for store in source.stores:
                gone |= {(at, source.source, store.store, begun[source.source, each]) for each in store.deleted}
    return gone


def test_what_is_planned_to_be_deleted_is_what_prune_deletes(workspace: Workspace) -> None:
    plan = look_ahead(workspace, DAYS)
    planned = {(each.at, each.source, each.store, each.started_at) for each in plan.deletions}
    assert {each.imagined for each in plan.deletions} == {True, False}, "some of today's, some of those to come"
    assert {each.store for each in plan.deletions} == {"local", "nas"}
    assert {name: len(workspace.local.ids(name)) for name in ("crm", "forge")} == {"crm": 28, "forge": 1}
    assert planned == lived_through(workspace, ["crm", "new"])


def test_runs_their_time_and_the_moment_an_rpo_breaks_are_told(workspace: Workspace) -> None:
    plan = look_ahead(workspace, DAYS)
    outlook = {each.source: each for each in plan.sources}
    last = workspace.catalogue("crm").recovery_point
    assert last is not None
    assert (outlook["crm"].breaks_at, outlook["new"].breaks_at) == (last.started_at + timedelta(hours=24), None)
    assert outlook["forge"].breaks_at == NOW - timedelta(hours=6), "it is broken already"
    # 14:00 in Prague is 12:00 UTC before the clocks change, and 13:00 after.
    crm = [f"{run.at:%d %H}" for run in plan.runs if run.source == "crm"]
    assert [each for each in crm if each.startswith(("24", "26"))] == [
        "24 00", "24 06", "24 12", "24 18", "26 01", "26 07", "26 13", "26 19",
    ]  # fmt: skip
    assert outlook["forge"].runs == 24 * DAYS
    assert next(run.took for run in plan.runs if run.source == "crm") == timedelta(minutes=3)
    assert next(run.took for run in plan.runs if run.source == "new") is None
    assert sum(day.deletions for day in plan.days) == len(plan.deletions)
    assert sum(day.backups for day in plan.days) == sum(each.runs for each in plan.sources)


def test_a_failure_of_today_stops_retention_until_the_next_backup_is_good(workspace: Workspace) -> None:
    clock = workspace.clock
    assert isinstance(clock, StoppedClock)
    clock.at = NOW + timedelta(hours=15)  # a moment before the morning's retention, the next backup is after it
    with workspace.ledger.activity("dump", source="crm") as entry:
        entry.fail("no room")
    mornings = ticks(quiet_moment(workspace.config), "Europe/Prague", clock.at, clock.at + timedelta(days=2))
    plan = look_ahead(workspace, 2)
    assert (len(mornings), {each.at for each in plan.deletions if each.source == "crm"}) == (2, {mornings[1]})
    assert "the last dump failed" in {each.source: each.problem for each in plan.sources}["crm"]


def test_the_command_is_a_table_for_people_and_a_document_for_machines(workspace: Workspace, tmp_path: Path) -> None:
    words = ["plan", "--config", str(tmp_path / "ops.yaml"), "--days", "2"]
    told = CliRunner().invoke(app, [*words, "--runs"])
    assert told.exit_code == 1, told.output
    assert "nothing is verified" in told.output and "retention" in told.output
    document = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert [each["source"] for each in document["sources"]] == ["crm", "forge", "new"]
    assert {each["store"]: each["enough"] for each in document["rooms"]} == {"local": True, "nas": True}
    assert workspace.ledger.recent(kind="prune") == []
