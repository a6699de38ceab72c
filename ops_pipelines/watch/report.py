"""The backup report: what is protected, how old it is, what was proved. Markdown, for people."""

from collections.abc import Sequence
from pathlib import Path

from ops_pipelines import durable, logs, text
from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.config.models import Config
from ops_pipelines.errors import OpsError
from ops_pipelines.places import Places
from ops_pipelines.redact import redact
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.watch.health import SourceHealth, all_health
from ops_pipelines.watch.snapshots import look
from ops_pipelines.workspace import Workspace

_SHOWN = 7


def build_report(workspace: Workspace, found: Sequence[SourceHealth] | None = None) -> str:
    """The report on every source, as Markdown.

    Args:
        found: how they are, for who has just looked.
    """
    found = found if found is not None else all_health(workspace)
    now = workspace.clock.now()
    lines = [f"# Backup report, {now:%Y-%m-%d %H:%M} UTC", "", _headline(found), "", *_overview(found)]
    for health in found:
        lines += ["", f"## {health.source}", "", *_details(workspace.catalogue(health.source), health)]
    return "\n".join(lines) + "\n"


def write_report(workspace: Workspace, found: Sequence[SourceHealth] | None = None) -> list[Path]:
    """Write the report: a dated file below `base/reports`, which is the first returned, and where the newest one lies.

    Args:
        found: as in `build_report`.
    """
    report = build_report(workspace, found)
    directory = workspace.places.reports
    dated = directory / f"report-{workspace.clock.now():%Y%m%d-%H%M%S}.md"
    written = [dated, *_latest(workspace.config, workspace.places)]
    for path in written:
        _write(path, report)
    return written


def _latest(config: Config, places: Places) -> list[Path]:
    """Where the newest report lies: always below `base`, and where `report.path` says."""
    report = config.report
    return [places.reports / "latest.md", *([report.path] if report.path is not None else [])]


def renew_report(workspace: Workspace, found: Sequence[SourceHealth] | None = None) -> None:
    """Write `latest.md` anew, after something that changes what it says. That it cannot be written fails nothing.

    What is seen is kept as well, for `ops serve`: where no daemon runs, nobody else tells it.

    Args:
        found: as in `build_report`.
    """
    try:
        report = build_report(workspace, found if found is not None else look(workspace))
        for path in _latest(workspace.config, workspace.places):
            _write(path, report)
    except (OpsError, OSError) as error:
        logs.event("report_not_written", level="error", error=str(error))


def _write(path: Path, report: str) -> None:
    """All of it or nothing: somebody may read it meanwhile."""
    durable.write(path, redact(report).encode())


def _headline(found: Sequence[SourceHealth]) -> str:
    broken = [health.source for health in found if not health.ok and not health.rpo_holds]
    if broken:
        return f"**{len(broken)} of {len(found)} sources cannot hold their RPO: {', '.join(broken)}.**"
    damaged = [health.source for health in found if not health.ok]
    if damaged:
        return f"**All {len(found)} sources hold their RPO, and something is broken in: {', '.join(damaged)}.**"
    partly = [
        f"{health.source} ({text.markdown(health.proof.words)})"
        for health in found
        if health.proof and not health.proof.whole
    ]
    if partly:
        return f"All {len(found)} sources hold their RPO. Less than everything was compared: {', '.join(partly)}."
    return f"All {len(found)} sources hold their RPO: each was restored and compared."


def _overview(found: Sequence[SourceHealth]) -> list[str]:
    rows = [
        "| source | state | recovery point | proof | age | RPO | size | restore took | proved / kept |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for health in found:
        unknown = "not known" if health.recovery_point else "never"
        age = human_duration(health.age) if health.age is not None else unknown
        size = human_size(health.size_bytes) if health.size_bytes is not None else "–"
        took = f"{health.restore_s:.1f}s" if health.restore_s is not None else "–"
        rows.append(
            f"| {health.source} | {health.state} | {text.markdown(health.recovery_point or '–')} | "
            f"{text.markdown(health.proof.words) if health.proof is not None else '–'} | {age} | "
            f"{human_duration(health.rpo)} | {size} | {took} | {health.verified} / {health.restore_points} |"
        )
    return rows


def _details(catalogue: Catalogue, health: SourceHealth) -> list[str]:
    lines = [f"{health.state}: {text.markdown(health.cause)}."]
    if health.safe:
        lines.append(f"Safe: {text.markdown(health.safe)}.")
    if health.next:
        lines.append(f"Next: {text.markdown_code(health.next)}")
    for each in health.besides:
        lines += ["", f"Also: {text.markdown(each.cause)}. Next: {text.markdown_code(each.next)}"]
    copies = ", ".join(
        f"{copy.store} {copy.age_text}" if copy.backup_id is not None else f"{copy.store} **none**"
        for copy in health.copies
    )
    lines += ["", f"Newest copy by store: {copies}.", ""]
    points = list(catalogue.points)[-_SHOWN:]
    if points:
        lines += ["| restore point | rows | size | stores | verdict |", "|---|---|---|---|---|"]
        lines += [_row(point) for point in reversed(points)]
    remarks = [f"not compared: {gap}" for gap in (health.proof.gaps if health.proof is not None else ())]
    remarks += [f"{health.newest}: {note}" for note in health.notes if note not in remarks]
    remarks += [f"problem: {problem}" for problem in health.problems]
    remarks += [health.foreign] if health.foreign else []
    return [*lines, *([""] if remarks else []), *(f"- {text.markdown(line)}" for line in remarks)]


def _row(point: RestorePoint) -> str:
    verdict = point.verdict
    said = f"{verdict.words} ({verdict.reason})" if verdict is not None else "not verified yet"
    manifest = point.manifest
    return (
        f"| {text.markdown(point.id)} | {manifest.contents.rows_text} | {human_size(manifest.size_bytes)} | "
        f"{', '.join(point.stores)} | {text.markdown(said)} |"
    )
