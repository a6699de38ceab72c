"""One source: its restore points, what became of each, how it develops, what was compared, and what to type."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.watch.drawn import MARKS, drawings, strip_of
from ops_pipelines.watch.history import Made, restore_points, strips
from ops_pipelines.watch.snapshots import SeenWhole, snapshots
from ops_pipelines.web.pages.environment import Visit, render
from ops_pipelines.web.pages.lines import line_of
from ops_pipelines.workspace import Workspace

_LISTED, _ATTEMPTS = 60, 15
_LONGEST_DAYS = 3650


def source_page(workspace: Workspace, name: str, visit: Visit) -> str:
    """The page as HTML.

    Args:
        name: a source of `ops.yaml`.
        visit: asks for `q`, a part of an id or a verdict; `days`, how far back; `all`, those too that were deleted.
    Raises:
        LedgerError.
    """
    config, now = workspace.config, workspace.clock.now()
    with workspace.ledger.session() as session:
        [snapshot] = snapshots(session, [name], SeenWhole)
        days = strips(session, [name], now)[name]
        points = restore_points(session, name, gone=True)
    line = line_of(config, snapshot, now)
    shown = _asked_for(points, visit.asked, now)
    link = _lineage(visit.dagster_url, name)
    return render(
        visit,
        "source.html",
        now,
        line=line,
        seen=snapshot.seen,
        strip=strip_of(name, days, visit.spoken),
        days=[(each.day, *MARKS[each.mark]) for each in reversed(days)],
        points=shown[:_LISTED],
        more=max(0, len(shown) - _LISTED),
        known=len(points),
        charts=drawings(points, line.rto, visit.spoken),
        grades=Counter(each.words for point in points for each in point.provings),
        attempts=workspace.ledger.recent(source=name, limit=_ATTEMPTS),
        incidents=[each for each in AlertLedger(workspace.ledger).open_incidents() if each.source == name],
        link=link,
    )


def _asked_for(points: Sequence[Made], asked: Mapping[str, str], now: datetime) -> list[Made]:
    words, days = asked.get("q", "").strip().lower(), asked.get("days", "")
    begin = now - timedelta(days=min(int(days), _LONGEST_DAYS)) if days.isdecimal() and len(days) < 6 else None
    return [
        each
        for each in points
        if (each.stores or asked.get("all"))
        and (begin is None or each.started_at >= begin)
        and (not words or words in f"{each.id} {each.verdict.words if each.verdict else 'not verified'}".lower())
    ]


def _lineage(dagster: str | None, name: str) -> str | None:
    return f"{dagster.rstrip('/')}/locations/ops_pipelines/asset-groups/{name}/lineage" if dagster else None
