"""The disaster drill: which applications come back together, in what order, and how one sees that they work."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from ops_pipelines.settings.checks import MASK_DESCRIPTION, Expectation
from ops_pipelines.settings.common import Model
from ops_pipelines.settings.secrets import Secret
from ops_pipelines.settings.values import Cron, Duration, Name, Span, may_be_off, none_if_off

Scenario = Literal["total_loss", "corruption", "outage", "lost_keys", "random_restore_point"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)


class _Probe(Model):
    name: Name
    startup: Duration = Field(timedelta(seconds=30), description="failures within this time do not count")
    limit: Span = Field(timedelta(minutes=2), description="one attempt may take this long")
    mask: bool = Field(True, description=MASK_DESCRIPTION)


class CommandProbe(_Probe):
    """A command that ends with status 0 when the application works.

    Its environment has the restored databases' addresses: CRM_DATABASE_URL for the source `crm`, CRM_UPLOADS_FOLDER for
    the folders `crm_uploads`; it runs in an empty directory of its own.
    """

    command: tuple[str, ...] = Field(min_length=1, examples=[["/opt/crm/bin/selftest"]])


class HttpProbe(_Probe):
    """The application, started by the drill with the same environment and a free PORT, asked over HTTP."""

    start: tuple[str, ...] = Field(min_length=1, examples=[["/opt/crm/bin/serve"]])
    path: str = Field("/", pattern="^/", description="asked for at http://127.0.0.1:$PORT")
    status: int = 200
    contains: str = Field("", description="text that the answer must have")


class SqlProbe(Expectation):
    """A question to one of the restored databases."""

    source: Name
    sql: str


Probe = Annotated[CommandProbe | HttpProbe | SqlProbe, Field(union_mode="smart")]


class Application(Model):
    """What is recovered together."""

    sources: tuple[Name, ...] = Field(min_length=1, description="in the order in which they are restored")
    checks: tuple[Probe, ...] = Field((), description="how to tell that the application works on the restored data")
    rto: Duration | None = Field(None, description="the whole application; the sum of its sources' rto by default")


class DrillKit(Model):
    """The recovery kit that drills recover with."""

    directory: Path = Field(examples=["/media/kit"])
    passphrase: Secret | None = Field(None, examples=[{"env": "KIT_PASSPHRASE"}])
    identity: Secret | None = Field(None, description="of a kit that was sealed for a recipient")


class Drills(Model):
    """Disaster drills: a weekly one, a random restore a month, and those that are started by hand."""

    every: Cron = Field("0 4 * * 0", description="when the scheduled drill runs")
    scenario: Scenario = Field(
        "total_loss",
        description="what the scheduled drill plays; where `drills` is not written, and no store would be left after a "
        "loss, it is random_restore_point",
    )
    random_restore: Annotated[Cron | None, BeforeValidator(none_if_off)] = Field(
        "0 5 1 * *",
        description="when a restore point chosen at random is restored and verified; `off` for never",
        json_schema_extra=may_be_off,
    )
    kit: DrillKit | None = Field(None, description="without it drills use encrypt.identity, and say so")
    stores: tuple[Name, ...] = Field((), description="what is left after a loss; default: every store with offsite:")
    applications: Mapping[Name, Application] = Field(
        {}, description="default: each database with its folders", examples=[{"crm": {"sources": ["crm"]}}]
    )
    overdue_after: Span = Field(
        timedelta(days=35), description="without a passed drill for longer than this, an alert is sent"
    )
    detect_within: Span = Field(
        timedelta(minutes=5), description="an outage must be noticed and alerted within this time"
    )
    prometheus: str | None = Field(
        None,
        pattern="^https?://",
        description="an outage must raise OpsServerDown or OpsDrillOutage in this Prometheus, too",
        examples=["http://127.0.0.1:9090"],
    )

    @model_validator(mode="after")
    def _questions_have_an_addressee(self) -> "Drills":
        for name, application in self.applications.items():
            for check in application.checks:
                if isinstance(check, SqlProbe) and check.source not in application.sources:
                    raise ValueError(f"{name}: check {check.name} asks {check.source}, which is not one of its sources")
        return self


class DefaultDrills(Drills):
    """Drills that nobody asked for: they are played, and nobody is told before the first was."""
