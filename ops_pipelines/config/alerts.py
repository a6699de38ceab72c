"""Who is told when something is wrong, and how: channels, their order, repeats."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from ops_pipelines.settings.common import Model
from ops_pipelines.settings.secrets import Secret
from ops_pipelines.settings.values import Cron, Name, Span

Severity = Literal["warn", "error", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the mildest to the worst."""

_CRON = {"daily": "0 7 * * *", "weekly": "0 7 * * 1"}
_URLS = (
    "a Slack webhook; smtp://user:password@host:587/?from=a@x&to=b@x,c@x (smtps:// for TLS from the first byte); "
    "or any Apprise URL"
)


def _in_cron(value: object) -> object:
    return _CRON.get(value, value) if isinstance(value, str) else value


class Digest(Model):
    """A message at fixed times, also when all is well: what was proved, what was not, sizes, the next drill."""

    every: Annotated[Cron, BeforeValidator(_in_cron)] = Field(
        "0 7 * * *", description="`daily` (at 7:00), `weekly` (on Mondays at 7:00), or a cron line", examples=["weekly"]
    )
    route: tuple[Name, ...] = Field(
        (), description="channels in the order in which they are tried; default: as of an alert", examples=[["mail"]]
    )


_Routed = tuple[str, ...] | Mapping[str, tuple[str, ...]] | Digest | None


class Alerts(Model):
    """Alerting. Without channels troubles are recorded, and nobody is told."""

    channels: dict[Name, Secret] = Field(
        {}, description=_URLS, examples=[{"slack": {"env": "ALERT_SLACK_WEBHOOK"}, "mail": {"env": "ALERT_MAIL_URL"}}]
    )
    route: tuple[Name, ...] = Field(
        (),
        description="channels in the order in which they are tried until one accepts the message; default: all",
        examples=[["slack", "mail"]],
    )
    routes: dict[Severity, tuple[Name, ...]] = Field(
        {}, description="another route for a severity", examples=[{"critical": ["pager", "slack", "mail"]}]
    )
    repeat_after: Span = Field(
        timedelta(hours=6), description="an incident that is open and not acknowledged is sent again", examples=["6h"]
    )
    digest_above: int = Field(
        5, ge=1, description="when more messages than this are due at once, one message lists them all"
    )
    digest: Digest | None = Field(
        None,
        description="a message at fixed times, also when all is well",
        examples=[{"every": "weekly", "route": ["mail"]}],
    )
    dagster_url: str | None = Field(
        None,
        pattern="^https?://",
        description="where Dagster's web UI is, for links to the run",
        examples=["http://127.0.0.1:3000"],
    )

    @field_validator("route", "routes", "digest")
    @classmethod
    def _channels_exist(cls, value: _Routed, info: ValidationInfo) -> _Routed:
        channels = info.data.get("channels", {})
        if isinstance(value, Digest) and not channels:
            raise ValueError("a digest needs a channel, and none is configured")
        for name in _named(value):
            if name not in channels:
                raise ValueError(f"no channel is called {name!r} (channels: {', '.join(channels) or 'none'})")
        return value

    def route_of(self, severity: Severity) -> tuple[str, ...]:
        """The channels for a severity, in their order."""
        return self.routes.get(severity) or self.route or tuple(self.channels)

    @property
    def digest_route(self) -> tuple[str, ...]:
        """The channels for the digest, in their order."""
        return (self.digest.route if self.digest is not None else ()) or self.route or tuple(self.channels)


def _named(value: _Routed) -> Sequence[str]:
    """The channels that something names."""
    if isinstance(value, Digest):
        return value.route
    if isinstance(value, Mapping):
        return [name for route in value.values() for name in route]
    return value or ()
