"""What is wrong now: a condition, and what one look at the facts found. Rules make them; nothing here judges."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ops_pipelines.config.alerts import SEVERITIES, Severity


@dataclass(frozen=True)
class GoodPoint:
    """The newest restore point with a good proof: what a disaster would go back to.

    Attributes:
        id: empty where nobody knows; then `words` say so.
        at: the start of its dump; None where a wrong clock dated it.
        words: what that proof is called.
    """

    id: str
    at: datetime | None
    words: str = ""


@dataclass(frozen=True)
class Condition:
    """One thing that is wrong, as long as it is.

    Attributes:
        rule: the rule that noticed, such as `dump_failed`.
        source: the source it is about; empty when it is about a store or the machine.
        phase: `dump`, `copy`, `verify`, `restore`, `retention` or `health`.
        title: in a few words, for a subject line: "verify failed".
        cause: in a sentence.
        next: the command to type.
        safe: what is still safe, where that is not plain.
        store: the store it is about, or empty.
        run_id: the Dagster run it happened in.
        backup: id of the backup it is about, where it is about one.
    """

    rule: str
    severity: Severity
    source: str
    phase: str
    title: str
    cause: str
    next: str
    store: str = ""
    good: GoodPoint | None = None
    safe: str = ""
    run_id: str | None = None
    backup: str = ""

    @property
    def key(self) -> str:
        """What makes two conditions the same trouble, whatever their cause and severity say today."""
        return f"{self.rule}/{self.source}/{self.store}"


@dataclass(frozen=True)
class Look:
    """What one part of the rules found.

    Attributes:
        rules: the rules of this part: incidents of others are not its to end.
        as_of: when it began to look.
        unknown: sources that could not be judged: what was open about them stays open.
    """

    part: str
    rules: frozenset[str]
    as_of: datetime
    conditions: Sequence[Condition]
    unknown: frozenset[str] = frozenset()


def worse(one: str, other: str) -> bool:
    """Whether the first severity is worse than the second."""
    ranks = [str(each) for each in SEVERITIES]
    return ranks.index(one) > ranks.index(other)
