"""A source's past as pictures: its days as a strip, and what grows or takes time as lines. Each has its table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from ops_pipelines.language.said import counted, said
from ops_pipelines.language.speech import ENGLISH, Language
from ops_pipelines.watch.charts import Cell, Point, Tone, gauge, line_chart, strip
from ops_pipelines.watch.history import Day, Made, Mark
from ops_pipelines.watch.html import tone

MARKS: Mapping[Mark, tuple[Tone, str]] = {
    "verified": ("good", said("restored and compared")),
    "copied": ("warn", said("dumped and copied, not proved")),
    "dumped": ("warn", said("dumped, not proved")),
    "unsure": ("warn", said("the proof came to no end")),
    "failed": ("bad", said("failed")),
    "bad": ("bad", said("a backup is bad")),
    "nothing": ("none", said("nothing")),
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


def strip_of(name: str, days: Sequence[Day], spoken: Language = ENGLISH) -> Markup:
    """A source's days, oldest first."""
    told = {mark: (spoken.tell(words), colour) for mark, (colour, words) in MARKS.items()}
    cells = [Cell(f"{spoken.day(day.day)}: {told[day.mark][0]}", told[day.mark][1], day.mark) for day in days]
    good = sum(day.mark == "verified" for day in days)
    title = counted(
        "{name}: on {count} of {days} days a backup was restored and compared",
        "{name}: on {count} of {days} days a backup was restored and compared",
        good,
        name=name,
        days=len(days),
    )
    return strip(spoken.tell(title), cells)


def rpo_gauge(age: timedelta | None, rpo: timedelta, warn_after: timedelta, spoken: Language = ENGLISH) -> Markup:
    """How much of the RPO the recovery point's age has used up."""
    if age is None:
        return gauge(spoken.tell(said("the age of the recovery point is not known")), 1.0, "bad")
    colour: Tone = "bad" if age > rpo else "warn" if age > warn_after else "good"
    return gauge(spoken.tell(said("{age} old, {rpo} is allowed", age=age, rpo=rpo)), age / rpo, colour)


def drawings(points: Sequence[Made], rto: timedelta, spoken: Language = ENGLISH) -> list[Drawing]:
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
            spoken,
            said("size of a backup"),
            [(each.started_at, each.id, each.size_bytes, "none") for each in made],
            spoken.size,
        ),
        _drawing(
            spoken,
            said("time that a dump took"),
            [(each.started_at, each.id, each.duration_s, "none") for each in made if not each.adopted],
            spoken.seconds,
        ),
        _drawing(
            spoken,
            said("time that a restore and its comparison took"),
            [
                (proof.at, each.id, proof.took_s, "bad" if proof.took_s > limit else tone(proof.words))
                for each, proof in proofs
            ],
            spoken.seconds,
            target=limit,
            words=said("RTO {rto}", rto=rto),
        ),
    ]
    return [each for each in found if each is not None]


def _drawing(
    spoken: Language,
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
        title=title if near or target is None else said("{title}, {words} is far above", title=title, words=words),
        svg=line_chart(
            spoken.tell(title), points, shown, spoken, target=target if near else None, words=spoken.tell(words)
        ),
        rows=[(at, name, shown(value)) for at, name, value, _colour in values],
        last=shown(values[-1][2]),
    )
