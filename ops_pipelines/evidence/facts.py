"""What a statement says of one thing that was done: typed facts, and free text only after secrets are out of it.

A model here is the predicate of one kind of statement. Its version is in `PREDICATES`: a fact may be added to a kind;
one that changes its meaning or goes away needs a new version.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict

from ops_pipelines.evidence.period import Moment
from ops_pipelines.language.said import Words, changed
from ops_pipelines.personal import masked
from ops_pipelines.proof import Grade
from ops_pipelines.redact import redact

Kind = Literal["backup", "copy", "verification", "restore", "drill", "deletion", "signing", "other", "alert"]
KINDS: Sequence[Kind] = get_args(Kind)
PREDICATES: Mapping[str, str] = {kind: f"https://ops-pipelines.dev/evidence/{kind}/v1" for kind in (*KINDS, "index")}
"""By kind: the name of what its statements say. A name and no page: nothing is fetched there."""
STATEMENT = "https://in-toto.io/Statement/v1"

Outcome = Literal[
    "succeeded", "failed", "refused", "cancelled", "killed", "running",
    "verified", "bad", "inconclusive",
    "open", "resolved",
]  # fmt: skip
"""How something ended: an attempt; a verification that came to a verdict; an alert."""
WELL: Sequence[Outcome] = ("succeeded", "verified", "resolved")

Said = Annotated[Words, AfterValidator(lambda text: changed(text, lambda given: masked(redact(given))))]
"""Text in which something came from somewhere: what of that is a secret or looks like one, or like personal data, is
masked."""


class Facts(BaseModel):
    """Facts do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class By(Facts):
    """Who says it: the id of the installation that signs, and the product with its version."""

    installation: str
    product: str


class Attempt(Facts):
    """One row of the ledger.

    Attributes:
        activity: its id.
        turn: its number among all attempts of this installation: one more than that of the attempt before it.
        kind: the ledger's word for it.
        took_s: seconds, as measured.
        final: it has ended, so that its row does not change any more.
        reason: why it did not go well.
    """

    activity: str
    turn: int
    source: str
    kind: str
    outcome: Outcome
    began_at: Moment
    ended_at: Moment | None
    took_s: float | None
    backup_id: str | None
    store: str | None
    host: Said
    run_id: Said | None
    final: bool
    reason: Said = ""


class RestorePoint(Facts):
    """What a backup made.

    Attributes:
        number: of its source's restore points; later ones have higher numbers.
        started_at: the start of its dump: the moment that it brings back.
        fingerprint: what was recorded of the content, for a later comparison.
        stores: where a copy lies now.
        sha256: of its manifest, whose signature was valid when this was written; where `kept` is false, as the
            ledger recorded it.
        kept: it is still in a store. Of one that is not, less is known.
        not_looked_at: what the dump could not look at.
    """

    source: str
    id: str
    sha256: str
    kept: bool
    number: int | None = None
    kind: str | None = None
    started_at: Moment | None = None
    snapshot_at: Moment | None = None
    sealed_at: Moment | None = None
    size_bytes: int | None = None
    plain_bytes: int | None = None
    rows: int | None = None
    fingerprint: str | None = None
    encrypted: bool | None = None
    safety: bool = False
    adopted: bool = False
    stores: Sequence[str] = ()
    not_looked_at: Sequence[Said] = ()
    warnings: Sequence[Said] = ()


class Check(Facts):
    """One thing that was asked of what came back.

    Attributes:
        attention: where it does not hold, somebody should look; the backup is as good as its source was.
    """

    name: Said
    held: bool
    attention: bool = False
    found: Said = ""


class Proof(Facts):
    """What a verification found.

    Attributes:
        grade: how much was compared at most: `full`, `sample`, `counts`, or `restored` for nothing.
        wanted: what the source was configured for.
        words: what the result is called; `verified` alone means that everything was compared.
        not_compared: what was not, though the grade includes it, or the source is configured for it.
        sha256: of the signed verdict; none where no store has it any more, so that only the ledger tells.
    """

    outcome: Outcome | None
    sha256: str | None
    number: int | None = None
    blames: Literal["copy", "backup"] | None = None
    grade: Grade | None = None
    wanted: Grade | None = None
    words: Said = ""
    compared: Sequence[Check] = ()
    not_compared: Sequence[Said] = ()
    seconds: Mapping[str, float] = {}

    @property
    def whole(self) -> bool:
        """Whether everything was compared, and was the same."""
        return self.outcome == "verified" and self.grade == "full" and not self.not_compared


class Rehearsal(Facts):
    """What a drill found of one source.

    Attributes:
        took_s: from the start of its recovery to the end of its checks.
        lost_minutes: between the start of the recovered dump and the disaster that was played.
        not_proved: what the drill did not prove, or could not play.
        sha256: of the report.
        signature: of the report: `valid`, or what is wrong with it.
    """

    id: str
    scenario: str
    started_by: Said
    passed: bool
    sha256: str
    signature: Said
    recovered: bool
    took_s: float | None = None
    rto_s: float | None = None
    lost_minutes: float | None = None
    lost_rows: int | None = None
    rpo_s: float | None = None
    detected_s: float | None = None
    grade: Grade | None = None
    words: Said = ""
    compared: Sequence[Check] = ()
    not_compared: Sequence[Said] = ()
    not_proved: Sequence[Said] = ()


class Message(Facts):
    """One message about an alert, and what became of it."""

    event: str
    severity: str
    decided_at: Moment
    status: str
    delivered_at: Moment | None
    channels: Sequence[str]
    attempts: int
    error: Said


class Backup(Facts):
    """A backup that was attempted; without an attempt, one that the ledger does not know of."""

    by: By
    attempt: Attempt | None
    restore_point: RestorePoint | None


class Copy(Facts):
    """A copy of a restore point into a store."""

    by: By
    attempt: Attempt
    size_bytes: int | None
    replaced_damaged: bool


class Verification(Facts):
    """A restore point that was restored into a throwaway server and compared."""

    by: By
    attempt: Attempt | None
    source: str
    backup_id: str
    store: str
    finished_at: Moment | None
    proof: Proof | None


class Restore(Facts):
    """A restore that somebody asked for."""

    by: By
    attempt: Attempt
    to: Said
    good: bool | None
    words: Said
    whole_source: bool
    seconds: Mapping[str, float]


class Drill(Facts):
    """A disaster that was played, as far as it is about one source."""

    by: By
    attempt: Attempt
    drill: Rehearsal | None


class Deletion(Facts):
    """A copy that was deleted, or was not; `because` says why it was no longer needed."""

    by: By
    attempt: Attempt
    because: Said
    size_bytes: int | None


class Other(Facts):
    """Anything else that the ledger has."""

    by: By
    attempt: Attempt


class Alert(Facts):
    """An incident, and who was told.

    Attributes:
        final: it has ended and no message about it waits, so that its rows do not change any more.
    """

    by: By
    incident: str
    rule: str
    source: str
    store: str
    severity: str
    outcome: Outcome
    opened_at: Moment
    resolved_at: Moment | None
    acknowledged_at: Moment | None
    acknowledged_by: Said | None
    title: Said
    cause: Said
    messages: Sequence[Message]
    final: bool


Predicate = Backup | Copy | Verification | Restore | Drill | Deletion | Other | Alert
