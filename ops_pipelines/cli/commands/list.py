"""`ops list`: the restore points, read from the manifests in the stores."""

from datetime import datetime
from typing import Annotated

import typer

from ops_pipelines.chronology import in_words
from ops_pipelines.cli import output
from ops_pipelines.clock import Clock, human_size
from ops_pipelines.errors import StoreError
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.vault.trust import foreign_points
from ops_pipelines.workspace import Workspace


@output.explained
def list_(
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Default: all.")] = None,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """List restore points, newest first: when, how large, where, and whether proved.

    Example: ops list crm --json
    """
    workspace = output.open_work(config)
    names = sources or list(workspace.config.sources)
    catalogues = {name: workspace.catalogue(name) for name in names}
    for name, catalogue in catalogues.items():
        # One that was renamed or taken out of ops.yaml still has its backups.
        if not (catalogue.points or catalogue.strangers):
            workspace.config.source(name)
    problems = [problem for catalogue in catalogues.values() for problem in catalogue.messages]
    if as_json:
        output.print_json({name: _document(catalogue) for name, catalogue in catalogues.items()})
    else:
        rows = [row for catalogue in catalogues.values() for row in _rows(workspace.clock, catalogue)]
        output.print_table(["source", "restore point", "age", "rows", "size", "stores", "verdict"], rows)
        for name, catalogue in catalogues.items():
            if foreign := foreign_points(catalogue.strangers):
                output.say("{}: {}, and are left alone", name, foreign)
        if not sources and (former := _former(workspace)):
            output.say("not in ops.yaml any more: {}; ops list {} shows them", ", ".join(former), " ".join(former))
        for problem in problems:
            output.warn("[yellow]![/] {}", problem)
    return output.ATTENTION if problems else output.FINE


def _former(workspace: Workspace) -> list[str]:
    """Sources that the local store has backups of, and that ops.yaml does not name."""
    try:
        return [name for name in workspace.local.sources() if name not in workspace.config.sources]
    except StoreError:
        return []


def _rows(clock: Clock, catalogue: Catalogue) -> list[list[str]]:
    now = clock.now()
    return [
        [
            point.manifest.source,
            point.id,
            _age(catalogue, point, now),
            point.manifest.contents.rows_text,
            human_size(point.manifest.size_bytes),
            ", ".join(point.stores),
            _verdict(point),
        ]
        for point in reversed(catalogue.points)
    ]


def _age(catalogue: Catalogue, point: RestorePoint, now: datetime) -> str:
    at = catalogue.moments(now)[point.id]
    return in_words(point.started_at if at is None or point in catalogue.ahead(now) else at, now)


def _verdict(point: RestorePoint) -> str:
    proof = output.markup("{} {}", output.proof(point.verdict), point.verdict.reason) if point.verdict else "–"
    return output.markup("{}; safety restore point, taken before a replacement", proof) if point.safety else proof


def _document(catalogue: Catalogue) -> dict[str, object]:
    points = [
        {
            **(manifest := point.manifest.model_dump(mode="json")),
            # Nobody counted them: zero would be a figure.
            "contents": {**manifest["contents"], "rows": point.manifest.contents.known_rows},
            "notes": point.manifest.notes,
            "stores": point.stores,
            "verdict": {**point.verdict.model_dump(mode="json"), "words": point.verdict.words}
            if point.verdict
            else None,
        }
        for point in reversed(catalogue.points)
    ]
    strangers = [
        {"standing": each.standing, "id": each.id, "store": each.store, "verdict": each.name, "why": each.why}
        for each in catalogue.strangers
    ]
    return {"restore_points": points, "problems": catalogue.messages, "strangers": strangers}
