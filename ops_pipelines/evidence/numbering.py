"""By which a left-out attempt shows: every attempt of an installation has a number, one more than the one before it."""

from collections.abc import Iterable, Sequence

from ops_pipelines.evidence.facts import Facts
from ops_pipelines.evidence.period import ranges
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import Activity
from ops_pipelines.ledger.period import turns_between

Ranges = Sequence[tuple[int, int]]
"""The first and the last of each run of numbers."""


class Numbering(Facts):
    """Where each number from `first` to `last` belongs; those of this bundle's statements are in no range.

    Attributes:
        first, last: the lowest and the highest number of an attempt that began in the period; None without any.
        highest: the highest number that the ledger had given when this was written.
        others: of attempts at sources that were not asked for.
        elsewhere: of attempts that, by the clock of then, did not begin in the period.
        missing: that no attempt in the ledger has.
    """

    first: int | None
    last: int | None
    highest: int
    others: Ranges
    elsewhere: Ranges
    missing: Ranges

    def unaccounted(self, told: Iterable[int]) -> Ranges:
        """Numbers that belong nowhere.

        Args:
            told: those of the statements.
        """
        if self.first is None or self.last is None:
            return []
        known = set(told)
        for begin, end in (*self.others, *self.elsewhere, *self.missing):
            known.update(range(begin, end + 1))
        return ranges(set(range(self.first, self.last + 1)) - known)


def numbering_of(ledger: Ledger, rows: Sequence[Activity], names: Sequence[str], highest: int) -> Numbering:
    """Where the numbers belong. Raises LedgerError.

    Args:
        rows: every attempt that began in the period, at whatever source.
        names: the sources that were asked for.
    """
    if not rows:
        return Numbering(first=None, last=None, highest=highest, others=[], elsewhere=[], missing=[])
    here = {row.turn: row.source for row in rows}
    first, last = min(here), max(here)
    given = {each.turn for each in turns_between(ledger, first, last)}
    return Numbering(
        first=first, last=last, highest=highest,
        others=ranges(turn for turn, source in here.items() if source not in names),
        elsewhere=ranges(given - here.keys()), missing=ranges(set(range(first, last + 1)) - given),
    )  # fmt: skip
