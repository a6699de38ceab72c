"""Where steps run: in one process of this machine, or on workers near the databases, by Celery."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ops_pipelines.settings.common import Model
from ops_pipelines.settings.secrets import Secret
from ops_pipelines.settings.values import Name, Span

CENTRE = "centre"
"""The site where Dagster's daemon runs, and of every source that names none."""


class ProcessExecution(Model):
    """Every step of a run in one process, on the machine of Dagster's daemon."""

    kind: Literal["process"]


class CeleryExecution(Model):
    """Every step on a worker of the site that it belongs to: `ops worker`, on one machine a site."""

    kind: Literal["celery"]
    broker: Secret = Field(
        description="URL of RabbitMQ (`amqp://`) or Redis (`redis://`)", examples=[{"env": "OPS_BROKER_URL"}]
    )
    here: Name = Field(CENTRE, description="the site of the machine that reads this", examples=["${OPS_SITE:-centre}"])
    verify_at: Name | None = Field(
        None, description="the site where every backup is proved; each source's own by default", examples=[CENTRE]
    )
    redeliver_after: Span | None = Field(
        None,
        description="Redis gives the task of a worker that is silent for this long to another one (Celery's "
        "`visibility_timeout`); an hour more than the longest `limits.total` and `limits.lock` by default",
        examples=["8h"],
    )


if TYPE_CHECKING:
    AnyExecution = ProcessExecution | CeleryExecution
else:
    AnyExecution = Annotated[ProcessExecution | CeleryExecution, Field(discriminator="kind")]
"""Any way, as `ops.yaml` says it: its `kind` decides by which model it is read."""
