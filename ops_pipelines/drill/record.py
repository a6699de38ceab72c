"""What a drill found out: one model, from which the report is written as JSON, Markdown and HTML."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from ops_pipelines.config.drills import Scenario
from ops_pipelines.language.said import Said, Word, Words, said
from ops_pipelines.proof import Gap, Grade, in_words
from ops_pipelines.vault.verdict import Check


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(_Facts):
    """One line of the timeline."""

    at: AwareDatetime
    what: Words


class Loss(_Facts):
    """What did not come back.

    Attributes:
        minutes: between the start of the recovered dump and the disaster.
        against: what the rows were compared with; rows written after it are in no backup, and counted nowhere.
        rows: rows it held beyond those that came back; None when it cannot be known.
        tables: names of tables whose content differs, with rows more or fewer where that is known.
    """

    minutes: float
    against: Words
    rows: int | None
    tables: Mapping[str, int] = {}


class SourceResult(_Facts):
    """One source's recovery.

    Attributes:
        seconds: wall time by phase.
        took_s: from the start of its recovery to the end of its checks.
        rpo_s, rto_s: what is promised.
        rows: what came back, where it was counted.
        grade: what was compared of it; None in a report from before grades.
        gaps: what was not, though the grade includes it.
        past_s: what good drills of this scenario took before, newest first.
        slower: steps that took much longer than in past drills of this scenario, in words.
        by: `ops_pipelines`, or `recover.sh` for the half with standard tools only.
    """

    source: str
    kind: str
    by: Literal["ops_pipelines", "recover.sh"] = "ops_pipelines"
    backup_id: str = ""
    store: str = ""
    verified_before: bool = False
    seconds: Mapping[str, float] = {}
    took_s: float = 0.0
    rpo_s: float = 0.0
    rto_s: float = 0.0
    loss: Loss | None = None
    rows: int | None = 0
    grade: Grade | None = None
    gaps: Sequence[Gap] = ()
    versions: Mapping[str, str] = {}
    checks: Sequence[Check] = ()
    warnings: Sequence[str] = ()
    failure: Words = ""
    slower: Sequence[Words] = ()
    past_s: Sequence[float] = ()

    @property
    def passed(self) -> bool:
        """Whether everything came back as it was."""
        return not self.failure and all(check.passed or check.attention for check in self.checks)

    @property
    def words(self) -> str:
        """What its proof is called: `verified` alone means that everything was compared."""
        if not self.passed:
            return "FAILED"
        return in_words(self.grade, self.gaps) if self.grade is not None else "not known"

    @property
    def whole(self) -> bool:
        """Whether everything was compared, and was the same."""
        return self.passed and self.grade == "full" and not self.gaps

    @property
    def problems(self) -> list[str]:
        """What failed, in sentences."""
        failed = [_failed(check) for check in self.checks if not (check.passed or check.attention)]
        return [*([self.failure] if self.failure else []), *failed]


class GroupResult(_Facts):
    """An application: its sources in their order, then its own checks."""

    name: str
    sources: Sequence[SourceResult]
    checks: Sequence[Check] = ()
    took_s: float = 0.0
    rto_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it works again."""
        return all(source.passed for source in self.sources) and all(check.passed for check in self.checks)


class Detection(_Facts):
    """Who had to notice an outage (`probe`, `alert`, `sentry`, `prometheus`), after how long, and what noticed it."""

    by: str
    after_s: float | None = None
    what: str = ""


class Outage(_Facts):
    """How an outage was noticed and ended.

    Attributes:
        detected_s: from the stop to the moment at which a channel had taken the alert; None when none did.
        noticed_s: from the stop to our probe's second failure.
        detections: everybody who had to notice it.
        down_s: from the stop to the real server answering again; None of a sacrificial one, which stays dead.
        recovered_s: from the stop to the test application working on the new server.
        resolved: whether the resolved alert was delivered.
    """

    source: str
    sacrificial: bool
    detections: Sequence[Detection] = ()
    down_s: float | None = None
    noticed_s: float | None = None
    detected_s: float | None = None
    channel: str = ""
    recovered_s: float | None = None
    resolved: bool = False


class Evidence(_Facts):
    """A file beside the report."""

    name: str
    sha256: str
    what: Words


class Report(_Facts):
    """A whole drill.

    Attributes:
        limits: what this drill did not prove, or could not play.
        missed: targets that were not met; a drill with some has passed all the same.
        notes: what a human should know.
        seed: with which a random choice was made, so that it can be made again.
        signed_by: the public key whose signature lies beside the report.
    """

    format: Literal["ops_pipelines/drill-report"] = "ops_pipelines/drill-report"
    version: Literal[1] = 1
    id: str
    scenario: Scenario
    started_by: Words
    run_id: str | None = None
    host: str
    product: str
    python: str
    started_at: AwareDatetime
    finished_at: AwareDatetime
    disaster_at: AwareDatetime
    stores: Sequence[str]
    kit: Words
    seed: int | None = None
    groups: Sequence[GroupResult]
    by_hand: Sequence[SourceResult] = ()
    outage: Outage | None = None
    failure: str = ""
    timeline: Sequence[Event] = ()
    evidence: Sequence[Evidence] = ()
    missed: Sequence[Words] = ()
    limits: Sequence[Words] = ()
    notes: Sequence[Words] = ()
    signed_by: str = ""

    @property
    def passed(self) -> bool:
        """Whether everything that had to come back did, and what had to be noticed was."""
        recovered = all(group.passed for group in self.groups) and all(each.passed for each in self.by_hand)
        return not self.failure and bool(self.groups) and recovered

    @property
    def took(self) -> timedelta:
        """From its start to its end."""
        return self.finished_at - self.started_at

    @property
    def problems(self) -> list[str]:
        """Everything that failed, in sentences."""
        found = [self.failure] if self.failure else []
        for group in self.groups:
            found += [_about(each.source, problem) for each in group.sources for problem in each.problems]
            found += [_about(group.name, _failed(check)) for check in group.checks if not check.passed]
        for each in self.by_hand:
            by = said("{source} by recover.sh", source=each.source)
            found += [_about(by, problem) for problem in each.problems]
        return found


def _failed(check: Check) -> Said:
    return said("{about}: {what}", about=Word(check.name), what=check.detail)


def _about(name: str, problem: str) -> Said:
    return said("{about}: {what}", about=name, what=problem)


def minutes(since: datetime, until: datetime) -> float:
    """Minutes between two moments, never less than none."""
    return round(max(0.0, (until - since).total_seconds()) / 60, 2)
