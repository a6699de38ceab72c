"""`ops serve`: who may read it, and the names under which old dashboards and runbooks know the metrics."""

from datetime import timedelta

from pydantic import Field, field_validator

from ops_pipelines.config.secrets import Secret
from ops_pipelines.config.settings import Model
from ops_pipelines.config.values import Name, Span

PATHS = ("/", "/metrics", "/health")
"""What is served anyway."""


class BasicAuth(Model):
    """A user and a password, for browsers."""

    user: str = Field(min_length=1, pattern="^[^:]+$", examples=["ops"])
    password: Secret = Field(examples=[{"env": "OPS_WEB_PASSWORD"}])


class LegacyMetrics(Model):
    """The same metrics under another path and prefix."""

    path: str = Field(pattern=r"^(/[A-Za-z0-9_.-]+)+$", examples=["/crm/ops/metrics"])
    prefix: str = Field(pattern=r"^[a-z][a-z0-9_]*_$", examples=["crm_ops_"])
    source: Name | None = Field(None, description="only this source, without the label `source`; all unless given")

    @field_validator("path")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value in PATHS or value.startswith("/health/"):
            raise ValueError(f"{value} is taken; another path, such as /crm/ops/metrics")
        return value


class Web(Model):
    """The web server of `ops serve`. With a token or basic auth, all but `/health` asks for it."""

    token: Secret | None = Field(
        None, description="`Authorization: Bearer …` is let in", examples=[{"env": "OPS_WEB_TOKEN"}]
    )
    basic: BasicAuth | None = Field(None, description="`Authorization: Basic …` is let in")
    legacy_metrics: tuple[LegacyMetrics, ...] = Field(
        (), examples=[[{"path": "/crm/ops/metrics", "prefix": "crm_ops_", "source": "crm"}]]
    )
    redis: Secret | None = Field(
        None, description="redis:// or rediss:// URL that /health pings", examples=[{"env": "REDIS_URL"}]
    )
    stale_after: Span = Field(
        timedelta(minutes=10), description="what was last seen longer ago is no longer believed: /health says 503"
    )
