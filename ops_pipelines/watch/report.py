"""The backup report: what is protected, how old it is, what was proved. As Markdown here; as HTML by `report_page`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from ops_pipelines import durable, logs, text
from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.config.models import Config
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.redact import redact
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.watch.health import SourceHealth, all_health
from ops_pipelines.watch.report_page import report_page
from ops_pipelines.watch.snapshots import look
from ops_pipelines.watch.words import headline, remarks
from ops_pipelines.workspace import Workspace

Form = Literal["md", "html"]

_SHOWN = 7


def build_report(workspace: Workspace, found: Sequence[SourceHealth] | None = None) -> str:
    """The report on every source, as Markdown.

    Args:
        found: how they are, for who has just looked.
    """
    found = found if found is not None else all_health(workspace)
    now = workspace.clock.now()
    said, colour = headline(found)
    said = f"**{text.markdown(said)}**" if colour == "bad" else text.markdown(said)
    lines = [f"# Backup report, {now:%Y-%m-%d %H:%M} UTC", "", said, "", *_overview(found)]
    for health in found:
        lines += ["", f"## {health.source}", "", *_details(workspace.catalogue(health.source), health)]
    return "\n".join(lines) + "\n"


def build_page(workspace: Workspace, found: Sequence[SourceHealth] | None = None) -> str:
    """The same as a page of HTML that needs nothing beside itself. Arguments as of `build_report`."""
    found = found if found is not None else all_health(workspace)

    def ledger() -> Ledger:
        return workspace.ledger

    return report_page(workspace.config, found, workspace.catalogue, ledger, workspace.clock.now())


def write_report(workspace: Workspace, found: Sequence[SourceHealth] | None = None, *, form: Form = "md") -> list[Path]:
    """Write the report: a dated file below `base/reports`, which is the first returned, and where the newest one lies.

    Args:
        found: as in `build_report`.
        form: of the dated file, and of the newest one beside it; `report.path` says its own by how it ends.
    """
    found = found if found is not None else all_health(workspace)
    directory = workspace.places.reports
    dated = directory / f"report-{workspace.clock.now():%Y%m%d-%H%M%S}.{form}"
    written = [dated, directory / f"latest.{form}", *_of_ones_own(workspace.config)]
    _write_all(workspace, found, {path: form_of(path) for path in written})
    return written


def write_to(workspace: Workspace, path: Path, found: Sequence[SourceHealth], *, form: Form) -> None:
    """Write the report to this file alone. Raises OSError."""
    _write_all(workspace, found, {path: form})


def renew_report(workspace: Workspace, found: Sequence[SourceHealth] | None = None) -> None:
    """Write `latest.md` anew, after something that changes what it says. That it cannot be written fails nothing.

    What is seen is kept as well, for `ops serve`: where no daemon runs, nobody else tells it.

    Args:
        found: as in `build_report`.
    """
    try:
        found = found if found is not None else look(workspace)
        paths = [workspace.places.reports / "latest.md", *_of_ones_own(workspace.config)]
        _write_all(workspace, found, {path: form_of(path) for path in paths})
    except (OpsError, OSError) as error:
        logs.event("report_not_written", level="error", error=str(error))


def form_of(path: Path) -> Form:
    """The form of a report, by what its file is called."""
    return "html" if path.suffix.lower() in (".html", ".htm") else "md"


def _of_ones_own(config: Config) -> list[Path]:
    """Where `report.path` says."""
    return [config.report.path] if config.report.path is not None else []


def _write_all(workspace: Workspace, found: Sequence[SourceHealth], paths: Mapping[Path, Form]) -> None:
    """Each whole or not at all: somebody may read it meanwhile."""
    builders: Mapping[Form, Callable[[Workspace, Sequence[SourceHealth]], str]] = {
        "md": build_report, "html": build_page,
    }  # fmt: skip
    built = {form: redact(builders[form](workspace, found)).encode() for form in set(paths.values())}
    for path, form in paths.items():
        durable.write(path, built[form])


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
    said = remarks(health)
    return [*lines, *([""] if said else []), *(f"- {text.markdown(line)}" for line in said)]


def _row(point: RestorePoint) -> str:
    verdict = point.verdict
    said = f"{verdict.words} ({verdict.reason})" if verdict is not None else "not verified yet"
    manifest = point.manifest
    return (
        f"| {text.markdown(point.id)} | {manifest.contents.rows_text} | {human_size(manifest.size_bytes)} | "
        f"{', '.join(point.stores)} | {text.markdown(said)} |"
    )
