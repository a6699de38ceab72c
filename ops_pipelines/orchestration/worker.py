"""The Celery application of a site's worker: `ops worker` runs it.

A broker gives a task again when its worker is silent for too long, and when the broker itself starts again: the first
worker may be at work still. Of one task delivered twice, the second delivery waits for the first, and takes its result.
"""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from celery import Celery, Task, states
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task

from ops_pipelines import lease, queues
from ops_pipelines.config.execution import CENTRE, CeleryExecution
from ops_pipelines.config.models import Config
from ops_pipelines.naming import Named
from ops_pipelines.places import Places

_AS_LONG_AS_A_RUN = timedelta(hours=6)


def application(config: Config, execution: CeleryExecution, names: Named) -> Celery:
    """The application, with the one task that executes a step.

    Raises:
        SecretMissing, LedgerError: an address cannot be found.
    """
    settings = queues.settings(config, execution, default_queue=names.queue(CENTRE))
    app = make_app(  # type: ignore[no-untyped-call]  # dagster-celery has no types
        {
            "broker": queues.broker_url(execution),
            "backend": queues.result_backend(config),
            "config_source": SimpleNamespace(**settings),
        }
    )
    locks = Places(config.base).locks

    class OneDelivery(Task):  # type: ignore[misc]  # Celery has no types
        """Does the work of a task unless another delivery of it has done it."""

        def __call__(self, execute_step_args_packed: Any, executable_dict: Any) -> Any:
            (step,) = execute_step_args_packed["step_keys_to_execute"]
            us = f"task {self.request.id}"
            with lease.exclusive(locks / f"step-{step}.lock", holder=us, wait=_AS_LONG_AS_A_RUN, what=step):
                known = self.backend.get_task_meta(self.request.id)
                if known["status"] == states.SUCCESS:
                    return known["result"]
                return self.run(execute_step_args_packed, executable_dict)

    create_task(app, base=OneDelivery)  # type: ignore[no-untyped-call]  # see above
    return app
