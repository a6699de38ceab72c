"""Looks around for `ops serve`: whether Dagster's daemon is silent, and, where there is none, how the sources are."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select

from ops_pipelines import logs
from ops_pipelines.chronology import within
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.models import Health
from ops_pipelines.watch.alerts.silence import look_at_daemon
from ops_pipelines.watch.alerts.watch import watch
from ops_pipelines.watch.snapshots import look
from ops_pipelines.workspace import Workspace

_EVERY_S = 60.0


def _look_if_no_daemon(workspace: Workspace) -> None:
    """Look at the sources where no daemon ever did: what is served is then true without one. Raises LedgerError.

    One that fell silent is nobody's to stand in for: that nothing is believed any longer is how it is noticed.
    """
    with workspace.ledger.session() as session:
        watched, seen = session.execute(select(func.max(Health.watched_at), func.min(Health.at))).one()
        known = session.scalar(select(func.count()).where(Health.source.in_(workspace.config.sources)))
    fresh = seen is not None and within(seen, workspace.clock.now(), workspace.config.web.stale_after / 2)
    if watched is None and not (fresh and known == len(workspace.config.sources)):
        look(workspace)


@contextmanager
def background_watch(workspace: Workspace) -> Iterator[None]:
    """Look now and once a minute, until the block ends. The outbox is delivered, too: nobody else may be left."""
    over = threading.Event()

    def keep_watching() -> None:
        while True:
            try:
                _look_if_no_daemon(workspace)
                watch(workspace, {"daemon": look_at_daemon})
            except OpsError as error:
                logs.event("daemon_not_watched", level="error", error=f"{error.what}: {error.why}")
            if over.wait(_EVERY_S):
                return

    # A channel that hangs must not keep the server from stopping.
    threading.Thread(target=keep_watching, daemon=True, name="watch").start()
    try:
        yield
    finally:
        over.set()
