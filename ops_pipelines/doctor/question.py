"""One question that the doctor asks, and one answer to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

State = Literal["OK", "ATTENTION", "FAILED"]
EXIT_STATUS: Mapping[State, int] = {"OK": 0, "ATTENTION": 1, "FAILED": 2}
"""The same numbers as Nagios has for OK, WARNING and CRITICAL."""

ASKED_FOR = timedelta(seconds=45)


@dataclass(frozen=True)
class Measure:
    """A number for whoever draws curves, in Nagios' sense: from `warn` on a warning, from `critical` on worse."""

    name: str
    value: float
    unit: str = ""
    warn: float | None = None
    critical: float | None = None


@dataclass(frozen=True)
class Answer:
    """What was found out.

    Attributes:
        said: in half a sentence.
        fix: what to type or to change, a line each; nothing where all is well.
    """

    state: State
    said: str
    fix: Sequence[str] = ()
    measures: Sequence[Measure] = ()


@dataclass(frozen=True)
class Question:
    """Something to find out, by itself and within its own time.

    Attributes:
        subject: a source, a store, or what else it is about; answers are grouped by it.
        ask: what it raises is a failure.
        limit: after this long it is given up, which is a failure.
    """

    subject: str
    name: str
    ask: Callable[[], Answer]
    limit: timedelta = field(default=ASKED_FOR)


@dataclass(frozen=True)
class Found:
    """A question with its answer, and how long that took."""

    subject: str
    name: str
    answer: Answer
    seconds: float


def well(said: str, *measures: Measure) -> Answer:
    """All is well."""
    return Answer("OK", said, (), measures)


def attention(said: str, *fix: str, measures: Sequence[Measure] = ()) -> Answer:
    """A human should look; nothing is lost yet."""
    return Answer("ATTENTION", said, fix, measures)


def failed(said: str, *fix: str, measures: Sequence[Measure] = ()) -> Answer:
    """Something does not work."""
    return Answer("FAILED", said, fix, measures)


def worst(found: Sequence[Found]) -> State:
    """The worst of all answers."""
    return max((each.answer.state for each in found), key=lambda state: EXIT_STATUS[state], default="OK")
