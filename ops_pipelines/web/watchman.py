"""Notices from `ops serve` that Dagster's daemon is silent, and tells it: beside the web server, never in its way."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ops_pipelines import logs
from ops_pipelines.errors import OpsError
from ops_pipelines.watch.alerts.silence import look_at_daemon
from ops_pipelines.watch.alerts.watch import watch
from ops_pipelines.workspace import Workspace

_EVERY_S = 60.0


@contextmanager
def watchman(workspace: Workspace) -> Iterator[None]:
    """Look now and once a minute, until the block ends. The outbox is delivered, too: nobody else may be left."""
    over = threading.Event()

    def walk() -> None:
        while True:
            try:
                watch(workspace, {"daemon": look_at_daemon})
            except OpsError as error:
                logs.event("daemon_not_watched", level="error", error=f"{error.what}: {error.why}")
            if over.wait(_EVERY_S):
                return

    # A channel that hangs must not keep the server from stopping.
    threading.Thread(target=walk, daemon=True, name="watchman").start()
    try:
        yield
    finally:
        over.set()
