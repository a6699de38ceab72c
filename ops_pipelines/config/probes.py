"""Probes: how the protected servers and the applications' services are asked how they are."""

from datetime import date, timedelta

from pydantic import Field

from ops_pipelines.settings.common import Model
from ops_pipelines.settings.secrets import Secret
from ops_pipelines.settings.values import Name, Span


class Probes(Model):
    """Asks once a minute whether what is protected is up and well. `probes: {}` asks the server of every database."""

    sources: bool = Field(True, description="probe the servers of databases, with the source's own login")
    services: dict[Name, Secret] = Field(
        {},
        description="what else the applications need: http://, https://, redis://, rediss:// URLs; tls://host:port "
        "where the handshake and its certificate are enough",
        examples=[{"portal": "https://portal.example.org/health", "cache": {"env": "REDIS_URL"}}],
    )
    timeout: Span = Field(timedelta(seconds=5), description="what has not answered by then is down")
    slow_after: Span = Field(timedelta(seconds=1), description="an answer that takes longer is slow", examples=["1s"])
    slow_query: Span = Field(timedelta(minutes=5), description="a query of others that runs longer is slow")
    connections: float = Field(0.9, gt=0, le=1, description="share of the allowed connections that is too many")
    lag: Span = Field(timedelta(minutes=5), description="a replica further behind raises an alert")
    certificate: Span = Field(
        timedelta(days=14), description="a certificate or password that expires sooner raises an alert"
    )
    expires: dict[Name, date] = Field(
        {},
        description="expiry dates of what cannot be queried: keys, tokens, domains; alerted as early as a certificate",
        examples=[{"offsite_key": "2027-03-31"}],
    )
