"""The account of a month for people: one list of tables, written as Markdown and as a page of HTML."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ops_pipelines import text
from ops_pipelines.language.said import counted, said
from ops_pipelines.language.speech import ENGLISH, Language
from ops_pipelines.watch.charts import Tone
from ops_pipelines.watch.html import document
from ops_pipelines.watch.monthly import Broken, Month, MonthOf, Rehearsed


@dataclass(frozen=True)
class Table:
    """What one thing came to.

    Attributes:
        good: whether what it says is what was promised.
        lines: what stands instead of rows.
    """

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    lines: Sequence[str] = field(default=())
    good: bool = True


def month_markdown(month: Month, spoken: Language = ENGLISH) -> str:
    """The account as Markdown."""
    verdict, _tone = _headline(month, spoken)
    lines = [f"# {_title(month, spoken)}", "", text.markdown(verdict), "", _period(month, spoken), ""]
    lines += _rows(_overview_columns(spoken), [_overview(each, spoken) for each in month.sources])
    for each in month.sources:
        lines += ["", f"## {each.source}"]
        for table in _tables(each, spoken):
            lines += ["", f"**{table.title}**", "", *(f"- {text.markdown(line)}" for line in table.lines)]
            lines += _rows(table.columns, table.rows) if table.rows else []
    return "\n".join(lines) + "\n"


def month_page(month: Month, now: datetime, spoken: Language = ENGLISH) -> str:
    """The account as one page of HTML that needs nothing beside itself."""
    verdict, colour = _headline(month, spoken)
    return document(
        "month.html",
        now,
        spoken=spoken,
        title=_title(month, spoken),
        verdict=verdict,
        verdict_tone=colour,
        period=_period(month, spoken),
        columns=_overview_columns(spoken),
        overview=[(_overview(each, spoken), _colour(each)) for each in month.sources],
        sources=[(each.source, _colour(each), list(_tables(each, spoken))) for each in month.sources],
    )


def _overview_columns(spoken: Language) -> list[str]:
    found = (
        said("source"), "RPO", said("kept"), said("broken"), said("recovery point at its oldest"), "RTO",
        said("restores"), said("in time"), said("slowest"),
    )  # fmt: skip
    return list(map(spoken.tell, found))


def _title(month: Month, spoken: Language) -> str:
    return spoken.tell(said("Backups in {month}", month=spoken.month(month.begin)))


def _period(month: Month, spoken: Language) -> str:
    ends = {"begin": month.begin, "end": month.end}
    over = said("From {begin} to {end}.", **ends)
    if not month.over:
        over = said("From {begin} to {end}; the month is not over.", **ends)
    measured = said("Measured against rpo and rto as ops.yaml says now.")
    return f"{spoken.tell(over)} {spoken.tell(measured)}"


def _headline(month: Month, spoken: Language) -> tuple[str, Tone]:
    watched = [each for each in month.sources if each.begin is not None]
    if not watched:
        return spoken.tell(said("No source was watched in this month.")), "warn"
    broken = [f"{each.source} ({_share(each.rpo_kept, spoken)})" for each in watched if each.broken]
    slow = [each.source for each in watched if each.slow]
    if broken:
        rpo = said("RPO broken: {sources}", sources=broken)
    else:
        rpo = counted(
            "The source kept its RPO all the time", "All {count} sources kept their RPO all the time", len(watched)
        )
    if slow:
        rto = said("restores slower than the RTO: {sources}", sources=slow)
    else:
        rto = said("every restore was within its RTO")
    return f"{spoken.tell(rpo)}; {spoken.tell(rto)}.", "bad" if broken or slow else "good"


def _colour(each: MonthOf) -> Tone:
    return "none" if each.begin is None else "good" if each.promises_kept else "bad"


def _overview(each: MonthOf, spoken: Language) -> tuple[str, ...]:
    rpo, rto = spoken.seconds(each.rpo_s), spoken.seconds(each.rto_s)
    if each.begin is None:
        return (each.source, rpo, spoken.tell(said("not watched")), "–", "–", rto, "0", "–", "–")
    broken = counted("once", "{count} times", len(each.broken)) if each.broken else said("never")
    return (
        each.source,
        rpo,
        _share(each.rpo_kept, spoken),
        spoken.tell(broken),
        spoken.seconds(each.oldest_s) if each.oldest_s is not None else spoken.tell(said("there was none")),
        rto,
        str(each.restores),
        _share(1 - len(each.slow) / each.restores, spoken) if each.restores else "–",
        spoken.seconds(each.slowest_s) if each.slowest_s is not None else "–",
    )


def _tables(each: MonthOf, spoken: Language) -> Iterator[Table]:
    """What there is to say of a source beyond the overview."""
    tell = spoken.tell
    if each.begin is None:
        line = tell(said("nobody watched it in this month: nothing was promised"))
        yield Table(tell(said("Not watched")), lines=[line], good=False)
        return
    if each.broken:
        columns: Sequence[str] = (
            tell(said("begin")),
            tell(said("end")),
            tell(said("for so long")),
            tell(said("recovery point")),
        )
        yield Table(tell(said("RPO not kept")), columns, [_gap(gap, spoken) for gap in each.broken], good=False)
    if each.slow:
        columns = [tell(said("moment")), tell(said("restore point")), tell(said("took"))]
        rows = [(spoken.moment(slow.at), slow.backup_id, spoken.seconds(slow.took_s)) for slow in each.slow]
        yield Table(tell(said("Restores slower than the RTO")), columns, rows, good=False)
    yield Table(tell(said("Dumps and proofs")), lines=list(_counts(each, spoken)), good="failed" not in each.dumps)
    if each.unproved:
        days = ", ".join(_runs(each.unproved, spoken))
        yield Table(tell(said("Days without a good proof")), lines=[days], good=False)
    if each.not_compared:
        columns = [tell(said("what")), tell(said("in how many proofs"))]
        gaps = [
            (gap.what, tell(said("{some} of {all}", some=gap.proofs, all=each.restores))) for gap in each.not_compared
        ]
        yield Table(tell(said("Not compared")), columns, gaps, good=False)
    yield _drills(each, spoken)


def _gap(gap: Broken, spoken: Language) -> tuple[str, ...]:
    oldest = said("there was none")
    if gap.oldest_s is not None:
        oldest = said("up to {age} old", age=timedelta(seconds=gap.oldest_s))
    return (
        spoken.moment(gap.begin),
        spoken.tell(said("not over")) if gap.lasts else spoken.moment(gap.end),
        spoken.span(gap.end - gap.begin),
        spoken.tell(oldest),
    )


def _counts(each: MonthOf, spoken: Language) -> Iterator[str]:
    dumps = [f"{count} × {spoken.word(outcome)}" for outcome, count in each.dumps.items()]
    yield spoken.tell(said("dumps: {outcomes}", outcomes="; ".join(dumps) or said("none at all")))
    proofs = [f"{count} × {spoken.word(words)}" for words, count in each.proofs.items()]
    yield spoken.tell(said("proofs: {outcomes}", outcomes="; ".join(proofs) or said("none at all")))
    if each.usual_s is not None:
        usual = timedelta(seconds=each.usual_s)
        yield spoken.tell(said("a restore and its comparison usually took {span}", span=usual))


def _drills(each: MonthOf, spoken: Language) -> Table:
    title = spoken.tell(said("Drills"))
    if not each.drills:
        return Table(title, lines=[spoken.tell(said("none in this month"))], good=False)
    rows = [
        (
            spoken.moment(drill.at),
            drill.scenario,
            spoken.tell(_result(drill, each.rto_s)),
            spoken.seconds(drill.took_s) if drill.took_s is not None else "–",
            spoken.seconds(drill.lost_minutes * 60) if drill.lost_minutes is not None else "–",
        )
        for drill in each.drills
    ]
    columns = (said("moment"), said("scenario"), said("result"), said("back after"), said("lost"))
    return Table(title, list(map(spoken.tell, columns)), rows, good=all(drill.passed for drill in each.drills))


def _result(drill: Rehearsed, rto_s: float) -> str:
    slower = drill.took_s is not None and drill.took_s > rto_s
    if drill.passed:
        return said("passed, slower than the RTO") if slower else said("passed")
    return said("FAILED, slower than the RTO") if slower else said("FAILED")


def _runs(days: Sequence[date], spoken: Language) -> list[str]:
    """Days as they follow each other: `2026-11-03 to 2026-11-05`."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    shown = [(spoken.day(first), spoken.day(last)) for first, last in found]
    return [
        first if first == last else spoken.tell(said("{first} to {last}", first=first, last=last))
        for first, last in shown
    ]


def _share(value: float | None, spoken: Language) -> str:
    return "–" if value is None else spoken.share(value, 2)


def _rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return [*head, *(f"| {' | '.join(map(text.markdown, row))} |" for row in rows)]
