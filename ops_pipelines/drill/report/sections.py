"""The report for people: one list of sections, written as Markdown here, and in `page` as HTML."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ops_pipelines import text
from ops_pipelines.drill.record import Detection, Loss, Report, SourceResult
from ops_pipelines.language.said import Word, counted, said, worded
from ops_pipelines.language.speech import ENGLISH, Language
from ops_pipelines.vault.verdict import Check

_Cells = Sequence[object]
"""Cells of a table: names, texts of ours, numbers and spans, as a language shows them."""


@dataclass(frozen=True)
class Section:
    """A heading, lines of text, a table.

    Attributes:
        key: what it is called in code, whatever language its title is in.
    """

    key: str
    title: str
    lines: Sequence[str] = ()
    columns: _Cells = ()
    rows: Sequence[_Cells] = field(default=())

    def told(self, spoken: Language) -> "Section":
        """The same with nothing but plain texts in it, in a language."""
        return Section(
            self.key,
            spoken.tell(self.title),
            list(map(spoken.tell, self.lines)),
            list(map(spoken.shown, self.columns)),
            [list(map(spoken.shown, row)) for row in self.rows],
        )


def headline(report: Report) -> str:
    """The result in one sentence."""
    sources = [each for group in report.groups for each in group.sources]
    if not report.passed:
        why = report.problems[0] if report.problems else said("nothing was recovered")
        return said("FAILED: {why}", why=why)
    partly = [
        said("{name} ({words})", name=each.source, words=worded(each.words)) for each in sources if not each.whole
    ]
    took, back = report.took, sum(each.passed for each in sources)
    if partly:
        passed = counted(
            "PASSED: {count} of {all} sources came back, less than everything was compared of {names}, in {took}",
            "PASSED: {count} of {all} sources came back, less than everything was compared of {names}, in {took}",
            back, all=len(sources), names=partly, took=took,
        )  # fmt: skip
    else:
        passed = counted(
            "PASSED: {count} of {all} sources were restored and verified, in {took}",
            "PASSED: {count} of {all} sources were restored and verified, in {took}",
            back, all=len(sources), took=took,
        )  # fmt: skip
    if not report.missed:
        return passed
    missed = counted("{count} target missed", "{count} targets missed", len(report.missed))
    return said("{passed}; {missed}", passed=passed, missed=missed)


def sections(report: Report, spoken: Language = ENGLISH) -> list[Section]:
    """Everything that is in the report, in its order and in a language."""
    sources = [each for group in report.groups for each in group.sources]
    source, what = said("source"), said("what")
    warned = [said("{about}: {what}", about=each.source, what=line) for each in sources for line in each.warnings]
    found = [
        Section("result", said("Result"), [headline(report), *report.problems[1:]]),
        Section("scenario", said("Scenario"), columns=("", ""), rows=_facts(report)),
        Section("times", said("Recovery time"), [said("Seconds by step; the target is for the whole.")],
                *_times(report, spoken)),
        Section("loss", said("What was lost"),
                columns=(source, said("recovered to"), said("minutes"), said("rows"), said("compared with")),
                rows=[_lost(each) for each in sources if each.loss is not None]),
        Section("checks", said("What held"), columns=(said("of"), said("check"), said("result"), said("found")),
                rows=[*_checks(report)]),
        Section("proofs", said("How much was compared"), columns=(source, said("proof"), said("not compared")),
                rows=[(each.source, worded(each.words), "; ".join(map(str, each.gaps))) for each in sources]),
        Section("by_hand", said("Restored with standard tools only"), *_by_hand(report)),
        Section("missed", said("Targets missed"), report.missed or [said("no target was missed")]),
        Section("slower", said("Slower than before"), _slower(sources) or [said("no step was slower")]),
        Section("limits", said("Not verified by this drill"), report.limits or [said("nothing was left out")]),
        Section("notes", said("Notes"), [*report.notes, *warned]),
        Section("timeline", said("Timeline"), columns=("UTC", what),
                rows=[(f"{each.at:%H:%M:%S.%f}"[:-3], each.what) for each in report.timeline]),
        Section("versions", said("Versions"), columns=(source, what, said("version")),
                rows=[(each.source, Word(name), version) for each in sources
                      for name, version in each.versions.items()]),
        Section("evidence", said("Evidence"), columns=(said("file"), "SHA-256", said("what it is")),
                rows=[(each.name, each.sha256, each.what) for each in report.evidence]),
        Section("checking", said("How to check this report"), _checking(report)),
    ]  # fmt: skip
    if report.outage is not None:
        found.insert(2, Section("outage", said("Outage"), columns=("", ""), rows=_outage(report)))
    return [section.told(spoken) for section in found if section.lines or section.rows]


def title(report: Report) -> str:
    """What the report is called."""
    return said("Disaster drill {id}: {scenario}", id=report.id, scenario=report.scenario)


def markdown(report: Report, spoken: Language = ENGLISH) -> str:
    """The report as Markdown, in a language."""
    lines = [f"# {spoken.tell(title(report))}", ""]
    for section in sections(report, spoken):
        lines += [f"## {section.title}", "", *([_bullets(section.lines), ""] if section.lines else [])]
        if section.rows:
            lines += [_row(section.columns), _row("---" for _ in section.columns), *map(_row, section.rows), ""]
    return "\n".join(lines)


def _facts(report: Report) -> list[_Cells]:
    finished = said("{moment}, after {span}", moment=_exact(report.finished_at), span=report.took)
    seed = [(said("seed"), report.seed)] if report.seed is not None else []
    return [
        (said("scenario"), report.scenario),
        (said("started"), said("{moment} by {who}", moment=_exact(report.started_at), who=report.started_by)),
        (said("run"), report.run_id or "–"),
        (said("finished"), finished),
        (said("disaster assumed at"), _exact(report.disaster_at)),
        (said("what survived"), ", ".join(report.stores) or said("nothing")),
        (said("recovery kit"), report.kit),
        *seed,
        (said("machine"), f"{report.host}, {report.product}, Python {report.python}"),
    ]


def _exact(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _times(report: Report, spoken: Language) -> tuple[_Cells, list[_Cells]]:
    sources = [each for group in report.groups for each in group.sources]
    steps = list(dict.fromkeys(step for each in sources for step in each.seconds))
    rows: list[_Cells] = []
    for group in report.groups:
        for each in group.sources:
            cells = [spoken.fixed(each.seconds[step], 2) if step in each.seconds else "" for step in steps]
            rows.append((each.source, *cells, spoken.fixed(each.took_s, 2), _span(each.rto_s), _trend(each, spoken)))
        application = said("application {name}", name=group.name)
        rows.append((application, *[""] * len(steps), spoken.fixed(group.took_s, 2), _span(group.rto_s), ""))
    return ("", *map(Word, steps), Word("altogether"), said("target"), said("before")), rows


def _slower(sources: Sequence[SourceResult]) -> list[str]:
    return [said("{about}: {what}", about=each.source, what=step) for each in sources for step in each.slower]


def _trend(result: SourceResult, spoken: Language) -> str:
    return ", ".join(f"{spoken.fixed(each, 1)} s" for each in result.past_s[:5])


def _lost(result: SourceResult) -> _Cells:
    loss = result.loss
    assert isinstance(loss, Loss)
    tables = [f"{name} {more:+}" if more else said("{name} changed", name=name) for name, more in loss.tables.items()]
    return (
        result.source,
        said("{id} in {store}", id=result.backup_id, store=result.store),
        round(loss.minutes, 1),
        loss.rows if loss.rows is not None else said("not known"),
        said("{about}: {what}", about=loss.against, what=tables) if tables else loss.against,
    )


def _checks(report: Report) -> Iterator[_Cells]:
    for group in report.groups:
        for each in group.sources:
            yield from ((each.source, *_check(check)) for check in each.checks)
        application = said("application {name}", name=group.name)
        yield from ((application, *_check(check)) for check in group.checks)


def _check(check: Check) -> _Cells:
    result = Word("holds") if check.passed else Word("look") if check.attention else Word("FAILED")
    return Word(check.name), result, check.detail


def _by_hand(report: Report) -> tuple[Sequence[str], _Cells, list[_Cells]]:
    rows = [
        (
            each.source,
            said("{id} in {store}", id=each.backup_id, store=each.store),
            worded(each.words),
            [said("{step} {took} s", step=Word(step), took=round(took, 1)) for step, took in each.seconds.items()],
            [counted("{count} comparison", "{count} comparisons", len(each.checks)), _rows(each.rows)],
        )
        for each in report.by_hand
    ]
    columns = (said("source"), said("restore point"), said("result"), said("time"), said("what"))
    return [] if rows else [said("nothing")], columns, list(rows)


def _rows(rows: int | None) -> str:
    return said("rows not known") if rows is None else counted("{count} row", "{count} rows", rows)


def _outage(report: Report) -> list[_Cells]:
    outage = report.outage
    assert outage is not None
    server = (
        said("{source}, a sacrificial server that the drill started", source=outage.source)
        if outage.sacrificial
        else said("{source}, stopped by the user's command", source=outage.source)
    )
    noticed = [(said("noticed by {who} after", who=Word(each.by)), _after(each)) for each in outage.detections]
    down = [(said("real server down for"), _seconds(outage.down_s))] if outage.down_s is not None else []
    return [
        (said("source"), server),
        *noticed,
        *down,
        (said("application works elsewhere after"), _seconds(outage.recovered_s)),
        (said("resolved alert delivered"), said("yes") if outage.resolved else said("no")),
    ]


def _seconds(seconds: float | None) -> str:
    return said("never") if seconds is None else said("{values} s", values=round(seconds, 1))


def _after(detection: Detection) -> str:
    after = _seconds(detection.after_s)
    return said("{name} ({words})", name=after, words=detection.what) if detection.what else after


def _checking(report: Report) -> list[str]:
    return [
        f"minisign -Vm SHA256SUMS -P {report.signed_by}",
        "sha256sum -c SHA256SUMS",
        said(
            "The signature tells that this installation wrote the files and nobody changed them since; compare the "
            "public key with one that was kept elsewhere. It says nothing about what was not tried."
        ),
    ]


def _span(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {text.markdown(line)}" for line in lines)


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(text.markdown(str(cell)) for cell in cells)} |"
