"""A statement: what it is about, by digest, and what is said of it. In-toto's form; nothing is gathered here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ops_pipelines.evidence.facts import PREDICATES, STATEMENT, Kind, Outcome, Predicate

FOLDER, SUFFIX = "statements", ".dsse.json"


@dataclass(frozen=True)
class Subject:
    """A thing that a statement is about: a file that we signed, or rows of the ledger as they stood."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        subjects: the file it is about first, where there is one; then the ledger's row.
        at: when it began.
        turn: of an attempt, its number.
        tail: what tells its file from others of the same turn and kind.
    """

    kind: Kind
    subjects: Sequence[Subject]
    predicate: Predicate
    source: str
    outcome: Outcome
    at: datetime
    turn: int | None
    tail: str

    @property
    def file(self) -> str:
        """Where its envelope lies in a bundle."""
        first = f"{self.turn:08d}" if self.turn is not None else "alert" if self.kind == "alert" else "unrecorded"
        middle = "" if first == "alert" else f"-{self.kind}"
        return f"{FOLDER}/{first}{middle}-{self.tail}{SUFFIX}"

    def document(self) -> dict[str, Any]:
        """What is signed."""
        return in_toto(self.kind, self.subjects, self.predicate.model_dump(mode="json"))


def in_toto(kind: str, subjects: Sequence[Subject], predicate: dict[str, Any]) -> dict[str, Any]:
    """An in-toto statement of version 1."""
    return {
        "_type": STATEMENT,
        "subject": [{"name": each.name, "digest": {"sha256": each.sha256}} for each in subjects],
        "predicateType": PREDICATES[kind],
        "predicate": predicate,
    }
