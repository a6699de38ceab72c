"""Alarms outside this machine: Sentry, and plain heartbeat URLs. `SENTRY_DSN` and `ENVIRONMENT`: see `environment`."""

import os
import sys
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from ops_pipelines.settings.common import Model
from ops_pipelines.settings.secrets import Secret, SecretRef
from ops_pipelines.settings.values import Span

# Before, looking at the stacks of all threads can stop the process for ever (python/cpython#106883): a backup hung so.
_CAN_BE_PROFILED = sys.version_info >= (3, 12)


class FromEnvironment(Model):
    """A word that is no secret, read from an environment variable: it is not masked where it appears."""

    env: str = Field(min_length=1)


class Sentry(Model):
    """Sentry. Off without a DSN, and off while the variable that the DSN is named after is not set."""

    dsn: Secret | None = Field(None, description="of the project; off by default", examples=[{"env": "SENTRY_DSN"}])
    environment: str | FromEnvironment = Field(
        FromEnvironment(env="ENVIRONMENT"),
        description="production, staging, …; the variable ENVIRONMENT, else production, by default",
    )
    traces: float = Field(0.1, ge=0, le=1, description="share of backups and verifications whose phases are sent")
    profiles: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share of those that are profiled as well; none before Python 3.12, see docs/monitoring.md",
    )
    checkin_margin: Span = Field(
        timedelta(minutes=30), description="a backup that has not started this long after its time counts as missed"
    )
    failures_before_issue: int = Field(1, ge=1, description="failed or missed check-ins in a row that make an issue")
    daemon_every: Span = Field(timedelta(minutes=5), description="the daemon says this often that it is alive")

    @field_validator("dsn")
    @classmethod
    def _is_a_dsn(cls, value: SecretRef | None) -> SecretRef | None:
        if value is not None and value.literal is not None:
            url = urlsplit(value.literal.get_secret_value())
            if url.scheme not in ("http", "https") or not (url.username and url.hostname and url.path.strip("/")):
                raise ValueError("a DSN such as https://key@host/project, or {env: SENTRY_DSN}")
        return value

    @property
    def on(self) -> bool:
        """Whether there is a DSN."""
        return self.dsn is not None and (self.dsn.env is None or bool(os.environ.get(self.dsn.env)))

    @property
    def profiled(self) -> float:
        """The share that is profiled on this Python: 0 where profiling could stop a backup for ever."""
        return self.profiles if _CAN_BE_PROFILED else 0.0

    @property
    def environment_name(self) -> str:
        """The environment itself."""
        if isinstance(self.environment, str):
            return self.environment
        return os.environ.get(self.environment.env) or "production"
