"""`ops restore`: the bad day. Works without Dagster."""

from dataclasses import asdict
from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.cli.progress import shown
from ops_pipelines.clock import human_duration
from ops_pipelines.recovery.restore import LATEST, choose, restore_to


@output.explained
def restore(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="What to bring back.")],
    to: Annotated[str, typer.Option("--to", help="A new database's name beside the source, or a URL.")],
    backup: Annotated[str, typer.Option("--backup", help="A restore point's id.")] = LATEST,
    store: Annotated[str, typer.Option("--from", help="The store to fetch from; the nearest unless given.")] = "",
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Restore a source into a new database, then prove what came back. Never touches the source.

    Refuses (exit status 3) a target that is the source or is not empty. Example: ops restore crm --to crm_restored
    """
    workspace = output.open_work(config)
    workspace.source(source)
    point = choose(workspace, source, backup)
    if not as_json:
        age = human_duration(workspace.clock.now() - point.started_at)
        output.say(
            f"restoring {point.id} of {source}, taken {point.started_at:%Y-%m-%d %H:%M} UTC ({age} ago), to {to}"
        )
    with shown(source, quiet=as_json) as progress:
        recovered = restore_to(workspace, point, to, store=store or None, progress=progress)
    if as_json:
        document = {**asdict(recovered), "checks": [check.model_dump() for check in recovered.checks]}
        output.print_json({"ok": recovered.good, **document})
    else:
        rows = [[check.name, "passed" if check.passed else "FAILED", check.detail] for check in recovered.checks]
        output.print_table(["check", "result", "found"], rows)
        word = "[green]verified[/]" if recovered.good else "[red]NOT as it was[/]"
        output.say(f"{word}: {to} restored from {recovered.store} in {recovered.seconds:.1f}s")
        for warning in recovered.warnings:
            output.errors.print(f"[yellow]![/] {warning}")
    return output.FINE if recovered.good else output.BROKEN
