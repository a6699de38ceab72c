"""Charts are well-formed SVG, whatever their numbers and titles are; read by an XML parser."""

from datetime import datetime, timedelta, timezone
from xml.etree import ElementTree

import pytest

from ops_pipelines.watch.charts import Cell, Point, gauge, line_chart, strip

AT = datetime(2026, 11, 1, tzinfo=timezone.utc)
HOSTILE = '<script>alert(1)</script>" onload="x'


def points(*values: float) -> list[Point]:
    return [Point(AT + timedelta(days=each), value, HOSTILE, "good") for each, value in enumerate(values)]


@pytest.mark.parametrize("values", [(0, 0), (1, 2, 3), (0.0001, 0.0002), (3e12, 1, 7e11), (5,) * 400])
def test_a_line_stays_inside_its_picture_and_says_what_it_is(values: tuple[float, ...]) -> None:
    svg = ElementTree.fromstring(line_chart(HOSTILE, points(*values), str, target=max(values) * 1.5, words=HOSTILE))
    assert (svg.get("role"), svg.get("aria-label")) == ("img", HOSTILE)
    dots = svg.findall("circle")
    assert len(dots) == len(values) and all(dot.find("title") is not None for dot in dots)
    places = [
        tuple(map(float, each.split(",")))
        for line in svg.findall("polyline")
        for each in (line.get("points") or "").split()
    ]
    assert all(0 <= x <= 600 and 0 <= y <= 150 for x, y in places)
    assert [dot.find("title").text for dot in dots] == [HOSTILE] * len(values)  # type: ignore[union-attr]


def test_what_is_larger_is_drawn_higher() -> None:
    svg = ElementTree.fromstring(line_chart("size", points(1, 9, 4), str))
    low, high, middle = [float(dot.get("cy") or 0) for dot in svg.findall("circle")]
    assert high < middle < low


def test_with_one_value_there_is_no_line() -> None:
    assert line_chart("size", points(1), str) == ""


@pytest.mark.parametrize(("share", "width"), [(0, 2), (0.5, 50), (1, 100), (7, 100)])
def test_a_gauge_is_filled_by_its_share(share: float, width: float) -> None:
    svg = ElementTree.fromstring(gauge(HOSTILE, share, "warn"))
    assert float(svg.findall("rect")[1].get("width") or 0) == width


def test_a_strip_has_a_bar_for_each_day_with_its_title() -> None:
    svg = ElementTree.fromstring(strip("days", [Cell(HOSTILE, "bad"), Cell("2", "good")]))
    assert [(each.get("class"), each[0].text) for each in svg.findall("rect")] == [("bad", HOSTILE), ("good", "2")]
