"""A source's days on a terminal: one sign a day, and small bars for values. Signs differ without colour, too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from ops_pipelines.cli.output import Markup, markup
from ops_pipelines.watch.charts import sparkline
from ops_pipelines.watch.history import Day, Mark

DAYS_IN_A_ROW = 50
"""As many as stand on a line of 80 characters, between two dates."""


@dataclass(frozen=True)
class Sign:
    """How a mark is shown: where every character can be shown, in ASCII, its colour, and what it means."""

    shown: str
    plain: str
    colour: str
    words: str


SIGNS: Mapping[Mark, Sign] = {
    "verified": Sign("✓", "v", "green", "restored and compared"),
    "copied": Sign("▪", "c", "yellow", "dumped and copied"),
    "dumped": Sign("▫", "d", "yellow", "dumped"),
    "unsure": Sign("?", "?", "yellow", "the proof came to no end"),
    "failed": Sign("✗", "x", "red", "failed"),
    "bad": Sign("!", "!", "bold red", "a backup is bad"),
    "nothing": Sign("·", ".", "dim", "nothing"),
}
_BARS, _PLAIN_BARS = "▁▂▃▄▅▆▇█", "_.-~=+*#"


def days_text(days: Sequence[Day], *, unicode: bool) -> Markup:
    """One sign for each day."""
    return _joined([markup(f"[{SIGNS[day.mark].colour}]{{}}[/]", _sign(day.mark, unicode=unicode)) for day in days])


def bars_text(days: Sequence[Day], values: Mapping[date, float], *, unicode: bool, most: float | None = None) -> Markup:
    """A bar for each day that has a value, from the smallest to the largest; a space for one that has none.

    Args:
        most: bars above it are red.
    """
    # Scaled by all values, also where only some of the days are shown.
    scaled = dict(zip(values, sparkline(list(values.values()), _BARS if unicode else _PLAIN_BARS), strict=True))
    bars = []
    for day in days:
        value = values.get(day.day)
        colour = "red" if value is not None and most is not None and value > most else "cyan"
        bars.append(Markup(" ") if value is None else markup(f"[{colour}]{{}}[/]", scaled[day.day]))
    return _joined(bars)


def legend(days: Sequence[Day], *, unicode: bool) -> Markup:
    """What the signs mean that are in these days."""
    seen = {day.mark for day in days}
    known = [
        markup(f"[{sign.colour}]{{}}[/] {{}}", _sign(mark, unicode=unicode), sign.words)
        for mark, sign in SIGNS.items()
        if mark in seen
    ]
    return Markup("   ".join(known))


def rows_of(days: Sequence[Day]) -> list[Sequence[Day]]:
    """The days cut into lines that end with the newest one."""
    first = len(days) % DAYS_IN_A_ROW
    cuts = [*([0] if first else []), *range(first, len(days), DAYS_IN_A_ROW), len(days)]
    return [days[begin:end] for begin, end in pairwise(cuts)]


def _sign(mark: Mark, *, unicode: bool) -> str:
    return SIGNS[mark].shown if unicode else SIGNS[mark].plain


def _joined(parts: Sequence[Markup]) -> Markup:
    return Markup("".join(parts))
