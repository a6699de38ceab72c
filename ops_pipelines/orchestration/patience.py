"""How a run of ours waits: for a place in a pool, or for the next try of a step. It uses no CPU, and can be stopped.

Dagster's own way (`ActiveExecution.sleep_til_ready`) does not sleep at all while a step waits for a pool, since its
interval is never above zero, and sleeps through every interrupt while a step waits to be tried again. Nothing of ours
could be put in its place from outside: a plan makes its `ActiveExecution` itself. So it is replaced while a run of ours
is executed, and by the run itself: a project's other runs wait as Dagster does.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from ops_pipelines.orchestration.dagster_internals import (
    ActiveExecution,
    DagsterExecutionInterruptedError,
    InProcessExecutor,
    pop_captured_interrupt,
)

_LOOK_EVERY_S = 0.2


def _wait(_execution: ActiveExecution) -> None:
    # Dagster asks its storage about a pool once a second and more rarely, however often it looks.
    time.sleep(_LOOK_EVERY_S)
    if pop_captured_interrupt():
        raise DagsterExecutionInterruptedError


@contextmanager
def waiting_patiently() -> Iterator[None]:
    """What is executed in the block waits so."""
    before = ActiveExecution.sleep_til_ready
    ActiveExecution.sleep_til_ready = _wait  # type: ignore[method-assign, assignment]  # see above
    try:
        yield
    finally:
        ActiveExecution.sleep_til_ready = before  # type: ignore[method-assign]


class _Patient(InProcessExecutor):
    def execute(self, plan_context, execution_plan):  # type: ignore[no-untyped-def]  # Dagster's own types
        with waiting_patiently():
            yield from super().execute(plan_context, execution_plan)


def _patient(init_context: dg.InitExecutorContext) -> dg.Executor:
    usual = dg.in_process_executor.executor_creation_fn
    assert usual is not None
    made = usual(init_context)
    assert isinstance(made, InProcessExecutor)
    return _Patient(made.retries, made.step_dependency_config, made.marker_to_close)


in_one_process = dg.ExecutorDefinition(
    name="in_process",
    config_schema=dg.in_process_executor.config_schema,  # type: ignore[arg-type]  # it takes what it gives
    executor_creation_fn=_patient,
)
"""Every step of a run in one process, which leaves no orphan step when it is killed, and starts once."""
