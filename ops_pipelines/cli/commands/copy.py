"""`ops copy`: fill a store with the restore points it lacks, and replace copies that were proved damaged."""

from typing import Annotated

import typer

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.cli import output
from ops_pipelines.cli.progress import shown
from ops_pipelines.errors import StoreError
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace


@output.explained
def copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Whose restore points.")],
    to: Annotated[str, typer.Option("--to", help="The store to copy to.")],
    backup: Annotated[str, typer.Option("--backup", help="One restore point's id; all unless given.")] = "",
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Copy restore points to a store that lacks them, or whose copy was proved damaged. Works without Dagster.

    Example: ops copy crm --to nas
    """
    workspace = output.open_work(config)
    workspace.source(source)
    if to not in workspace.stores or to == workspace.local.name:
        known = ", ".join(name for name in workspace.stores if name != workspace.local.name)
        raise StoreError(f"no store is called {to!r}", why=f"ops.yaml has: {known or 'none'}")
    wanted = _lacking(workspace, source, to, backup)
    with shown(source, quiet=as_json) as progress:
        for point in wanted:
            copy_to(workspace, point, to, progress=progress)
    ids = [point.id for point in wanted]
    if as_json:
        output.print_json({"ok": True, "source": source, "store": to, "copied": ids})
    else:
        output.say(
            "[green]✓[/] {}: {} restore point{} copied to {}", source, len(ids), "" if len(ids) == 1 else "s", to
        )
    return output.FINE


def _lacking(workspace: Workspace, source: str, store: str, backup: str) -> list[RestorePoint]:
    points = workspace.catalogue(source).points
    if backup and not any(point.id == backup for point in points):
        raise StoreError(f"{source} has no restore point {backup}", next=f"ops list {source}")
    return [
        point
        for point in points
        if (not backup or point.id == backup) and (store not in point.stores or store in point.damaged)
    ]
