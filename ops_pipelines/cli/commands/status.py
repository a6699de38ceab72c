"""`ops status`: does every source hold its RPO? Reads the stores; works when Dagster is gone."""

from contextlib import suppress
from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.ledger.ledger import LedgerError
from ops_pipelines.watch.alerts.conditions import Condition
from ops_pipelines.watch.alerts.configuration import look_at_configuration
from ops_pipelines.watch.alerts.silence import look_at_daemon
from ops_pipelines.watch.health import EXIT_STATUS, SourceHealth
from ops_pipelines.watch.phases import PhaseHealth
from ops_pipelines.watch.snapshots import look
from ops_pipelines.watch.trends import TARGET
from ops_pipelines.workspace import Workspace


@output.explained
def status(
    steps: Annotated[
        bool, typer.Option("--steps", help="Show every step and store of every source, with trends.")
    ] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Show every source's recovery point, its age, and what to do about it.

    Exit status: 0 fine, 1 attention, 2 broken. Example: ops status --json
    """
    workspace = output.open_last_good(config)
    broken = next(iter(look_at_configuration(workspace).conditions), None)
    found, silence = look(workspace), _silence(workspace)
    worst = max(EXIT_STATUS[health.state] for health in found)
    if silence is not None or broken is not None:
        worst = output.BROKEN
    if as_json:
        sources = [health.model_dump(mode="json") for health in found]
        besides = {"daemon_silent": _condition(silence), "configuration_broken": _condition(broken)}
        output.print_json({"ok": worst == output.FINE, "sources": sources, **besides})
        return worst
    output.print_table(
        ["source", "state", "recovery point", "proof", "age", "rpo", "size", "restore", "copies", "proved"],
        [_row(health) for health in found],
    )
    if steps:
        output.print_table(
            ["source", "step", "state", "age", "allowed", "found", "next"],
            [_step(health.source, phase) for health in found for phase in health.phases],
        )
        output.print_table(
            ["source", "backups in 7 days", "verified in 7 days", "restores took", "growth per day"],
            [_trends(health) for health in found],
        )
    for health in found:
        if health.state != "OK":
            output.say("\n{}: {}", health.source, health.cause)
            if health.safe:
                output.say("  safe: {}", health.safe)
            output.say("  next: [bold]{}[/]", health.next)
        for other in health.besides:
            output.say("  also: {}\n  next: [bold]{}[/]", other.cause, other.next)
        for line in _notes(health):
            output.say("[yellow]![/] {}: {}", health.source, line)
        if health.foreign:
            output.say("{}: {}", health.source, health.foreign)
    for each in (silence, broken):
        if each is not None:
            output.say("\n[bold red]{}[/]: {}\n  next: [bold]{}[/]", each.title, each.cause, each.next)
    return worst


def _condition(condition: Condition | None) -> dict[str, str] | None:
    if condition is None:
        return None
    return {"what": condition.title, "cause": condition.cause, "next": condition.next}


def _silence(workspace: Workspace) -> Condition | None:
    """The daemon's silence, as far as the ledger can be read: states are told without it."""
    with suppress(LedgerError):
        return next(iter(look_at_daemon(workspace).conditions), None)
    return None


def _step(source: str, phase: PhaseHealth) -> list[str]:
    return [
        source,
        f"{phase.phase} {phase.store or ''}".strip(),
        output.coloured(phase.state),
        human_duration(phase.age) if phase.age is not None else "–",
        human_duration(phase.threshold) if phase.threshold is not None else "–",
        phase.cause,
        phase.next,
    ]


def _trends(health: SourceHealth) -> list[str]:
    trends = health.trends
    grows = trends.growth_bytes_per_day
    return [
        health.source,
        _share(trends.backup_success_7d),
        _share(trends.verify_success_7d),
        " ".join(f"{seconds:.1f}s" for seconds in trends.restores_s) or "–",
        "–" if grows is None else f"{'-' if grows < 0 else ''}{human_size(abs(grows))}",
    ]


def _share(rate: float | None) -> str:
    if rate is None:
        return "–"
    return f"{rate:.1%}" if rate >= TARGET else output.Markup(f"[yellow]{rate:.1%}[/], {TARGET:.0%} is the target")


def _proof(health: SourceHealth) -> str:
    if health.proof is None:
        return "–"
    return output.markup(f"[{'green' if health.proof.whole else 'yellow'}]{{}}[/]", health.proof.words)


def _notes(health: SourceHealth) -> list[str]:
    """What was not compared, and what the newest dump warned of, each once."""
    gaps = [str(gap) for gap in health.proof.gaps] if health.proof is not None else []
    remarks = [f"not compared: {gap}" for gap in gaps]
    return [*remarks, *(f"{health.newest}: {note}" for note in health.notes if note not in remarks)]


def _age(health: SourceHealth) -> str:
    if health.age is not None:
        return human_duration(health.age)
    return "not known" if health.recovery_point else "never"


def _row(health: SourceHealth) -> list[str]:
    copies = [f"{copy.store} {copy.age_text if copy.backup_id is not None else '–'}" for copy in health.copies]
    return [
        health.source,
        output.coloured(health.state),
        health.recovery_point or "–",
        _proof(health),
        _age(health),
        human_duration(health.rpo),
        human_size(health.size_bytes) if health.size_bytes is not None else "–",
        f"{health.restore_s:.1f}s" if health.restore_s is not None else "–",
        ", ".join(copies),
        f"{health.verified}/{health.restore_points}",
    ]
