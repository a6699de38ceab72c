"""How a run waits: for a place in a pool, or for the next try of a step. It uses no CPU, and can be stopped.

Dagster's own way (`ActiveExecution.sleep_til_ready`) does not sleep at all while a step waits for a pool, since its
interval is never above zero, and sleeps through every interrupt while a step waits to be tried again. Nothing of ours
could be put in its place from outside: a plan makes its `ActiveExecution` itself.
"""

import time

from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.execution.plan.active import ActiveExecution
from dagster._utils.interrupts import pop_captured_interrupt

_LOOK_EVERY_S = 0.2


def _wait(_execution: ActiveExecution) -> None:
    # Dagster asks its storage about a pool once a second and more rarely, however often it looks.
    time.sleep(_LOOK_EVERY_S)
    if pop_captured_interrupt():
        raise DagsterExecutionInterruptedError


def wait_patiently() -> None:
    """Make every run of this process wait so."""
    ActiveExecution.sleep_til_ready = _wait  # type: ignore[method-assign, assignment]  # see above
