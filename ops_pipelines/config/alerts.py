"""Who is told when something is wrong, and how: channels, their order, repeats."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, get_args

from pydantic import Field, ValidationInfo, field_validator

from ops_pipelines.settings.common import Model
from ops_pipelines.settings.secrets import Secret
from ops_pipelines.settings.values import Name, Span

Severity = Literal["warn", "error", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the mildest to the worst."""

_URLS = (
    "a Slack webhook; smtp://user:password@host:587/?from=a@x&to=b@x,c@x (smtps:// for TLS from the first byte); "
    "or any Apprise URL"
)


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
    dagster_url: str | None = Field(
        None,
        pattern="^https?://",
        description="where Dagster's web UI is, for links to the run",
        examples=["http://127.0.0.1:3000"],
    )

    @field_validator("route", "routes")
    @classmethod
    def _channels_exist(
        cls, value: tuple[str, ...] | Mapping[str, tuple[str, ...]], info: ValidationInfo
    ) -> tuple[str, ...] | Mapping[str, tuple[str, ...]]:
        named = value if isinstance(value, tuple) else [name for route in value.values() for name in route]
        channels = info.data.get("channels", {})
        for name in named:
            if name not in channels:
                raise ValueError(f"no channel is called {name!r} (channels: {', '.join(channels) or 'none'})")
        return value

    def route_of(self, severity: Severity) -> tuple[str, ...]:
        """The channels for a severity, in their order."""
        return self.routes.get(severity) or self.route or tuple(self.channels)
