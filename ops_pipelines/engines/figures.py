"""What a server or service says of itself when it is asked how it is."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Figures(BaseModel):
    """What a server or service said of itself; None is what it cannot or will not say.

    Attributes:
        slow_queries: queries of others that run longer than allowed.
        lag_s: seconds by which a replica is behind: itself, or the worst of its own.
        replica_stopped: why a replica does not follow at all.
        http_status: of the answer.
        certificate_ends_at: when the certificate it showed is valid no longer.
        password_ends_at: when the password that we log in with is.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    connections: int | None = None
    connections_allowed: int | None = None
    slow_queries: int | None = None
    size_bytes: int | None = None
    lag_s: float | None = None
    replica_stopped: str | None = None
    http_status: int | None = None
    certificate_ends_at: datetime | None = None
    password_ends_at: datetime | None = None
