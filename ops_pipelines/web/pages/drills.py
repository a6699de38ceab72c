"""Rehearsed disasters: what was played, how long recovery took, what was lost, and how that develops."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ops_pipelines.config.drills import SCENARIOS
from ops_pipelines.language.said import said
from ops_pipelines.language.speech import Language
from ops_pipelines.ledger.models import RUNNING, SUCCEEDED, Activity
from ops_pipelines.watch.charts import Point, line_chart
from ops_pipelines.web.pages.environment import Visit, render
from ops_pipelines.workspace import Workspace

_LOOKED_AT, _SHOWN = 400, 30


@dataclass(frozen=True)
class Drilled:
    """One drill.

    Attributes:
        took_s: seconds of the slowest source; None where none came back.
        lost_minutes: the most that a source lost.
        parts: a row of the ledger for each source.
    """

    id: str
    scenario: str
    by: str
    at: datetime
    running: bool
    passed: bool
    took_s: float | None
    lost_minutes: float | None
    parts: Sequence[Activity]


def drills_page(workspace: Workspace, visit: Visit) -> str:
    """The page as HTML. Raises LedgerError."""
    drills = _drills(workspace)
    scenarios = list(dict.fromkeys(each.scenario for each in drills))
    charts = [
        (each, _trend(visit.spoken, each, [drill for drill in drills if drill.scenario == each])) for each in scenarios
    ]
    return render(
        visit,
        "drills.html",
        workspace.clock.now(),
        here="/drills",
        drills=drills[:_SHOWN],
        charts=[(title, svg) for title, svg in charts if svg],
        reports={each.id for each in drills[:_SHOWN] if report_of(workspace, each.id) is not None},
        scenarios=SCENARIOS,
        scenario=workspace.config.scenario,
        every=workspace.config.drilled.every if workspace.config.drilled else None,
    )


def report_of(workspace: Workspace, identifier: str) -> Path | None:
    """The HTML report of a drill that the ledger knows; None where there is none."""
    known = {each.meta.get("drill") for each in workspace.ledger.recent(kind="drill", limit=_LOOKED_AT)}
    path = workspace.places.drills / identifier / "report.html"
    return path if identifier in known and path.is_file() else None


def _drills(workspace: Workspace) -> list[Drilled]:
    found: dict[str, list[Activity]] = {}
    for row in workspace.ledger.recent(kind="drill", limit=_LOOKED_AT):
        found.setdefault(str(row.meta.get("drill", row.id)), []).append(row)
    return [_drilled(identifier, rows) for identifier, rows in found.items()]


def _drilled(identifier: str, rows: Sequence[Activity]) -> Drilled:
    first = rows[0].meta
    took = [row.meta["took_s"] for row in rows if "took_s" in row.meta]
    lost = [row.meta["lost_minutes"] for row in rows if "lost_minutes" in row.meta]
    return Drilled(
        id=identifier,
        scenario=str(first.get("scenario", "")),
        by=str(first.get("started_by", "")),
        at=min(row.started_at for row in rows),
        running=any(row.status == RUNNING for row in rows),
        passed=all(row.status == SUCCEEDED for row in rows),
        took_s=max(took, default=None),
        lost_minutes=max(lost, default=None),
        parts=rows,
    )


def _trend(spoken: Language, scenario: str, drills: Sequence[Drilled]) -> str:
    points = [
        Point(each.at, each.took_s, f"{each.id}: {spoken.seconds(each.took_s)}", "good" if each.passed else "bad")
        for each in reversed(drills)
        if each.took_s is not None
    ]
    title = said("{scenario}: time until the slowest source was back", scenario=scenario)
    return line_chart(spoken.tell(title), points, spoken.seconds, spoken)
