"""The drill's report as one page of HTML: a card for each source with its charts, the timeline, then every table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from ops_pipelines.clock import human_duration
from ops_pipelines.drill.record import Report, SourceResult
from ops_pipelines.drill.report.sections import headline, sections
from ops_pipelines.watch.bars import COLOURS, columns, moments, steps
from ops_pipelines.watch.charts import Tone, gauge
from ops_pipelines.watch.html import document, environment

_ELSEWHERE = ("Result", "Timeline")


@dataclass(frozen=True)
class _Card:
    """One source, as the template shows it."""

    result: SourceResult
    colour: Tone
    took: str
    rto: str
    in_time: Markup
    lost: str
    rpo: str
    lost_gauge: Markup
    bar: Markup
    legend: Sequence[tuple[str, str]]
    past: Markup
    past_words: str


@dataclass(frozen=True)
class _Line:
    """One line of the timeline: when it happened, how long after the begin and after the line before, and what."""

    at: str
    after: str
    since: str
    what: str


def html(report: Report) -> str:
    """The report as one page, without scripts and without anything from elsewhere."""
    results = [each for group in report.groups for each in group.sources] + list(report.by_hand)
    whole = max((max(sum(each.seconds.values()), each.took_s) for each in results), default=0.0)
    return document(
        "drill.html",
        report.finished_at,
        environment("ops_pipelines.drill"),
        report=report,
        said=headline(report),
        colour="bad" if not report.passed else "warn" if report.missed or report.limits else "good",
        cards=[_card(each, whole) for each in results],
        line=_moments(report),
        timeline=_timeline(report),
        sections=[each for each in sections(report) if each.title not in _ELSEWHERE],
    )


def _card(result: SourceResult, whole: float) -> _Card:
    named = [(f"{step}: {seconds:.2f} s", seconds) for step, seconds in result.seconds.items()]
    late = bool(result.rto_s) and result.took_s > result.rto_s
    lost_s = result.loss.minutes * 60 if result.loss is not None else None
    missed = lost_s is not None and bool(result.rpo_s) and lost_s > result.rpo_s
    return _Card(
        result=result,
        colour="bad" if not result.passed else "good" if result.whole and not late and not missed else "warn",
        took=_span(result.took_s),
        rto=_span(result.rto_s),
        in_time=_share(f"{result.source}: time to recover", result.took_s, result.rto_s),
        lost=_span(lost_s) if lost_s is not None else "not known",
        rpo=_span(result.rpo_s),
        lost_gauge=_share(f"{result.source}: what was lost", lost_s, result.rpo_s),
        bar=steps(f"{result.source}: seconds by step", named, whole, target=result.rto_s or None)
        if named
        else Markup(""),
        legend=[(f"step{index % COLOURS}", said) for index, (said, _seconds) in enumerate(named)],
        past=_past(result),
        past_words=", ".join(f"{each:.1f} s" for each in reversed(result.past_s)),
    )


def _share(title: str, used_s: float | None, allowed_s: float) -> Markup:
    """How much of what is allowed was used; nothing where one of them is not known."""
    if used_s is None or not allowed_s:
        return Markup("")
    return gauge(
        f"{title}, {_span(used_s)} of {_span(allowed_s)}", used_s / allowed_s, "bad" if used_s > allowed_s else "good"
    )


def _past(result: SourceResult) -> Markup:
    """What earlier drills took, the oldest first, and this one."""
    if not result.past_s:
        return Markup("")
    before: list[tuple[float, str, Tone]] = [
        (each, f"before: {each:.1f} s", "none") for each in reversed(result.past_s)
    ]
    now: tuple[float, str, Tone] = (result.took_s, f"now: {result.took_s:.1f} s", "warn" if result.slower else "good")
    return columns(f"{result.source}: earlier drills and this one", [*before, now], target=result.rto_s or None)


def _moments(report: Report) -> Markup:
    took = max(report.took.total_seconds(), 0.001)
    happened = [
        ((each.at - report.started_at).total_seconds() / took, f"{each.at:%H:%M:%S} {each.what}")
        for each in report.timeline
    ]
    return moments(f"{len(happened)} events in {human_duration(report.took)}", happened)


def _timeline(report: Report) -> list[_Line]:
    found, before = [], report.started_at
    for each in report.timeline:
        found.append(
            _Line(
                at=f"{each.at:%H:%M:%S}",
                after=_clock(each.at - report.started_at),
                since=f"+{(each.at - before).total_seconds():.1f} s",
                what=each.what,
            )
        )
        before = each.at
    return found


def _clock(span: timedelta) -> str:
    """`1:02:03`, since the begin."""
    return str(timedelta(seconds=max(0, int(span.total_seconds()))))


def _span(seconds: float) -> str:
    return human_duration(timedelta(seconds=seconds))
