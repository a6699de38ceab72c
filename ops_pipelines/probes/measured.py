"""What a probe found, and where it is kept. Asks nobody."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ops_pipelines.ledger.models import Probe
from ops_pipelines.redact import redact_within


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


class Measured(BaseModel):
    """One probe of one target.

    Attributes:
        target: name of the source or the service.
        kind: `postgres`, `mysql`, `mongodb`, `http`, `redis` or `tls`.
        latency_s: until it had let us in and answered; None when it did not.
        cause: why it counts as down; empty when it is up.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    target: str
    kind: str
    at: datetime
    latency_s: float | None
    cause: str = ""
    figures: Figures = Figures()

    @property
    def is_up(self) -> bool:
        """Whether it answered as it should."""
        return not self.cause

    @property
    def is_source(self) -> bool:
        """Whether it is the server of a protected source."""
        return self.kind not in ("http", "redis", "tls")


def keep(session: Session, found: Sequence[Measured]) -> None:
    """Keep what was found, in place of whatever was kept."""
    session.execute(delete(Probe))
    for each in found:
        document = json.dumps(redact_within(each.model_dump(mode="json")))
        session.add(Probe(target=each.target, kind=each.kind, at=each.at, document=document))


def kept(session: Session) -> Iterable[Measured]:
    """What was last found of every target. What another version of us wrote, and we cannot read, nobody measured."""
    for document in session.scalars(select(Probe.document).order_by(Probe.target, Probe.kind)):
        with suppress(ValidationError):
            yield Measured.model_validate_json(document)
