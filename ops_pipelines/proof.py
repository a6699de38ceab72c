"""How much a proof proves: its grade, and the gaps in it.

Engines find gaps while they look at a source, the vault keeps them beside a restore point and its verdicts, and every
face tells them: what was not compared is never shown as if it had been.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ops_pipelines.language.said import Word, counted, said

Grade = Literal["full", "sample", "counts", "restored"]
"""What was compared after a restore: all content, a sample of it, row counts alone, nothing."""

VERIFIED = "verified"
"""What a proof is called that compared everything, and no other."""
_STRENGTH: Sequence[Grade] = ("restored", "counts", "sample", "full")
_WORDS: dict[Grade, str] = {
    "full": VERIFIED,
    "sample": "verified by sample",
    "counts": "verified by row counts",
    "restored": "restored, not compared",
}
_LEAVES_OUT: dict[Grade, str] = {
    "full": "",
    "sample": said("most rows are only counted: a change in one that is not in the sample is not noticed"),
    "counts": said("rows are only counted: a change inside a row is not noticed"),
    "restored": said("nothing is compared: a table that comes back empty is not noticed"),
}


BACK_UP = "ops backup"
"""The cure that is nothing but another backup; with the name of a source behind it, or without."""


class Gap(BaseModel):
    """Something that a proof says nothing about.

    Attributes:
        what: the table, object or kind of object, as a user knows it.
        why: what kept us from it.
        cure: the grant, setting or command that closes the gap; empty when there is none.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    why: str
    cure: str = ""

    @property
    def by_another_backup(self) -> bool:
        """Whether nothing has to be changed: the next backup closes it."""
        return self.cure.startswith(BACK_UP)

    def __str__(self) -> str:
        return f"{self.what}: {self.why}" + (f" (to close this gap: {self.cure})" if self.cure else "")


def grade_of(level: Literal["off", "counts", "sample", "full"]) -> Grade:
    """The grade that a fingerprint of this level can reach."""
    return "restored" if level == "off" else level


def leaves_out(grade: Grade) -> str:
    """What a proof of this grade is called, and does not notice; empty where it notices everything.

    Choosing such a grade is no mistake, but whoever reads a configuration should know what it means.
    """
    if not (missed := _LEAVES_OUT[grade]):
        return ""
    return said('no proof says more than "{words}": {missed}', words=Word(_WORDS[grade]), missed=missed)


def strength(grade: Grade) -> int:
    """A grade as a figure: 0 nothing was compared, 1 row counts, 2 a sample, 3 all content."""
    return _STRENGTH.index(grade)


def weaker(reached: Grade, wanted: Grade) -> bool:
    """Whether a grade says less than another."""
    return strength(reached) < strength(wanted)


def in_words(grade: Grade, gaps: Sequence[Gap]) -> str:
    """What a passed proof is called: `verified` alone means that all content was compared.

    Args:
        gaps: what was not compared.
    """
    count = len(gaps)
    if not gaps or grade == "restored":
        return _WORDS[grade]
    if grade == "sample":
        return counted(
            "partly verified by sample, {count} not compared", "partly verified by sample, {count} not compared", count
        )
    if grade == "counts":
        return counted(
            "partly verified by row counts, {count} not compared",
            "partly verified by row counts, {count} not compared",
            count,
        )
    return counted("partly verified, {count} not compared", "partly verified, {count} not compared", count)
