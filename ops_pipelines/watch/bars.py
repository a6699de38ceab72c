"""Bars without a letter in them, as SVG that fills any width: steps side by side, moments on a line, columns.

What they say stands beside them as text, which stays readable on a phone; each part has its value as a title.
"""

from collections.abc import Sequence

from markupsafe import Markup

from ops_pipelines.watch.charts import Tone

COLOURS = 6
"""How many colours there are for steps: the classes `step0` to `step5`."""
_LEAST = 0.4


def steps(
    title: str, parts: Sequence[tuple[str, float]], whole: float, *, target: float | None = None, words: str = ""
) -> Markup:
    """Parts of one bar, side by side.

    Args:
        parts: what each is called, with its value in the title, and how much it is.
        whole: how much the full width is.
        target: where a line is drawn; beyond the full width there is none.
        words: what the line is called.
    """
    found, at = [], 0.0
    for index, (said, value) in enumerate(parts):
        width = 100 * value / whole if whole else 0.0
        found.append(_rect(f"step{index % COLOURS}", at, 0, max(width, _LEAST), 10, said))
        at += width
    if target is not None and whole and target <= whole:
        found.append(_rect("mark", min(100 * target / whole, 99.4), 0, 0.6, 10, words))
    return _svg("steps", title, found)


def moments(title: str, happened: Sequence[tuple[float, str]]) -> Markup:
    """Marks on a line.

    Args:
        happened: where each lies, from 0 to 1, and what it is.
    """
    found = [_rect("rest", 0, 4.4, 100, 1.2, "")]
    found += [_rect("tick", min(max(share, 0.0), 1.0) * 99.5, 0, 0.5, 10, said) for share, said in happened]
    return _svg("steps", title, found)


def columns(
    title: str, values: Sequence[tuple[float, str, Tone]], *, target: float | None = None, words: str = ""
) -> Markup:
    """One column for each value, the oldest first.

    Args:
        values: with their title and colour.
        target: a value that must not be passed; a line, where it is no more than twice as high as every column.
        words: what the line is called.
    """
    high = max((value for value, _said, _colour in values), default=0.0)
    drawn = target is not None and target <= 2 * high
    top = max(high, target or 0.0) if drawn else high
    width = 100 / max(len(values), 1)
    found = []
    for index, (value, said, colour) in enumerate(values):
        height = max(10 * value / top, 0.3) if top else 0.3
        found.append(_rect(colour, index * width, 10 - height, width * 0.8, height, said))
    if drawn and target is not None:
        found.append(_rect("mark", 0, 10 - 10 * target / top, 100, 0.25, words))
    return _svg("columns", title, found)


def _rect(kind: str, x: float, y: float, width: float, height: float, said: str) -> Markup:
    return Markup(
        '<rect class="{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"><title>{}</title></rect>'
    ).format(kind, x, y, width, height, said)


def _svg(kind: str, title: str, parts: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="{}" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(kind, title, Markup("").join(parts))
