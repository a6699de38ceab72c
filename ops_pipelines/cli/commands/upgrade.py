"""`ops upgrade --check`: what this version will change of what an earlier one left."""

import os
from dataclasses import asdict
from typing import Annotated

import typer

from ops_pipelines import __version__, upgrading
from ops_pipelines.cli import output
from ops_pipelines.errors import OpsError
from ops_pipelines.workspace import Workspace

_SHOWN = {"same": "[green]same[/]", "changes": "[yellow]changes[/]", "newer": "[red]newer[/]", "unknown": "[red]?[/]"}


@output.explained
def upgrade(
    check: Annotated[bool, typer.Option("--check", help="Say what would change; nothing is changed.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Say what this version will change of what an earlier one left: the ledger, restore points, old names.

    Install the new version beside the old one, and ask it before it is used. It only reads.
    Exit status: 0 nothing changes, 1 something will, 2 something cannot be used or cannot be asked.
    Example: ops upgrade --check
    """
    if not check:
        raise OpsError(
            "an upgrade needs no command",
            why="a new version brings the ledger up to date with its first use, and leaves restore points as they are",
            safe="nothing was changed",
            next="ops upgrade --check says what would change",
        )
    loaded, found = output.open_config(config)
    findings = list(upgrading.look(loaded, Workspace(loaded).trust, os.environ))
    states = {each.state for each in findings}
    status = (
        output.BROKEN if states & {"newer", "unknown"} else output.ATTENTION if "changes" in states else output.FINE
    )
    if as_json:
        output.print_json(
            {
                "ok": status == output.FINE,
                "version": __version__,
                "configuration": str(found),
                "findings": [asdict(each) for each in findings],
            }
        )
        return status
    output.say("ops_pipelines {} on {}, which it can read:", __version__, found)
    rows = [[each.what, each.found, each.known, output.Markup(_SHOWN[each.state]), each.said] for each in findings]
    output.print_table(["what", "found", "this version", "state", "what becomes of it"], rows)
    if status == output.ATTENTION:
        output.say("\nnext: [bold]ops backup[/] with the version that is in use; then this one may take its place")
    return status
