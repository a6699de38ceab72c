"""The whole of a bundle in one document: what was reached, what is missing, what that says to each control."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ops_pipelines.evidence.facts import Said
from ops_pipelines.evidence.period import Moment, Span
from ops_pipelines.evidence.reached import Rpo, Rto
from ops_pipelines.evidence.statements import Statement
from ops_pipelines.language.said import Words

Counts = Mapping[str, Mapping[str, int]]
"""How many, by kind and then by outcome."""
GapKind = Literal[
    "before_ledger", "not_watched", "not_over", "not_configured", "no_backup", "nothing_proved", "weak_proof",
    "killed", "running", "no_drill", "numbers_missing", "unrecorded", "file_gone", "not_believed",
    "alert_not_delivered", "no_channel",
]  # fmt: skip


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Gap(_Part):
    """Something that was not done, or that nothing here tells.

    Attributes:
        source: the one it is about; empty where it is about all of them.
        span: when; None where it is about no time.
        count: how many things it is about.
    """

    kind: GapKind
    source: str = ""
    span: Span | None = None
    what: Said
    count: int = 1


class Days(_Part):
    """The period as it was asked for, and as moments; `end` is the first moment after it."""

    first: date
    last: date
    zone: str
    begin: Moment
    end: Moment


class Reached(_Part):
    """What was done for one source, and what was reached.

    Attributes:
        looked_at: the part of the period of which the ledger or a store tells something; RPO and pauses are over it.
        counts: its attempts.
        proofs: verifications that passed; `whole_proofs` those of them that compared everything.
        drills: of those that were played, how many brought it back.
        longest_pause: the longest time without the begin of a backup that succeeded.
    """

    source: str
    kind: str | None
    configured: bool
    looked_at: Span | None
    counts: Counts
    proofs: int
    whole_proofs: int
    drills: int
    rpo: Rpo | None
    rto: Rto
    longest_pause: Span | None


class Alerts(_Part):
    """What was noticed, and whether somebody was told.

    Attributes:
        opened: in the period; `resolved` those of them that had ended when this was written.
        unsent: messages that no channel had accepted then.
        channels: how many are configured now.
    """

    opened: int
    resolved: int
    delivered: int
    unsent: int
    channels: int


class Control(_Part):
    """A control of a standard or a law, and what this bundle has to say to it.

    Attributes:
        asks: what it asks for, in our own words and in short: read the text itself.
        shown: what was done in the period.
        not_done: what was not done, or did not hold.
        cannot_show: what it also asks for, and no tool of this kind can show.
        statements: the kinds of statements that are the evidence.
    """

    id: str
    framework: str
    title: str
    asks: Words
    statements: Sequence[str]
    shown: Sequence[Said]
    not_done: Sequence[Said]
    cannot_show: Sequence[Words]


class Summary(_Part):
    """The document `evidence.json`.

    Attributes:
        sources: those that were asked for; None for all of them.
    """

    format: Literal["ops_pipelines/evidence"] = "ops_pipelines/evidence"
    version: Literal[1] = 1
    product: str
    installation: str
    host: Said
    made_at: Moment
    period: Days
    sources: Sequence[str] | None
    counts: Counts
    reached: Sequence[Reached]
    alerts: Alerts
    gaps: Sequence[Gap]
    controls: Sequence[Control]
    limits: Sequence[Words]


def counts_of(statements: Iterable[Statement]) -> Counts:
    """How many statements there are, by kind and outcome."""
    found: dict[str, Counter[str]] = {}
    for each in statements:
        found.setdefault(each.kind, Counter())[each.outcome] += 1
    return {kind: dict(sorted(outcomes.items())) for kind, outcomes in sorted(found.items())}


def number(counts: Counts, kind: str, *outcomes: str) -> int:
    """How many of a kind there are; with these outcomes, where any are named."""
    found = counts.get(kind, {})
    return sum(many for outcome, many in found.items() if not outcomes or outcome in outcomes)
