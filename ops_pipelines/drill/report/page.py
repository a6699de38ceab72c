"""The drill's report as one page of HTML: a card for each source with its charts, the timeline, then every table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from ops_pipelines.drill.record import Report, SourceResult
from ops_pipelines.drill.report.sections import headline, sections, title
from ops_pipelines.language.said import counted, said
from ops_pipelines.language.speech import ENGLISH, Language
from ops_pipelines.watch.bars import COLOURS, columns, moments, steps
from ops_pipelines.watch.charts import Tone, gauge
from ops_pipelines.watch.html import document, environment

_ELSEWHERE = ("result", "timeline")


@dataclass(frozen=True)
class _Card:
    """One source, as the template shows it."""

    result: SourceResult
    colour: Tone
    in_time: Markup
    lost_s: float | None
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


def html(report: Report, spoken: Language = ENGLISH) -> str:
    """The report as one page in a language, without scripts and without anything from elsewhere."""
    results = [each for group in report.groups for each in group.sources] + list(report.by_hand)
    whole = max((max(sum(each.seconds.values()), each.took_s) for each in results), default=0.0)
    return document(
        "drill.html",
        report.finished_at,
        environment("ops_pipelines.drill", spoken=spoken),
        report=report,
        title=title(report),
        said=headline(report),
        colour="bad" if not report.passed else "warn" if report.missed or report.limits else "good",
        cards=[_card(each, whole, spoken) for each in results],
        line=_moments(report, spoken),
        timeline=_timeline(report, spoken),
        sections=[each for each in sections(report, spoken) if each.key not in _ELSEWHERE],
    )


def _card(result: SourceResult, whole: float, spoken: Language) -> _Card:
    named = [
        (f"{spoken.word(step)}: {spoken.fixed(seconds, 2)} s", seconds) for step, seconds in result.seconds.items()
    ]
    late = bool(result.rto_s) and result.took_s > result.rto_s
    lost_s = result.loss.minutes * 60 if result.loss is not None else None
    missed = lost_s is not None and bool(result.rpo_s) and lost_s > result.rpo_s
    time, lost = said("time to recover"), said("what was lost")
    by_step = spoken.tell(said("{source}: seconds by step", source=result.source))
    return _Card(
        result=result,
        colour="bad" if not result.passed else "good" if result.whole and not late and not missed else "warn",
        in_time=_share(said("{about}: {what}", about=result.source, what=time), result.took_s, result.rto_s, spoken),
        lost_s=lost_s,
        lost_gauge=_share(said("{about}: {what}", about=result.source, what=lost), lost_s, result.rpo_s, spoken),
        bar=steps(by_step, named, whole, target=result.rto_s or None, words=_rto(result, spoken))
        if named
        else Markup(""),
        legend=[(f"step{index % COLOURS}", words) for index, (words, _seconds) in enumerate(named)],
        past=_past(result, spoken),
        past_words=", ".join(f"{spoken.fixed(each, 1)} s" for each in reversed(result.past_s)),
    )


def _rto(result: SourceResult, spoken: Language) -> str:
    return spoken.tell(said("RTO {rto}", rto=timedelta(seconds=result.rto_s)))


def _share(title: str, used_s: float | None, allowed_s: float, spoken: Language) -> Markup:
    """How much of what is allowed was used; nothing where one of them is not known."""
    if used_s is None or not allowed_s:
        return Markup("")
    used, allowed = timedelta(seconds=used_s), timedelta(seconds=allowed_s)
    told = said("{title}, {used} of {allowed}", title=title, used=used, allowed=allowed)
    return gauge(spoken.tell(told), used_s / allowed_s, "bad" if used_s > allowed_s else "good")


def _past(result: SourceResult, spoken: Language) -> Markup:
    """What earlier drills took, the oldest first, and this one."""
    if not result.past_s:
        return Markup("")

    def told(when: str, seconds: float) -> str:
        return spoken.tell(said("{when}: {took} s", when=when, took=round(seconds, 1)))

    before: list[tuple[float, str, Tone]] = [
        (each, told(said("before"), each), "none") for each in reversed(result.past_s)
    ]
    colour: Tone = "warn" if result.slower else "good"
    now = (result.took_s, told(said("now"), result.took_s), colour)
    title = spoken.tell(said("{source}: earlier drills and this one", source=result.source))
    return columns(title, [*before, now], target=result.rto_s or None, words=_rto(result, spoken))


def _moments(report: Report, spoken: Language) -> Markup:
    took = max(report.took.total_seconds(), 0.001)
    happened = [
        ((each.at - report.started_at).total_seconds() / took, f"{each.at:%H:%M:%S} {spoken.tell(each.what)}")
        for each in report.timeline
    ]
    title = counted("{count} event in {span}", "{count} events in {span}", len(happened), span=report.took)
    return moments(spoken.tell(title), happened)


def _timeline(report: Report, spoken: Language) -> list[_Line]:
    found, before = [], report.started_at
    for each in report.timeline:
        since = spoken.fixed((each.at - before).total_seconds(), 1)
        found.append(
            _Line(
                at=f"{each.at:%H:%M:%S}",
                after=_clock(each.at - report.started_at),
                since=f"+{since} s",
                what=each.what,
            )
        )
        before = each.at
    return found


def _clock(span: timedelta) -> str:
    """`1:02:03`, since the begin."""
    return str(timedelta(seconds=max(0, int(span.total_seconds()))))
