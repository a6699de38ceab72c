"""One row of the detection matrix: a corruption, and what must come of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["bad", "inconclusive", "verified", "refused"]
Act = Callable[[Any], object]
"""Does the damage: to a `Stored` copy, to a restored target, to a source, or to its configuration."""


@dataclass(frozen=True)
class Seen:
    """What came of a corruption.

    Attributes:
        outcome: the verdict, or `refused` for a dump that became no backup.
        checks: the names of the assertions that failed, or that ask for a look.
    """

    outcome: Outcome
    checks: tuple[str, ...] = ()

    @property
    def caught(self) -> bool:
        """Whether anybody would learn of it."""
        return self.outcome != "verified" or bool(self.checks)


def bad(*checks: str) -> Seen:
    """Caught by these checks."""
    return Seen("bad", checks)


def look(*checks: str) -> Seen:
    """Verified, and these checks ask for a look."""
    return Seen("verified", checks)


def unknown(*checks: str) -> Seen:
    """Nothing could be said about the backup."""
    return Seen("inconclusive", checks)


REFUSED = Seen("refused")
NOT_CAUGHT = Seen("verified")


@dataclass(frozen=True)
class Case:
    """A corruption of one engine's backup.

    Attributes:
        engine: `postgres`, `mysql` (MariaDB), `mysqld`, `mongodb` or `files`.
        where: what is corrupted: the stored bytes, what comes back, or the source and its dump.
        corruption: its name, the same for every engine that has it.
        acts: the damage, in one or several variants that must all end alike.
        expected: what must come of it.
        why: for what is not caught, the reason.
    """

    engine: str
    where: Literal["stored", "restored", "source"]
    corruption: str
    acts: tuple[Act, ...]
    expected: Seen
    why: str = ""

    @property
    def name(self) -> str:
        """For the test's id."""
        return f"{self.engine}: {self.corruption}"
