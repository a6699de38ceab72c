"""A house in which there is something to see on every page."""

from datetime import timedelta
from pathlib import Path

from ops_pipelines.proof import Gap
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.snapshots import look
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.unit.vaults import AT
from tests.watch.conftest import house_in
from tests.watch.past import HOUR, Past


def lived_in(folder: Path) -> Workspace:
    """Two sources with some days behind them, one that was never backed up; a drill, and incidents."""
    clock = StoppedClock(AT)
    found = house_in(folder, clock, {}, sources=("crm", "forge", "wiki"))
    past = Past(found, clock)
    past.month("crm", days=5)
    gap = Gap(what="table audit_log", why="permission denied", cure="grant select on audit_log to x")
    past.backed_up("forge", 3 * HOUR, gaps=[gap], real=True)
    with found.ledger.activity("drill", source="crm") as entry:
        entry.meta = {
            "drill": "d1",
            "scenario": "total_loss",
            "started_by": "boss",
            "took_s": 40.0,
            "lost_minutes": 3.0,
        }
    clock.at += timedelta(minutes=1)
    look(found, watching=True)
    watch_once(found)
    return found
