"""Celery as ops_pipelines uses it: the settings that whoever sends, works and asks must share, and who listens where.

A task is acknowledged when it has ended: one whose worker died is delivered again. Results lie in the ledger's
database, not in the broker, so that a broker that starts again loses none.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from ops_pipelines.config.execution import CeleryExecution
from ops_pipelines.config.models import Config
from ops_pipelines.errors import OpsError
from ops_pipelines.extras import needed
from ops_pipelines.ledger.ledger import with_driver

_MARGIN = timedelta(hours=1)
_ASKED_FOR_S = 3.0
# A broker that starts again is waited for: about ten minutes.
_PATIENT = {"max_retries": 120, "interval_start": 0, "interval_step": 1, "interval_max": 5}


class BrokerAway(OpsError):
    """The broker cannot be asked."""


def broker_url(execution: CeleryExecution) -> str:
    """Where the broker is. Raises SecretMissing."""
    return execution.broker.reveal(purpose="execution.broker")


def is_redis(url: str) -> bool:
    """Whether a broker gives a task again when its time is over, and not when its worker is gone."""
    return urlsplit(url).scheme.removesuffix("+socket").removesuffix("s") == "redis"


def longest_step(config: Config) -> timedelta:
    """How long a dump may take, with the wait for its lock: of the source that may take longest."""
    return max(each.limits.total + each.limits.lock for each in config.sources.values())


def redelivered_after(config: Config, execution: CeleryExecution) -> timedelta:
    """How long Redis waits for a silent worker."""
    return execution.redeliver_after or patient(longest_step(config))


def patient(longest: timedelta) -> timedelta:
    """For how long Redis should leave a task alone that may take so long."""
    return longest + _MARGIN


def result_backend(config: Config) -> str:
    """Where results lie: the ledger's database. Raises LedgerError, SecretMissing."""
    assert config.ledger is not None, "a rule of ops.yaml"
    url = with_driver(config.ledger.reveal(purpose="ledger"))
    return f"db+{url.render_as_string(hide_password=False)}"


def forget_results(config: Config) -> None:
    """Delete results that are older than a day from the ledger's database; Celery itself does so by a schedule alone.

    Raises LedgerError, SecretMissing, ExtraMissing.
    """
    with needed("celery"):
        from celery import Celery
    Celery("ops", backend=result_backend(config), set_as_current=False).backend.cleanup()


def settings(config: Config, execution: CeleryExecution, *, default_queue: str) -> dict[str, Any]:
    """What every Celery application of ours is configured with, beside its addresses."""
    return {
        "task_default_queue": default_queue,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        # A dump goes on while the broker is away. Who gets its task again waits for it.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "visibility_timeout": redelivered_after(config, execution).total_seconds(),
            **_PATIENT,
        },
        "task_publish_retry_policy": _PATIENT,
        "result_backend_max_retries": 60,
        "worker_send_task_events": False,
    }


def listeners(execution: CeleryExecution) -> Mapping[str, list[str]]:
    """By queue the workers that listen on it, as they answer now: `name@host`.

    Raises:
        BrokerAway: the broker cannot be reached.
        SecretMissing, ExtraMissing: see there.
    """
    with needed("celery"):
        from celery import Celery
        from kombu.exceptions import OperationalError  # noqa: PLC0415
    app = Celery("ops", broker=broker_url(execution), set_as_current=False)
    app.conf.broker_connection_timeout = _ASKED_FOR_S
    try:
        with app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=_ASKED_FOR_S)
            answers = app.control.inspect(timeout=_ASKED_FOR_S, connection=connection).active_queues()
    except (OperationalError, OSError) as error:
        raise BrokerAway(
            "the broker cannot be reached",
            why=str(error).splitlines()[0],
            safe="runs wait until it is there again; existing backups are untouched",
            next="on its machine: systemctl status rabbitmq-server (or redis-server); see execution.broker in ops.yaml",
        ) from None
    return _by_queue(answers or {})


def _by_queue(answers: Mapping[str, Iterable[Mapping[str, Any]]]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for worker, queues in sorted(answers.items()):
        for queue in queues:
            found.setdefault(str(queue["name"]), []).append(worker)
    return found
