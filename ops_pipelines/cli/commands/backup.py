"""`ops backup`: dump, copy, restore and compare now, as a Dagster run."""

from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.cli.through_dagster import Chosen, run_sources
from ops_pipelines.config.models import Config
from ops_pipelines.starting import start_command
from ops_pipelines.watch.snapshots import ever_watched
from ops_pipelines.workspace import open_workspace


@output.explained
def backup(
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Default: all.")] = None,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Also restore it and compare.")] = True,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show Dagster's own log.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Back up sources now: dump, copy to every store, restore the farthest copy, compare, report.

    Runs through Dagster, so it shows in its UI. Example: ops backup crm
    """
    from ops_pipelines.orchestration.jobs import chain_selection  # noqa: PLC0415
    from ops_pipelines.orchestration.names import PLAIN  # noqa: PLC0415

    loaded, found = output.open_config(config)
    workspace = open_workspace(loaded)
    names = _in_order(loaded, sources or [name for name in loaded.sources if loaded.dumped_here(name)])
    choices: dict[str, Chosen] = {}
    for name in names:
        workspace.config.source(name)
        keys = chain_selection(loaded, name)
        chosen = keys if verify else keys[: keys.index(PLAIN.verified(name))]
        choices[name] = (chosen, None, {})
    status = run_sources(loaded, found, choices, as_json=as_json, verbose=verbose)
    if status == output.FINE and not as_json:
        output.say("\nnext: [bold]{}[/]", "ops status" if ever_watched(workspace.ledger) else start_command(found))
    return status


def _in_order(config: Config, names: list[str]) -> list[str]:
    """Folders after the database they belong to: a file is uploaded before its row is written."""
    return sorted(names, key=lambda name: name not in config.heads)
