"""What a probe found, and where it is kept. Asks nobody."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ops_pipelines.engines.figures import Figures
from ops_pipelines.ledger.models import Probe
from ops_pipelines.redact import redact_within


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
