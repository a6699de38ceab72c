"""The code server's look after its runs goes on while Dagster's storage is away, and ends when the server is to end.

Twice a second Dagster looks whether the process of a run has died, in a thread that the first failure of the storage
ends for good. From then on that code server tells no death any more, and when its daemon is gone, or a newer code
server takes its place, it stays: it waits for that thread to say that no run is left.
"""

from collections.abc import Callable

from ops_pipelines.orchestration.dagster_internals import DagsterApiServer

_Look = Callable[[DagsterApiServer], None]
_DAGSTERS: _Look = DagsterApiServer._check_for_orphaned_runs


def look_on() -> None:
    """Make every code server of this process go on."""
    DagsterApiServer._check_for_orphaned_runs = _going_on(_DAGSTERS)  # type: ignore[method-assign, assignment]  # see above


def _going_on(look: _Look) -> _Look:
    said = ""

    def look_and_go_on(server: DagsterApiServer) -> None:
        nonlocal said
        try:
            look(server)
            said = ""
        except Exception as error:
            if (now := f"{type(error).__name__}: {error}") != said:  # it comes again with every look
                said = now
                server._logger.warning("Runs whose process died cannot be told yet: %s", now)
            _end_if_wanted(server)

    return look_and_go_on


def _end_if_wanted(server: DagsterApiServer) -> None:
    """Who is to end does so when no run's process lives: what died is told by the next start, or by the daemon."""
    if not server._shutdown_once_executions_finish_event.is_set():
        return
    with server._execution_lock:
        lives = any(process.is_alive() for process, _instance in server._executions.values())
    if not lives:
        server._server_termination_event.set()
