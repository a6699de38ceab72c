"""A source's past as pictures: its days as a strip, and what grows or takes time as lines. Each has its table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.watch.charts import Cell, Point, Tone, gauge, line_chart, strip
from ops_pipelines.watch.history import Day, Made, Mark
from ops_pipelines.watch.html import seconds, tone

MARKS: Mapping[Mark, tuple[Tone, str]] = {
    "verified": ("good", "restored and compared"),
    "copied": ("warn", "dumped and copied, not proved"),
    "dumped": ("warn", "dumped, not proved"),
    "unsure": ("warn", "the proof came to no end"),
    "failed": ("bad", "failed"),
    "bad": ("bad", "a backup is bad"),
    "nothing": ("none", "nothing"),
}
"""The colour of a day's mark, and what it means."""
_MOST = 120


@dataclass(frozen=True)
class Drawing:
    """A chart, and the same as a table.

    Attributes:
        rows: when, which restore point, the value in words; oldest first.
        last: the newest value in words.
    """

    title: str
    svg: Markup
    rows: Sequence[tuple[datetime, str, str]]
    last: str


def strip_of(name: str, days: Sequence[Day]) -> Markup:
    """A source's days, oldest first."""
    cells = [Cell(f"{day.day}: {MARKS[day.mark][1]}", MARKS[day.mark][0], day.mark) for day in days]
    good = sum(day.mark == "verified" for day in days)
    return strip(f"{name}: on {good} of {len(days)} days a backup was restored and compared", cells)


def rpo_gauge(age: timedelta | None, rpo: timedelta, warn_after: timedelta) -> Markup:
    """How much of the RPO the recovery point's age has used up."""
    if age is None:
        return gauge("the age of the recovery point is not known", 1.0, "bad")
    colour: Tone = "bad" if age > rpo else "warn" if age > warn_after else "good"
    return gauge(f"{human_duration(age)} old, {human_duration(rpo)} is allowed", age / rpo, colour)


def drawings(points: Sequence[Made], rto: timedelta) -> list[Drawing]:
    """Sizes, times of dumps and times of proofs; those that have two values at least.

    Args:
        points: newest first, those too that were deleted since.
        rto: what a restore may take.
    """
    made = list(reversed(points[:_MOST]))
    proofs = [(each, proof) for each in made for proof in each.provings if proof.outcome == "verified"]
    proofs = sorted(proofs, key=lambda pair: pair[1].at)[-_MOST:]
    limit = rto.total_seconds()
    found = [
        _drawing(
            "size of a backup", [(each.started_at, each.id, each.size_bytes, "none") for each in made], human_size
        ),
        _drawing(
            "time that a dump took",
            [(each.started_at, each.id, each.duration_s, "none") for each in made if not each.adopted],
            seconds,
        ),
        _drawing(
            "time that a restore and its comparison took",
            [
                (proof.at, each.id, proof.took_s, "bad" if proof.took_s > limit else tone(proof.words))
                for each, proof in proofs
            ],
            seconds,
            target=limit,
            words=f"RTO {human_duration(rto)}",
        ),
    ]
    return [each for each in found if each is not None]


def _drawing(
    title: str,
    values: Sequence[tuple[datetime, str, float, Tone]],
    shown: Callable[[float], str],
    *,
    target: float | None = None,
    words: str = "",
) -> Drawing | None:
    if len(values) < 2:
        return None
    points = [Point(at, value, f"{name}: {shown(value)}", colour) for at, name, value, colour in values]
    # A target far above all values would press them into one line at the bottom.
    near = target is not None and target <= 5 * max(each.value for each in points)
    return Drawing(
        title=title if near or target is None else f"{title}, {words} is far above",
        svg=line_chart(title, points, shown, target=target if near else None, words=words),
        rows=[(at, name, shown(value)) for at, name, value, _colour in values],
        last=shown(values[-1][2]),
    )
