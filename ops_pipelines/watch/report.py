"""The backup report: what is protected, how old it is, what was proved. As Markdown here; as HTML by `report_page`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from ops_pipelines import durable, logs, text
from ops_pipelines.config.models import Config
from ops_pipelines.errors import OpsError
from ops_pipelines.language.said import said
from ops_pipelines.language.speech import Language, language
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.redact import redact
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.watch.health import CopyHealth, SourceHealth, all_health
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
    spoken = language(workspace.config.language)
    told, colour = headline(found)
    verdict = text.markdown(spoken.tell(told))
    verdict = f"**{verdict}**" if colour == "bad" else verdict
    title = spoken.tell(said("Backup report, {moment}", moment=now))
    lines = [f"# {title}", "", verdict, "", *_overview(found, spoken)]
    for health in found:
        lines += ["", f"## {health.source}", "", *_details(workspace.catalogue(health.source), health, spoken)]
    return "\n".join(lines) + "\n"


def build_page(workspace: Workspace, found: Sequence[SourceHealth] | None = None) -> str:
    """The same as a page of HTML that needs nothing beside itself. Arguments as of `build_report`."""
    found = found if found is not None else all_health(workspace)

    def ledger() -> Ledger:
        return workspace.ledger

    spoken = language(workspace.config.language)
    return report_page(workspace.config, found, workspace.catalogue, ledger, workspace.clock.now(), spoken)


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


def _overview(found: Sequence[SourceHealth], spoken: Language) -> list[str]:
    columns = (
        said("source"), said("state"), said("recovery point"), said("proof"), said("age"), "RPO", said("size"),
        said("restore took"), said("proved / kept"),
    )  # fmt: skip
    rows = [f"| {' | '.join(map(spoken.tell, columns))} |", "|---|---|---|---|---|---|---|---|---|"]
    for health in found:
        unknown = spoken.tell(said("not known") if health.recovery_point else said("never"))
        age = spoken.span(health.age) if health.age is not None else unknown
        size = spoken.size(health.size_bytes) if health.size_bytes is not None else "–"
        took = spoken.seconds(health.restore_s) if health.restore_s is not None else "–"
        rows.append(
            f"| {health.source} | {health.state} | {text.markdown(health.recovery_point or '–')} | "
            f"{text.markdown(spoken.word(health.proof.words)) if health.proof is not None else '–'} | {age} | "
            f"{spoken.span(health.rpo)} | {size} | {took} | {health.verified} / {health.restore_points} |"
        )
    return rows


def _details(catalogue: Catalogue, health: SourceHealth, spoken: Language) -> list[str]:
    def shown(words: str) -> str:
        return text.markdown(spoken.tell(words))

    following = spoken.tell(said("Next:"))
    lines = [f"{health.state}: {shown(health.cause)}."]
    if health.safe:
        lines.append(spoken.tell(said("Safe: {what}.", what=shown(health.safe))))
    if health.next:
        lines.append(f"{following} {text.markdown_code(health.next)}")
    for each in health.besides:
        also = spoken.tell(said("Also:"))
        lines += ["", f"{also} {shown(each.cause)}. {following} {text.markdown_code(each.next)}"]
    copies = ", ".join(f"{copy.store} {_age_of(copy, spoken)}" for copy in health.copies)
    lines += ["", spoken.tell(said("Newest copy by store: {copies}.", copies=copies)), ""]
    points = list(catalogue.points)[-_SHOWN:]
    if points:
        columns = (said("restore point"), said("rows"), said("size"), said("stores"), said("verdict"))
        lines += [f"| {' | '.join(map(spoken.tell, columns))} |", "|---|---|---|---|---|"]
        lines += [_row(point, spoken) for point in reversed(points)]
    told = remarks(health)
    return [*lines, *([""] if told else []), *(f"- {shown(line)}" for line in told)]


def _age_of(copy: CopyHealth, spoken: Language) -> str:
    if copy.backup_id is None:
        return f"**{spoken.tell(copy.age_text)}**"
    return spoken.span(copy.age) if copy.age is not None else spoken.tell(copy.age_text)


def _row(point: RestorePoint, spoken: Language) -> str:
    verdict = point.verdict
    told = spoken.tell(said("not verified yet"))
    if verdict is not None:
        told = f"{spoken.word(verdict.words)} ({spoken.tell(verdict.reason)})"
    manifest = point.manifest
    return (
        f"| {text.markdown(point.id)} | {manifest.contents.rows_text} | {spoken.size(manifest.size_bytes)} | "
        f"{', '.join(point.stores)} | {text.markdown(told)} |"
    )
