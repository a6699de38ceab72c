"""`ops status`: does every source hold its RPO? Reads the stores; works when Dagster is gone."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.cli.junit import Case, Suite, write_junit
from ops_pipelines.cli.watching import watched
from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.errors import SafetyRefusal
from ops_pipelines.ledger.ledger import LedgerError
from ops_pipelines.watch.alerts.conditions import Condition
from ops_pipelines.watch.alerts.configuration import look_at_configuration
from ops_pipelines.watch.alerts.silence import look_at_daemon
from ops_pipelines.watch.health import EXIT_STATUS, SourceHealth
from ops_pipelines.watch.phases import PhaseHealth
from ops_pipelines.watch.situations import State
from ops_pipelines.watch.snapshots import look
from ops_pipelines.watch.trends import TARGET
from ops_pipelines.workspace import Workspace


@dataclass(frozen=True)
class _Found:
    """What was found: every source, and what is wrong with the watching itself."""

    sources: Sequence[SourceHealth]
    silence: Condition | None
    broken: Condition | None

    @property
    def exit_status(self) -> int:
        """By the worst of it."""
        if self.silence is not None or self.broken is not None:
            return output.BROKEN
        return max(EXIT_STATUS[health.state] for health in self.sources)


@output.explained
def status(
    steps: Annotated[
        bool, typer.Option("--steps", help="Show every step and store of every source, with trends.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again in place, until Ctrl-C.")] = False,
    every: Annotated[int, typer.Option("--every", min=1, help="With --watch: seconds between two looks.")] = 30,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Also write it as JUnit XML: a test case for each source and step.")
    ] = None,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Show every source's recovery point, its age, and what to do about it.

    Exit status: 0 fine, 1 attention, 2 broken. Example: ops status --watch
    """
    if watch:
        if as_json or junit is not None:
            raise SafetyRefusal("--watch is for people: it writes no document", next="ops status")
        return watched(lambda: _print(_look(config), steps=steps), timedelta(seconds=every), command="ops status")
    found = _look(config)
    if junit is not None:
        write_junit(junit, "ops status", [_suite(health) for health in found.sources])
    if not as_json:
        return _print(found, steps=steps)
    sources = [health.model_dump(mode="json") for health in found.sources]
    besides = {"daemon_silent": _condition(found.silence), "configuration_broken": _condition(found.broken)}
    output.print_json({"ok": found.exit_status == output.FINE, "sources": sources, **besides})
    return found.exit_status


def _look(config: Path | None) -> _Found:
    workspace = output.open_last_good(config)
    broken = next(iter(look_at_configuration(workspace).conditions), None)
    return _Found(look(workspace), _silence(workspace), broken)


def _print(found: _Found, *, steps: bool) -> int:
    output.print_table(
        ["source", "state", "recovery point", "proof", "age", "rpo", "size", "restore", "copies", "proved"],
        [_row(health) for health in found.sources],
    )
    if steps:
        output.print_table(
            ["source", "step", "state", "age", "allowed", "found", "next"],
            [_step(health.source, phase) for health in found.sources for phase in health.phases],
        )
        output.print_table(
            ["source", "backups in 7 days", "verified in 7 days", "restores took", "growth per day"],
            [_trends(health) for health in found.sources],
        )
    for health in found.sources:
        _explain(health)
    for each in (found.silence, found.broken):
        if each is not None:
            output.say("\n[bold red]{}[/]: {}\n  next: [bold]{}[/]", each.title, each.cause, each.next)
    return found.exit_status


def _explain(health: SourceHealth) -> None:
    """What is the matter with a source, and what to type."""
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


def _suite(health: SourceHealth) -> Suite:
    """A source for a CI: broken fails, unknown is an error, and what only needs a look passes and says so."""
    cases = [_case("recovery point", health.state, health.cause, health.safe, health.next)]
    cases += [
        _case(f"{each.phase} {each.store or ''}".strip(), each.state, each.cause, each.safe, each.next)
        for each in health.phases
    ]
    return Suite(health.source, cases)


def _case(name: str, state: State, cause: str, safe: str, following: str) -> Case:
    told = "\n".join(
        line for line in (cause, f"safe: {safe}" if safe else "", f"next: {following}" if following else "") if line
    )
    if state == "UNKNOWN":
        return Case(name, error=cause, details=told)
    if EXIT_STATUS[state] == output.BROKEN:
        return Case(name, failure=f"{state}: {cause}", details=told)
    return Case(name, details=f"{state}: {told}")


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
