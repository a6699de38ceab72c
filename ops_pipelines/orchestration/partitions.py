"""Days: the key of a partition is the day its snapshot was taken, in the configured time zone."""

from contextlib import suppress
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from sqlalchemy import func, select

from ops_pipelines.backup.legacy import time_in_name
from ops_pipelines.clock import moment_of
from ops_pipelines.config.cadence import day_of
from ops_pipelines.ledger.ledger import Ledger, LedgerError
from ops_pipelines.ledger.models import Activity
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.workspace import Workspace

GRACE = timedelta(hours=6)
"""How long after midnight a run that was asked for on the day before may still dump."""


def daily(workspace: Workspace) -> dg.DailyPartitionsDefinition:
    """One partition a day, from the oldest restore point's to today's: an empty day is a day without a backup."""
    config = workspace.config
    start = config.history_from.isoformat() if config.history_from else _oldest_day(workspace)
    return dg.DailyPartitionsDefinition(start_date=start, timezone=config.timezone, end_offset=1)


def _oldest_day(workspace: Workspace) -> str:
    """The day of the oldest local restore point or legacy backup, today before there is one; from their names."""
    config = workspace.config
    oldest = [workspace.local.ids(name)[:1] for name in config.sources]
    if not all(map(config.dumped_here, config.sources)):
        oldest.append(_oldest_known(workspace.ledger))
    moments = [moment_of(ids[0]) for ids in oldest if ids]
    zone = ZoneInfo(workspace.config.timezone)
    for source in workspace.config.sources.values():
        if source.legacy is not None and source.legacy.folder.is_dir():
            named = (time_in_name(path.name) for path in source.legacy.folder.iterdir())
            moments += [moment.replace(tzinfo=zone) for moment in named if moment is not None]
    # A clock that was ahead for a moment must not take today out of the calendar.
    return day_of(workspace.config, min([*moments, workspace.clock.now()]))


def _oldest_known(ledger: Ledger) -> list[str]:
    """The id of the oldest restore point that the ledger tells of: those of other machines are not in our store."""
    with suppress(LedgerError), ledger.session() as session:
        found = session.scalar(select(func.min(Activity.backup_id)))
        return [found] if found else []
    return []


def still_now(window: dg.TimeWindow, now: datetime, *, asked_at: datetime) -> bool:
    """Whether a snapshot for that day can still be taken: its data exists only now.

    Args:
        asked_at: when the run was asked for. Who asked on that day gets his snapshot although it came after midnight;
            who asks when it is over wants what the day already has.
    """
    return window.start <= now < (window.end + GRACE if asked_at < window.end else window.end)


def points_of(catalogue: Catalogue, window: dg.TimeWindow, *, dumped: str | None) -> list[RestorePoint]:
    """The restore points of a day, oldest first.

    Args:
        dumped: the restore point that the day's `dump` made; it counts although it was taken after midnight.
    """
    return [point for point in catalogue.points if window.start <= point.started_at < window.end or point.id == dumped]
