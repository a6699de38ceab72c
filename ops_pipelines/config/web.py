"""`ops serve`: who may read it, who may start something there, and how often."""

from datetime import timedelta
from ipaddress import ip_network

from pydantic import Field, field_validator, model_validator

from ops_pipelines.compat.metrics import LegacyMetrics
from ops_pipelines.settings.common import Model
from ops_pipelines.settings.secrets import Secret
from ops_pipelines.settings.values import Span


class BasicAuth(Model):
    """A user and a password, for browsers."""

    user: str = Field(min_length=1, pattern="^[^:]+$", examples=["ops"])
    password: Secret = Field(examples=[{"env": "OPS_WEB_PASSWORD"}])


class Operators(Model):
    """Who may start backups, proofs, drills and restores from the page, acknowledge and mute. They may read as well."""

    token: Secret | None = Field(
        None, description="`Authorization: Bearer …` may operate", examples=[{"env": "OPS_OPERATE_TOKEN"}]
    )
    basic: BasicAuth | None = Field(None, description="`Authorization: Basic …` may operate")

    @model_validator(mode="after")
    def _has_keys(self) -> "Operators":
        if self.token is None and self.basic is None:
            raise ValueError("name a token, or basic with a user and a password")
        return self


class RateLimits(Model):
    """How often one client may ask within a minute; then it is told to wait (429). `/health` is never counted."""

    writes: int = Field(10, ge=1, description="calls that are no GET")
    reads: int = Field(120, ge=1, description="pages; `/metrics` is not counted")
    failed_logins: int = Field(10, ge=1, description="wrong tokens and passwords, wherever they were tried")


class Web(Model):
    """The web server of `ops serve`. With a token or basic auth, all but `/health` asks for it."""

    token: Secret | None = Field(
        None, description="`Authorization: Bearer …` is let in", examples=[{"env": "OPS_WEB_TOKEN"}]
    )
    basic: BasicAuth | None = Field(None, description="`Authorization: Basic …` is let in")
    operate: Operators | None = Field(None, description="who may press its buttons; without it, the page only reads")
    url: str | None = Field(
        None,
        pattern="^https?://",
        description="where people reach the status page, for links to it",
        examples=["https://ops.example.com"],
    )
    legacy_metrics: tuple[LegacyMetrics, ...] = Field(
        (), examples=[[{"path": "/crm/ops/metrics", "prefix": "crm_ops_", "source": "crm"}]]
    )
    limits: RateLimits = RateLimits()
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="addresses and networks of proxies whose X-Forwarded-For is trusted; none by default",
        examples=[["127.0.0.1", "10.0.0.0/8"]],
    )
    redis: Secret | None = Field(
        None, description="redis:// or rediss:// URL that /health pings", examples=[{"env": "REDIS_URL"}]
    )
    stale_after: Span = Field(timedelta(minutes=10), description="older observations do not count: /health answers 503")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                ip_network(each)
            except ValueError:
                raise ValueError(f"{each!r} is no address and no network; such as 127.0.0.1 or 10.0.0.0/8") from None
        return value
