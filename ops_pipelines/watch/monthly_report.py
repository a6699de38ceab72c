"""The account of a month for people: one list of tables, written as Markdown and as a page of HTML."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ops_pipelines import text
from ops_pipelines.watch.charts import Tone
from ops_pipelines.watch.html import document, seconds
from ops_pipelines.watch.monthly import Month, MonthOf, Rehearsed

_OVERVIEW = ("source", "RPO", "kept", "broken", "recovery point at its oldest", "RTO", "restores", "in time", "slowest")


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


def month_markdown(month: Month) -> str:
    """The account as Markdown."""
    lines = [f"# {_title(month)}", "", text.markdown(_headline(month)[0]), "", _period(month), ""]
    lines += _rows(_OVERVIEW, [_overview(each) for each in month.sources])
    for each in month.sources:
        lines += ["", f"## {each.source}"]
        for table in _tables(each):
            lines += ["", f"**{table.title}**", "", *(f"- {text.markdown(line)}" for line in table.lines)]
            lines += _rows(table.columns, table.rows) if table.rows else []
    return "\n".join(lines) + "\n"


def month_page(month: Month, now: datetime) -> str:
    """The account as one page of HTML that needs nothing beside itself."""
    said, colour = _headline(month)
    return document(
        "month.html",
        now,
        title=_title(month),
        verdict=said,
        verdict_tone=colour,
        period=_period(month),
        columns=_OVERVIEW,
        overview=[(_overview(each), _colour(each)) for each in month.sources],
        sources=[(each.source, _colour(each), list(_tables(each))) for each in month.sources],
    )


def _title(month: Month) -> str:
    return f"Backups in {month.begin:%B %Y}"


def _period(month: Month) -> str:
    until = f"{month.end:%Y-%m-%d %H:%M} UTC"
    rest = "" if month.over else "; the month is not over"
    return f"From {month.begin:%Y-%m-%d %H:%M} to {until}{rest}. Measured against rpo and rto as ops.yaml says now."


def _headline(month: Month) -> tuple[str, Tone]:
    watched = [each for each in month.sources if each.begin is not None]
    if not watched:
        return "No source was watched in this month.", "warn"
    broken = [f"{each.source} ({_share(each.rpo_kept)})" for each in watched if each.broken]
    slow = [each.source for each in watched if each.slow]
    said = [f"RPO broken: {', '.join(broken)}" if broken else f"All {len(watched)} sources kept their RPO all the time"]
    said.append(f"restores slower than the RTO: {', '.join(slow)}" if slow else "every restore was within its RTO")
    return f"{'; '.join(said)}.", "bad" if broken or slow else "good"


def _colour(each: MonthOf) -> Tone:
    return "none" if each.begin is None else "good" if each.promises_kept else "bad"


def _overview(each: MonthOf) -> tuple[str, ...]:
    if each.begin is None:
        return (each.source, seconds(each.rpo_s), "not watched", "–", "–", seconds(each.rto_s), "0", "–", "–")
    return (
        each.source,
        seconds(each.rpo_s),
        _share(each.rpo_kept),
        f"{len(each.broken)} times" if each.broken else "never",
        seconds(each.oldest_s) if each.oldest_s is not None else "there was none",
        seconds(each.rto_s),
        str(each.restores),
        _share(1 - len(each.slow) / each.restores) if each.restores else "–",
        seconds(each.slowest_s) if each.slowest_s is not None else "–",
    )


def _tables(each: MonthOf) -> Iterator[Table]:
    """What there is to say of a source beyond the overview."""
    if each.begin is None:
        yield Table("Not watched", lines=["nobody watched it in this month: nothing was promised"], good=False)
        return
    if each.broken:
        rows = [
            (
                f"{gap.begin:%Y-%m-%d %H:%M}",
                "not over" if gap.lasts else f"{gap.end:%Y-%m-%d %H:%M}",
                seconds((gap.end - gap.begin).total_seconds()),
                f"up to {seconds(gap.oldest_s)} old" if gap.oldest_s is not None else "there was none",
            )
            for gap in each.broken
        ]
        yield Table("RPO not kept (UTC)", ("from", "to", "for", "recovery point"), rows, good=False)
    if each.slow:
        slow_ones = [(f"{slow.at:%Y-%m-%d %H:%M}", slow.backup_id, seconds(slow.took_s)) for slow in each.slow]
        yield Table("Restores slower than the RTO", ("at (UTC)", "restore point", "took"), slow_ones, good=False)
    yield Table("Dumps and proofs", lines=list(_counts(each)), good="failed" not in each.dumps)
    if each.unproved:
        yield Table("Days without a good proof", lines=[", ".join(_runs(each.unproved))], good=False)
    if each.not_compared:
        gaps = [(gap.what, f"{gap.proofs} of {each.restores}") for gap in each.not_compared]
        yield Table("Not compared", ("what", "in how many proofs"), gaps, good=False)
    yield _drills(each)


def _counts(each: MonthOf) -> Iterator[str]:
    yield f"dumps: {'; '.join(f'{count} {outcome}' for outcome, count in each.dumps.items()) or 'none'}"
    yield f"proofs: {'; '.join(f'{count} {words}' for words, count in each.proofs.items()) or 'none'}"
    if each.usual_s is not None:
        yield f"a restore and its comparison usually took {seconds(each.usual_s)}"


def _drills(each: MonthOf) -> Table:
    rows = [
        (
            f"{drill.at:%Y-%m-%d %H:%M}",
            drill.scenario,
            _result(drill, each.rto_s),
            seconds(drill.took_s) if drill.took_s is not None else "–",
            f"{drill.lost_minutes:.1f} minutes" if drill.lost_minutes is not None else "–",
        )
        for drill in each.drills
    ]
    if not rows:
        return Table("Drills", lines=["none in this month"], good=False)
    columns = ("at (UTC)", "scenario", "result", "back after", "lost")
    return Table("Drills", columns, rows, good=all(drill.passed for drill in each.drills))


def _result(drill: Rehearsed, rto_s: float) -> str:
    slower = drill.took_s is not None and drill.took_s > rto_s
    return f"{'passed' if drill.passed else 'FAILED'}{', slower than the RTO' if slower else ''}"


def _runs(days: Sequence[date]) -> list[str]:
    """Days as they follow each other: `2026-11-03 to 2026-11-05`."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return [str(first) if first == last else f"{first} to {last}" for first, last in found]


def _share(value: float | None) -> str:
    """Never 100% of what was not all of it."""
    if value is None:
        return "–"
    return "100%" if value == 1 else f"{min(value, 0.9999):.2%}"


def _rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return [*head, *(f"| {' | '.join(map(text.markdown, row))} |" for row in rows)]
