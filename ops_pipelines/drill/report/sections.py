"""The report for people: one list of sections, written as Markdown here, and in `page` as HTML."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from ops_pipelines import text
from ops_pipelines.clock import human_duration
from ops_pipelines.drill.record import Detection, Loss, Report, SourceResult
from ops_pipelines.vault.verdict import Check


@dataclass(frozen=True)
class Section:
    """A heading, lines of text, a table."""

    title: str
    lines: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default=())


def headline(report: Report) -> str:
    """The result in one sentence."""
    sources = [each for group in report.groups for each in group.sources]
    back = sum(each.passed for each in sources)
    took = human_duration(report.took)
    if not report.passed:
        return f"FAILED: {report.problems[0] if report.problems else 'nothing was recovered'}"
    missed = f"; {len(report.missed)} targets missed" if report.missed else ""
    partly = [f"{each.source} ({each.words})" for each in sources if not each.whole]
    proved = f"came back, less than everything was compared of {', '.join(partly)}" if partly else _PROVED
    return f"PASSED: {back} of {len(sources)} sources {proved}, in {took}{missed}"


_PROVED = "were restored and verified"


def sections(report: Report) -> list[Section]:
    """Everything that is in the report, in its order."""
    sources = [each for group in report.groups for each in group.sources]
    found = [
        Section("Result", [headline(report), *report.problems[1:]]),
        Section("Scenario", columns=("", ""), rows=_facts(report)),
        Section("Recovery time", ["Seconds by step; the target is for the whole."], *_times(report)),
        Section("What was lost", columns=("source", "recovered to", "minutes", "rows", "compared with"),
                rows=[_lost(each) for each in sources if each.loss is not None]),
        Section("What held", columns=("of", "check", "result", "found"), rows=[*_checks(report)]),
        Section("How much was compared", columns=("source", "proof", "not compared"),
                rows=[(each.source, each.words, "; ".join(map(str, each.gaps))) for each in sources]),
        Section("Restored with standard tools only", *_by_hand(report)),
        Section("Targets missed", report.missed or ["none"]),
        Section("Slower than before", _slower(sources) or ["none"]),
        Section("Not verified by this drill", report.limits or ["nothing was left out"]),
        Section("Notes", [*report.notes, *(f"{each.source}: {line}" for each in sources for line in each.warnings)]),
        Section("Timeline", columns=("UTC", "what"),
                rows=[(f"{each.at:%H:%M:%S.%f}"[:-3], each.what) for each in report.timeline]),
        Section("Versions", columns=("source", "what", "version"),
                rows=[(each.source, what, version) for each in sources for what, version in each.versions.items()]),
        Section("Evidence", columns=("file", "SHA-256", "what it is"),
                rows=[(each.name, each.sha256, each.what) for each in report.evidence]),
        Section("How to check this report", _checking(report)),
    ]  # fmt: skip
    if report.outage is not None:
        found.insert(2, Section("Outage", columns=("", ""), rows=_outage(report)))
    return [section for section in found if section.lines or section.rows]


def markdown(report: Report) -> str:
    """The report as Markdown."""
    lines = [f"# Disaster drill {report.id}: {report.scenario}", ""]
    for section in sections(report):
        lines += [f"## {section.title}", "", *([_bullets(section.lines), ""] if section.lines else [])]
        if section.rows:
            lines += [_row(section.columns), _row("---" for _ in section.columns), *map(_row, section.rows), ""]
    return "\n".join(lines)


def _facts(report: Report) -> list[tuple[str, str]]:
    seed = [("seed", str(report.seed))] if report.seed is not None else []
    return [
        ("scenario", report.scenario),
        ("started", f"{report.started_at:%Y-%m-%d %H:%M:%S} UTC by {report.started_by}"),
        ("run", report.run_id or "none"),
        ("finished", f"{report.finished_at:%Y-%m-%d %H:%M:%S} UTC, after {human_duration(report.took)}"),
        ("disaster assumed at", f"{report.disaster_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("what survived", ", ".join(report.stores) or "nothing"),
        ("recovery kit", report.kit),
        *seed,
        ("machine", f"{report.host}, {report.product}, Python {report.python}"),
    ]


def _times(report: Report) -> tuple[Sequence[str], list[tuple[str, ...]]]:
    sources = [each for group in report.groups for each in group.sources]
    steps = list(dict.fromkeys(step for each in sources for step in each.seconds))
    rows = []
    for group in report.groups:
        for each in group.sources:
            cells = [f"{each.seconds[step]:.2f}" if step in each.seconds else "" for step in steps]
            rows.append((each.source, *cells, f"{each.took_s:.2f}", _span(each.rto_s), _trend(each)))
        blank = [""] * len(steps)
        rows.append((f"application {group.name}", *blank, f"{group.took_s:.2f}", _span(group.rto_s), ""))
    return ("", *steps, "altogether", "target", "before"), rows


def _slower(sources: Sequence[SourceResult]) -> list[str]:
    return [f"{each.source}: {step}" for each in sources for step in each.slower]


def _trend(result: SourceResult) -> str:
    return ", ".join(f"{each:.1f}" for each in result.past_s[:5])


def _lost(result: SourceResult) -> tuple[str, ...]:
    loss = result.loss
    assert isinstance(loss, Loss)
    rows = "not known" if loss.rows is None else str(loss.rows)
    tables = "; ".join(f"{name} {more:+}" if more else f"{name} changed" for name, more in loss.tables.items())
    return (
        result.source,
        f"{result.backup_id} in {result.store}",
        f"{loss.minutes:.1f}",
        rows,
        (f"{loss.against}: {tables}" if tables else loss.against),
    )


def _checks(report: Report) -> Iterable[tuple[str, ...]]:
    for group in report.groups:
        for each in group.sources:
            yield from ((each.source, *_check(check)) for check in each.checks)
        yield from ((f"application {group.name}", *_check(check)) for check in group.checks)


def _check(check: Check) -> tuple[str, str, str]:
    result = "holds" if check.passed else "look" if check.attention else "FAILED"
    return check.name, result, check.detail


def _by_hand(report: Report) -> tuple[Sequence[str], Sequence[str], list[tuple[str, ...]]]:
    rows: list[tuple[str, ...]] = [
        (
            each.source,
            f"{each.backup_id} in {each.store}",
            each.words,
            ", ".join(f"{step} {took:.1f} s" for step, took in each.seconds.items()),
            f"{len(each.checks)} comparisons, {_rows(each.rows)}",
        )
        for each in report.by_hand
    ]
    return [] if rows else ["nothing"], ("source", "restore point", "result", "time", "what"), rows


def _rows(rows: int | None) -> str:
    return "rows not known" if rows is None else f"{rows} rows"


def _outage(report: Report) -> list[tuple[str, str]]:
    outage = report.outage
    assert outage is not None

    def in_seconds(seconds: float | None) -> str:
        return "never" if seconds is None else f"{seconds:.1f} s"

    server = "a sacrificial server that the drill started" if outage.sacrificial else "stopped by the user's command"
    noticed = [(f"noticed by {each.by} after", _after(in_seconds, each)) for each in outage.detections]
    down = [("real server down for", in_seconds(outage.down_s))] if outage.down_s is not None else []
    return [
        ("source", f"{outage.source}, {server}"),
        *noticed,
        *down,
        ("application works elsewhere after", in_seconds(outage.recovered_s)),
        ("resolved alert delivered", "yes" if outage.resolved else "no"),
    ]


def _after(in_seconds: Callable[[float | None], str], detection: Detection) -> str:
    return f"{in_seconds(detection.after_s)}{f' ({detection.what})' if detection.what else ''}"


def _checking(report: Report) -> list[str]:
    return [
        f"minisign -Vm SHA256SUMS -P {report.signed_by}",
        "sha256sum -c SHA256SUMS",
        "The signature tells that this installation wrote the files and nobody changed them since; compare the public "
        "key with one that was kept elsewhere. It says nothing about what was not tried.",
    ]


def _span(seconds: float) -> str:
    return human_duration(timedelta(seconds=seconds))


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {text.markdown(line)}" for line in lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(text.markdown, cells))} |"
