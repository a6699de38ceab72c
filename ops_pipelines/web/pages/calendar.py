"""The next seven days, by the schedules: backups, proofs, retention, drills."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ops_pipelines.plan.moments import Doing, moments
from ops_pipelines.web.pages.environment import Visit, render
from ops_pipelines.workspace import Workspace

_DAYS, _NAMED = 7, 6


def calendar_page(workspace: Workspace, visit: Visit) -> str:
    """The page as HTML. Raises LedgerError."""
    config, now = workspace.config, workspace.clock.now()
    zone = ZoneInfo(config.timezone)
    days: dict[str, dict[tuple[datetime, Doing], list[str]]] = {}
    for at, doing, what in moments(config, now, now + timedelta(days=_DAYS)):
        local = at.astimezone(zone)
        days.setdefault(visit.spoken.weekday(local), {}).setdefault((local, doing), []).append(what)
    shown = {
        day: [
            (f"{at:%H:%M}", doing, [each for each in what if each][:_NAMED], len(what))
            for (at, doing), what in ran.items()
        ]
        for day, ran in days.items()
    }
    return render(visit, "calendar.html", now, here="/calendar", days=shown, zone=config.timezone, several=_NAMED)
