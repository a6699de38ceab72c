"""Small charts as SVG, drawn without a script: on the status page, in the HTML report, in Dagster's metadata.

Colours are classes (`good`, `warn`, `bad`, `none`) that the page's own style gives; each chart says in words what it
shows, to those who cannot see it, and every point has its value as a title.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from markupsafe import Markup

from ops_pipelines.language.speech import ENGLISH, Language

Tone = Literal["good", "warn", "bad", "none"]

_WIDTH, _HEIGHT = 600, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 10, 12, 22
_STEPS = (1, 2, 2.5, 5, 10)
_LINES = 3


@dataclass(frozen=True)
class Point:
    """One value at a moment.

    Attributes:
        title: what is shown when somebody points at it; it has the value in words.
    """

    at: datetime
    value: float
    title: str
    tone: Tone = "none"


@dataclass(frozen=True)
class Cell:
    """One day of a strip, or a dot in a row of them."""

    title: str
    tone: Tone
    mark: str = ""


def line_chart(
    title: str,
    points: Sequence[Point],
    shown: Callable[[float], str],
    spoken: Language = ENGLISH,
    *,
    target: float | None = None,
    words: str = "",
) -> Markup:
    """Values over time as a line with dots, oldest first; with fewer than two of them there is nothing to draw.

    Args:
        title: what it shows, in words; it is the chart's name to a screen reader.
        shown: a value as text, for the axis.
        spoken: how the days below the axis are written.
        target: a value that must not be passed: a dashed line.
        words: what that line is called.
    """
    if len(points) < 2:
        return Markup("")
    top = _ceiling(max([each.value for each in points] + ([target] if target is not None else [])))
    place = _Scale(points[0].at, points[-1].at, top)
    parts = [_grid(place, top, shown), _dates(points, spoken)]
    if target is not None:
        parts.append(_target(place, target, words))
    corners = " ".join(f"{place.x(each.at):.1f},{place.y(each.value):.1f}" for each in points)
    parts.append(Markup('<polyline class="line" points="{}"/>').format(corners))
    radius = 3 if len(points) <= 60 else 1.6
    parts += [
        Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>').format(
            each.tone, place.x(each.at), place.y(each.value), radius, each.title
        )
        for each in points
    ]
    return _svg("chart", title, _WIDTH, _HEIGHT, parts)


def strip(title: str, cells: Sequence[Cell]) -> Markup:
    """One small bar for each day, oldest first, as uptime pages have it."""
    parts = [
        Markup('<rect class="{}" x="{}" y="0" width="6" height="22" rx="1.5"><title>{}</title></rect>').format(
            each.tone, index * 8, each.title
        )
        for index, each in enumerate(cells)
    ]
    return _svg("strip", title, max(1, len(cells) * 8 - 2), 22, parts)


def sparkline(values: Sequence[float | None], levels: str = "▁▂▃▄▅▆▇█") -> list[str]:
    """Small bars made of characters, from the smallest value to the largest; a space where there is none.

    Args:
        levels: from the lowest to the highest bar.
    """
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)

    def bar(value: float) -> str:
        return levels[round((value - low) / (high - low) * (len(levels) - 1)) if high > low else len(levels) // 2 - 1]

    return [" " if value is None else bar(value) for value in values]


def gauge(title: str, share: float, tone: Tone) -> Markup:
    """How much of what is allowed is used up; what is more than all of it fills the bar.

    Args:
        share: 0 to 1, or more.
    """
    filled = max(0.0, min(1.0, share)) * 100
    parts = [
        Markup('<rect class="rest" x="0" y="0" width="100" height="8" rx="4"/>'),
        Markup('<rect class="{}" x="0" y="0" width="{:.1f}" height="8" rx="4"/>').format(tone, max(filled, 2)),
    ]
    return _svg("gauge", title, 100, 8, parts)


class _Scale:
    """From moments and values to places."""

    def __init__(self, first: datetime, last: datetime, top: float) -> None:
        self._first, self._top = first, top
        self._span = max((last - first).total_seconds(), 1.0)

    def x(self, at: datetime) -> float:
        """From the left."""
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (at - self._first).total_seconds() / self._span

    def y(self, value: float) -> float:
        """From the top."""
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / self._top


def _ceiling(value: float) -> float:
    """The next round number: 1, 2, 2.5 or 5 and zeros."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 < value:
        power *= 10
    while power > value:
        power /= 10
    return next(step * power for step in _STEPS if step * power >= value)


def _grid(place: _Scale, top: float, shown: Callable[[float], str]) -> Markup:
    found = []
    for index in range(_LINES + 1):
        value = top * index / _LINES
        y = place.y(value)
        found.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(_LEFT, _WIDTH - _RIGHT, y, y)
            + Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(_LEFT - 6, y + 4, shown(value))
        )
    return Markup("").join(found)


def _dates(points: Sequence[Point], spoken: Language) -> Markup:
    ends = ((_LEFT, "start", points[0].at), (_WIDTH - _RIGHT, "end", points[-1].at))
    return Markup("").join(
        Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(x, _HEIGHT - 5, anchor, spoken.day(at))
        for x, anchor, at in ends
    )


def _target(place: _Scale, target: float, words: str) -> Markup:
    y = place.y(target)
    return Markup('<line class="target" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
        _LEFT, _WIDTH - _RIGHT, y, y
    ) + Markup('<text class="target" x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
        _WIDTH - _RIGHT, max(y - 4, 10), words
    )


def _svg(kind: str, title: str, width: float, height: float, parts: Sequence[Markup]) -> Markup:
    # A chart has letters in it, which must not be pulled apart; bars fill the place they are given.
    stretched = Markup("") if kind == "chart" else Markup(' preserveAspectRatio="none"')
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}"{}>{}</svg>').format(
        kind, width, height, title, stretched, Markup("").join(parts)
    )
