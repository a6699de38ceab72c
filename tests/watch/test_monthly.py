"""The account of a month: its figures, its gaps, and the forms in which it is told."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops_pipelines.cli.main import app
from ops_pipelines.proof import Gap
from ops_pipelines.watch.monthly import Month, NoSuchMonth, month_of
from ops_pipelines.watch.monthly_report import month_markdown, month_page
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.watch.conftest import MakeHouse
from tests.watch.past import DAY, HOUR, Past
from tests.watch.test_report_page import Read

NOW = datetime(2026, 11, 21, 2, tzinfo=timezone.utc)
GAP = Gap(what="table audit_log", why="permission denied", cure="grant select on audit_log to x")


def at(day: int, hour: float = 0) -> timedelta:
    """How long ago that was: a moment of November."""
    return NOW - datetime(2026, 11, 1, tzinfo=timezone.utc) - (day - 1) * DAY - hour * HOUR


@pytest.fixture
def house(make_house: MakeHouse, clock: StoppedClock) -> Workspace:
    """Backups of `crm` on the days from 30 October, of which some did not do; `forge` was never backed up."""
    assert clock.at == NOW
    made = make_house({}, sources=("crm", "forge"))
    promised = {"rpo": 25 * HOUR, "rto": timedelta(minutes=1)}
    sources = {name: each.model_copy(update=promised) for name, each in made.config.sources.items()}
    found = Workspace(made.config.model_copy(update={"sources": sources}), clock)
    past = Past(found, clock)
    past.backed_up("crm", at(-1, 20))  # 30 October
    past.backed_up("crm", at(0, 20))
    for day in range(1, 10):
        past.backed_up("crm", at(day, 19.5))
    past.failed("crm", at(10, 19.5))
    past.backed_up("crm", at(11, 19.5), took_s=90, gaps=[GAP])
    past.backed_up("crm", at(12, 19.5), outcome="bad")
    past.backed_up("crm", at(13, 19.5), outcome=None)
    past.backed_up("crm", at(14, 12))
    return found


def account(house: Workspace, month: str = "2026-11") -> Month:
    return month_of(house.config, lambda: house.ledger, month, house.clock.now())


def test_a_month_is_accounted_for_in_figures(house: Workspace) -> None:
    month = account(house)
    assert (month.over, month.end, month.promises_kept) == (False, NOW, False)
    crm, forge = month.sources
    moments = [(f"{each.begin:%d %H:%M}", f"{each.end:%d %H:%M}", each.lasts) for each in crm.broken]
    assert moments == [
        ("10 20:30", "11 19:41", False), ("12 20:30", "14 12:10", False), ("15 13:00", "21 02:00", True),
    ]  # fmt: skip
    assert crm.oldest_s == (6 * DAY + 14 * HOUR).total_seconds()
    broken = sum((each.end - each.begin for each in crm.broken), timedelta())
    assert crm.rpo_kept == pytest.approx(1 - broken / (NOW - month.begin))
    assert (crm.restores, crm.usual_s, crm.slowest_s) == (11, 20.0, 90.0)
    assert [each.took_s for each in crm.slow] == [90.0]
    assert crm.dumps == {"failed": 1, "succeeded": 13}
    assert crm.proofs == {"verified": 10, "partly verified, 1 not compared": 1, "bad": 1}
    assert [(each.what.partition(":")[0], each.proofs) for each in crm.not_compared] == [("table audit_log", 1)]
    assert [each.day for each in crm.unproved] == [10, 12, 13, *range(15, 22)]
    assert (forge.begin, forge.rpo_kept, forge.broken, forge.promises_kept) == (None, None, [], True)


def test_a_month_that_is_over_ends_with_it_and_begins_when_somebody_watched(house: Workspace) -> None:
    month = account(house, "2026-10")
    assert month.over and month.end == datetime(2026, 11, 1, tzinfo=timezone.utc)
    crm = month.sources[0]
    assert crm.begin == datetime(2026, 10, 30, 20, tzinfo=timezone.utc)
    assert [(each.oldest_s, f"{each.end:%d %H:%M}") for each in crm.broken] == [(None, "30 20:10")]
    assert crm.restores == 2 and crm.unproved == []
    assert account(house, "2026-09").sources[0].begin is None


def test_months_that_are_none_are_refused(house: Workspace) -> None:
    for wrong in ("2026-13", "november", "2026-12", "2026-11-01"):
        with pytest.raises(NoSuchMonth):
            account(house, wrong)


def test_drills_of_the_month_are_in_it(house: Workspace, clock: StoppedClock) -> None:
    clock.at = NOW - 5 * DAY
    meta = {"drill": "d1", "scenario": "total_loss", "took_s": 2000.0, "lost_minutes": 12.5}
    with house.ledger.activity("drill", source="crm", meta=meta):
        pass
    clock.at = NOW
    month = account(house)
    (drill,) = month.sources[0].drills
    assert (drill.id, drill.passed, drill.took_s, drill.lost_minutes) == ("d1", True, 2000.0, 12.5)
    assert "total_loss | passed, slower than the RTO | 33m 20s | 12m 30s" in month_markdown(month)


def test_it_is_told_alike_in_markdown_and_html(house: Workspace) -> None:
    month = account(house)
    markdown, page = month_markdown(month), month_page(month, NOW)
    read = Read(page)
    for said in (
        "Backups in November 2026",
        "RPO broken: crm (59.36%)",
        "restores slower than the RTO: crm.",
        "the month is not over",
        "up to 6d 14h old",
        "proofs: 10 × verified; 1 × partly verified, 1 not compared; 1 × bad",
        "2026-11-10, 2026-11-12 to 2026-11-13, 2026-11-15 to 2026-11-21",
        "1 of 11",
        "nobody watched it in this month",
    ):
        assert said in markdown, said
        assert said in read.text, said
    assert read.loads == [] and "script" not in read.tags


def test_a_promise_that_was_broken_for_a_moment_is_not_kept_all_the_time(make_house: MakeHouse) -> None:
    clock = StoppedClock(NOW)
    house = Workspace(make_house({}, sources=("crm",)).config, clock)
    past = Past(house, clock)
    for hours in range(40 * 24, 0, -12):
        past.backed_up("crm", hours * HOUR, outcome="verified")
    assert "| crm | 1d 0h | 100% | never |" in month_markdown(account(house))
    assert account(house).promises_kept


def test_the_command_prints_keeps_and_returns_whether_promises_were_kept(house: Workspace, tmp_path: Path) -> None:
    def ops(*words: str, status: int = 1) -> str:
        config = str(tmp_path / "ops.yaml")
        done = CliRunner().invoke(app, ["report", "--month", "2026-11", *words, "--config", config])
        assert done.exit_code == status, done.output
        return done.output

    document = json.loads(ops("--json"))
    assert document["ok"] is False and document["sources"][0]["dumps"] == {"failed": 1, "succeeded": 13}
    assert ops("--print").startswith("# Backups in November 2026")
    kept = Path(ops("--format", "html").strip())
    assert kept.name == "month-2026-11.html" and kept.read_text("utf-8").startswith("<!doctype html>")
    assert ops("--to", str(tmp_path / "sla.md")).strip() == str(tmp_path / "sla.md")
