"""`ops verify`: restore a backup into a scratch server and compare, as a Dagster run."""

from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.cli.through_dagster import Chosen, run_sources
from ops_pipelines.errors import StoreError
from ops_pipelines.recovery.choose import choose
from ops_pipelines.recovery.refuse import refuse_shared_server
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace, open_workspace


@output.explained
def verify(
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...", help="All unless named.")] = None,
    backup: Annotated[str, typer.Option("--backup", help="A restore point's id; the newest unless given.")] = "",
    store: Annotated[str, typer.Option("--from", help="The store to fetch from; the farthest unless given.")] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show Dagster's own log.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Prove backups: restore into a throwaway server, compare with what the source held, run your checks.

    Runs through Dagster, so it shows in its UI. Example: ops verify crm --from nas
    """
    from ops_pipelines.orchestration.names import REPORT_KEY, verified_key  # noqa: PLC0415
    from ops_pipelines.orchestration.partitions import day_of  # noqa: PLC0415

    loaded, found = output.open_config(config)
    workspace = open_workspace(loaded)
    choices: dict[str, Chosen] = {}
    for name in sources or list(loaded.sources):
        workspace.source(name)
        refuse_shared_server(workspace, name)
        point = choose(workspace, name, backup) if backup else _newest(workspace, name)
        if store and store not in point.stores:
            raise StoreError(f"{point.id} is not in {store}", why=f"it is in {', '.join(point.stores)}")
        op = f"{name}__verified"
        run_config = {"ops": {op: {"config": {"backup_id": point.id, "store": store}}}}
        choices[name] = ([verified_key(name), REPORT_KEY], day_of(loaded, point.started_at), run_config)
    return run_sources(loaded, found, choices, as_json=as_json, verbose=verbose)


def _newest(workspace: Workspace, name: str) -> RestorePoint:
    newest = workspace.catalogue(name).newest
    if newest is None:
        raise StoreError(f"{name} has no restore point yet", next=f"ops backup {name}")
    return newest
