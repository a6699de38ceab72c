"""`ops status`: does every source hold its RPO? Reads the stores; works when Dagster is gone."""

from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.watch.health import EXIT_STATUS, SourceHealth
from ops_pipelines.watch.phases import PhaseHealth
from ops_pipelines.watch.snapshots import look


@output.explained
def status(
    steps: Annotated[bool, typer.Option("--steps", help="Every step and store of every source, too.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Show every source's recovery point, its age, and what to do about it.

    Exit status: 0 fine, 1 attention, 2 broken. Example: ops status --json
    """
    found = look(output.open_work(config))
    worst = max(EXIT_STATUS[health.state] for health in found)
    if as_json:
        output.print_json({"ok": worst == output.FINE, "sources": [health.model_dump(mode="json") for health in found]})
        return worst
    output.print_table(
        ["source", "state", "recovery point", "age", "rpo", "size", "restore", "copies", "verified"],
        [_row(health) for health in found],
    )
    if steps:
        output.print_table(
            ["source", "step", "state", "age", "allowed", "found"],
            [_step(health.source, phase) for health in found for phase in health.phases],
        )
    for health in found:
        if health.state != "OK":
            output.say(f"\n{health.source}: {health.cause}\n  next: [bold]{health.next}[/]")
    return worst


def _step(source: str, phase: PhaseHealth) -> list[str]:
    return [
        source,
        f"{phase.phase} {phase.store or ''}".strip(),
        output.coloured(phase.state),
        human_duration(phase.age) if phase.age is not None else "–",
        human_duration(phase.threshold) if phase.threshold is not None else "–",
        phase.cause,
    ]


def _row(health: SourceHealth) -> list[str]:
    copies = [f"{copy.store} {human_duration(copy.age) if copy.age is not None else '–'}" for copy in health.copies]
    return [
        health.source,
        output.coloured(health.state),
        health.recovery_point or "–",
        human_duration(health.age) if health.age is not None else "never",
        human_duration(health.rpo),
        human_size(health.size_bytes) if health.size_bytes is not None else "–",
        f"{health.restore_s:.1f}s" if health.restore_s is not None else "–",
        ", ".join(copies),
        f"{health.verified}/{health.restore_points}",
    ]
