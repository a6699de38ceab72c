"""Dagster's Celery executor with our settings, one step of a run at a time. Imported where workers are configured."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster_celery.executor import CeleryExecutor

from ops_pipelines import queues
from ops_pipelines.config.execution import CENTRE, CeleryExecution
from ops_pipelines.config.models import Config
from ops_pipelines.orchestration.dagster_internals import ActiveExecution, RetryMode
from ops_pipelines.orchestration.names import Names


def at_sites(config: Config, execution: CeleryExecution, names: Names, *, in_turn: bool) -> dg.ExecutorDefinition:
    """The executor. Addresses are revealed when a run begins: what a run is configured with Dagster keeps and shows."""

    def made(_context: dg.InitExecutorContext) -> dg.Executor:
        return (_InTurn if in_turn else CeleryExecutor)(  # type: ignore[no-untyped-call]  # so is all of dagster-celery
            retries=RetryMode.ENABLED,
            broker=queues.broker_url(execution),
            backend=queues.result_backend(config),
            config_source=queues.settings(config, execution, default_queue=names.queue(CENTRE)),
        )

    return dg.ExecutorDefinition(
        name="celery", requirements=dg.multiple_process_executor_requirements(), executor_creation_fn=made
    )


class _InTurn(CeleryExecutor):
    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        with _one_at_a_time():
            yield from super().execute(plan_context, execution_plan)  # type: ignore[no-untyped-call]  # the same


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """In the block a plan gives out its next step, by priority, when none is under way."""
    before = ActiveExecution.get_steps_to_execute

    def next_step(plan: ActiveExecution, limit: int | None = None) -> Any:
        return [] if plan._in_flight else before(plan, limit=1)

    ActiveExecution.get_steps_to_execute = next_step  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        ActiveExecution.get_steps_to_execute = before  # type: ignore[method-assign]
