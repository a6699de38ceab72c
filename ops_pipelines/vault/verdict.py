"""What a verification found, in the form in which it is kept beside the copies."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from ops_pipelines.errors import CorruptCopy
from ops_pipelines.language.said import Word, counted, said
from ops_pipelines.proof import BACK_UP, Gap, Grade, in_words, weaker
from ops_pipelines.vault.version import refuse_newer

VERSION = 1
Outcome = Literal["verified", "bad", "inconclusive"]
_COMPARISONS = ("schema", "rows", "content")
_TOO_WEAK: Mapping[Grade, tuple[str, str]] = {
    "restored": ("everything", "no fingerprint was taken with this backup, and an adopted one never has any"),
    "counts": ("the content of rows", "this backup was taken with fingerprint: counts"),
    "sample": ("rows outside the sample", "this backup was taken with fingerprint: sample"),
}


class Check(BaseModel):
    """One assertion: its name, whether it held, and what was found.

    Attributes:
        attention: when it does not hold, a human should look, but the backup is as good as its source was.
        seconds: what asking took, where it was timed by itself.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    passed: bool
    detail: str = ""
    attention: bool = False
    seconds: float | None = None


class Verdict(BaseModel):
    """The result of restoring one copy into a scratch server and asserting.

    Attributes:
        number: of its source's verdicts, those with higher numbers were found later, whatever a clock said.
        store: the store the copy was fetched from.
        blames: for a bad one, whether the bytes in this store are at fault, or the backup itself, wherever it lies.
        grade: what was compared at most; None in a verdict from before grades.
        wanted: the grade that the source is configured for.
        gaps: what was not compared, though the grade includes it.
        seconds: wall time by phase.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    number: int = 0
    source: str
    backup_id: str
    store: str
    outcome: Outcome
    blames: Literal["copy", "backup"] | None = None
    grade: Grade | None = None
    wanted: Grade | None = None
    gaps: Sequence[Gap] = ()
    started_at: AwareDatetime
    finished_at: AwareDatetime
    checks: Sequence[Check]
    seconds: Mapping[str, float]
    warnings: Sequence[str] = ()

    @property
    def failed(self) -> list[Check]:
        """The assertions that had to hold and did not."""
        return [check for check in self.checks if not check.passed and not check.attention]

    @property
    def notable(self) -> list[Check]:
        """What a human should look at although the backup is good."""
        return [check for check in self.checks if not check.passed and check.attention]

    @property
    def words(self) -> str:
        """The outcome as it is told: `verified` alone means that everything was compared."""
        if self.outcome != "verified":
            return self.outcome
        if self.grade is not None:
            return in_words(self.grade, self.gaps)
        # From before grades: its checks tell what was compared, and nothing tells what was left out.
        compared = [check.name for check in self.checks if check.name in _COMPARISONS and check.passed]
        if not compared:
            return in_words("restored", ())
        return said("verified before grades ({checks} held)", checks=compared)

    @property
    def whole(self) -> bool:
        """Whether it is known that everything was compared, and was the same."""
        return self.outcome == "verified" and self.grade == "full" and not self.gaps

    @property
    def weaker(self) -> bool:
        """Whether a passed proof says less than the source is configured for."""
        return bool(self.missing)

    @property
    def missing(self) -> list[Gap]:
        """What a passed proof does not say, though the source is configured for it."""
        return self.short_of(self.wanted) if self.wanted is not None else list(self.gaps)

    def short_of(self, wanted: Grade) -> list[Gap]:
        """What a passed proof does not say of what another configuration asks for."""
        if self.outcome != "verified" or self.grade is None:
            return []
        if not weaker(self.grade, wanted) or (self.grade == "restored" and self.gaps):
            return list(self.gaps)
        what, why = _TOO_WEAK[self.grade]
        return [Gap(what=what, why=why, cure=f"{BACK_UP} {self.source}"), *self.gaps]

    @property
    def reason(self) -> str:
        """One sentence: the first failed assertion, or what held."""
        if self.failed:
            first = self.failed[0]
            if len(self.failed) == 1:
                return said("{about}: {what}", about=Word(first.name), what=first.detail)
            return counted(
                "{check}: {detail} (and {count} more)", "{check}: {detail} (and {count} more)", len(self.failed) - 1,
                check=Word(first.name), detail=first.detail,
            )  # fmt: skip
        held = sum(check.passed for check in self.checks)
        passed = counted("{count} check passed", "{count} checks passed", held)
        if not self.notable:
            return passed
        return counted(
            "{passed}, {count} needs a look", "{passed}, {count} need a look", len(self.notable), passed=passed
        )

    @property
    def took_s(self) -> float:
        """Seconds from its begin to its end."""
        return max(0.0, (self.finished_at - self.started_at).total_seconds())

    @property
    def file_name(self) -> str:
        """`verify-20261121T020512-nas.json`: sorts by time."""
        return f"verify-{self.started_at:%Y%m%dT%H%M%S%f}-{self.store}.json"

    def to_bytes(self) -> bytes:
        """The file's content."""
        return (self.model_dump_json(indent=1) + "\n").encode()


def read_verdict(data: bytes, *, where: str) -> Verdict:
    """Parse a kept verdict. Raises CorruptCopy (check `verdict`); NewerFormat for one that a newer version wrote."""
    try:
        return Verdict.model_validate_json(data)
    except ValidationError as error:
        refuse_newer(data, known=VERSION, where=where)
        first = error.errors(include_url=False)[0]["msg"]
        raise CorruptCopy(f"{where}: the verdict cannot be read", check="verdict", why=first) from None
