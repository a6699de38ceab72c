"""What the API says and is told. A version's fields are added to, never changed."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Source(_Model):
    """One source, as it was last looked at."""

    name: str
    kind: str
    state: str = Field(description="OK, WEAK, STALE, UNKNOWN, OVERDUE, NEVER or FAIL")
    cause: str = Field(description="why, in words")
    next: str = Field(description="the command to type; empty where nothing is to be done")
    looked_at: datetime | None
    recovery_point_age_s: float | None = Field(description="how much would be lost now")
    rpo_s: float
    rto_s: float
    last_restore_s: float | None
    proof: str | None = Field(description="`verified`, or the words of a weaker proof; null for none")
    whole: bool = Field(description="whether everything was compared")


class RestorePoint(_Model):
    """One backup, as the ledger knows it."""

    id: str
    started_at: datetime = Field(description="the moment that it protects")
    size_bytes: int
    rows: int | None
    stores: list[str] = Field(description="where copies are")
    verdict: str | None = Field(description="null for one that was never verified")
    verified_at: datetime | None


class Incident(_Model):
    """Something that is the matter and has not ended."""

    id: str
    severity: str
    rule: str
    source: str | None
    store: str | None
    title: str
    cause: str
    next: str
    opened_at: datetime
    acknowledged_by: str | None


class Mute(_Model):
    """A time in which nobody is told of new troubles; null stands for every source or every rule."""

    id: str
    source: str | None
    rule: str | None
    ends_at: datetime
    created_by: str
    reason: str


class Activity(_Model):
    """A row of `ops_activities`."""

    id: str
    kind: str
    status: str
    source: str | None
    store: str | None
    backup_id: str | None
    started_at: datetime
    finished_at: datetime | None
    error: str | None
    run_id: str | None


class Started(_Model):
    """A run that was asked for."""

    run: str
    url: str = Field(description="where it is followed: GET")


class Run(_Model):
    """A run in Dagster."""

    id: str
    job: str
    status: str = Field(description="Dagster's word: QUEUED, STARTED, SUCCESS, FAILURE, CANCELED and others")
    ended: bool
    source: str
    started_at: datetime | None
    ended_at: datetime | None
    failures: list[str]
    facts: dict[str, str] = Field(description="what its steps told of their results: proof, backup_id, target")


class Restore(_Model):
    """Where to restore, beside the source."""

    to: Annotated[str, Field(min_length=1, description="a new database, or a new folder where Dagster runs")]
    only: list[str] = Field([], description="nothing but these tables, collections or paths")


class Drill(_Model):
    """What is played."""

    scenario: str = Field("", description="empty for the configured one")


class Muting(_Model):
    """What is muted, and how long."""

    source: str = Field("", description="empty for every source")
    rule: str = Field("", description="empty for every rule")
    length: str = Field("1h", description="such as 30m, 4h, 2d", examples=["4h"])
    reason: str = Field("", max_length=200)


class Problem(_Model):
    """What failed, why, what is safe and what to do next."""

    error: str
    what: str
    why: str
    safe: str
    next: str
