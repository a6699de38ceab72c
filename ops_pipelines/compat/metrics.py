"""The names under which old dashboards and runbooks know the metrics: another path, another prefix."""

from pydantic import Field, field_validator

from ops_pipelines.settings.common import Model
from ops_pipelines.settings.values import Name

_TAKEN = ("/", "/metrics", "/health")
"""What is served anyway."""


class LegacyMetrics(Model):
    """The same metrics under another path and prefix."""

    path: str = Field(pattern=r"^(/[A-Za-z0-9_.-]+)+$", examples=["/crm/ops/metrics"])
    prefix: str = Field(pattern=r"^[a-z][a-z0-9_]*_$", examples=["crm_ops_"])
    source: Name | None = Field(None, description="only this source, without the label `source`; all by default")

    @field_validator("path")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value in _TAKEN or value.startswith("/health/"):
            raise ValueError(f"{value} is taken; another path, such as /crm/ops/metrics")
        return value
