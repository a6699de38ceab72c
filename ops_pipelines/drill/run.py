"""Run a drill: prepare, play the scenario, measure, write, sign, and say in the ledger how it went."""

import getpass
import os
import platform
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path

from ops_pipelines import __version__, lease
from ops_pipelines.clock import new_id
from ops_pipelines.config.drills import Application, Drills, Scenario
from ops_pipelines.config.models import Config
from ops_pipelines.drill.clean import Kit, open_kit, surviving_stores
from ops_pipelines.drill.context import Drill
from ops_pipelines.drill.measure import compared_with_past, missed_targets
from ops_pipelines.drill.record import Report, SourceResult
from ops_pipelines.drill.report.keep import MARKDOWN, copy_away, described, keep_report, signer_of
from ops_pipelines.drill.watch import end_alerts
from ops_pipelines.engines.base import RestoreFailed
from ops_pipelines.errors import OpsError
from ops_pipelines.language.said import said
from ops_pipelines.language.speech import language
from ops_pipelines.ledger.ledger import Entry
from ops_pipelines.recovery.choose import sentence
from ops_pipelines.recovery.refuse import refuse_shared_server
from ops_pipelines.scratch import scratch_directory
from ops_pipelines.streams import Progress, silent
from ops_pipelines.sweeping import sweep
from ops_pipelines.workspace import Workspace

_WAIT = timedelta(seconds=1)
_SCENARIOS = "ops_pipelines.drill.scenarios"


@dataclass(frozen=True)
class Drilled:
    """A finished drill.

    Attributes:
        directory: where its report lies.
        written: the report as people read it, in Markdown.
        not_copied: what went wrong, by the store that the report could not be copied to.
    """

    report: Report
    directory: Path
    written: str
    not_copied: Mapping[str, str]


def run_drill(
    workspace: Workspace,
    scenario: Scenario,
    *,
    applications: Sequence[str] = (),
    seed: int | None = None,
    started_by: str = "",
    run_id: str | None = None,
    progress: Progress = silent,
) -> Drilled:
    """Play a disaster and recover from it, away from production.

    Args:
        applications: by name; all unless given.
        seed: makes a random choice repeatable.
        started_by: a person, a schedule; the user of this process unless given.
        progress: told of each step, without bytes.
    Returns:
        The report, whether the drill passed or failed.
    Raises:
        Busy: another drill is under way.
        SafetyRefusal: the server that restores would use is one of a source; a real server may not be stopped.
        OpsError: no such application; the report cannot be signed; the ledger cannot be written.
    """
    sweep(workspace, stores=False)
    chosen = _chosen(workspace.config, applications)
    if scenario == "random_restore_point" and seed is None:
        seed = random.SystemRandom().randrange(2**32)
    if scenario == "random_restore_point" and seed is not None:
        from ops_pipelines.drill.scenarios.random_restore_point import choose  # noqa: PLC0415

        name, _point, _store = choose(workspace.catalogue, chosen, seed)
        affected = [name]
    elif scenario == "outage":
        from ops_pipelines.drill.scenarios.outage import refuse_undeclared  # noqa: PLC0415

        first = next(iter(chosen))
        chosen = {first: chosen[first]}
        refuse_undeclared(workspace.config, chosen)
        affected = list(chosen[first].sources)
    else:
        affected = list(dict.fromkeys(name for each in chosen.values() for name in each.sources))
    for name in affected:
        refuse_shared_server(workspace.config, name)
    by = started_by or f"{getpass.getuser()}@{socket.gethostname()}"
    holder = f"drill {scenario}, process {os.getpid()}"
    with (
        lease.exclusive(workspace.places.locks / "@drill.lock", holder=holder, wait=_WAIT, what="the drill"),
        ExitStack() as rows,
    ):
        end_alerts(workspace)
        started = workspace.clock.now()
        identifier = new_id(started)
        meta = {"scenario": scenario, "drill": identifier, "started_by": by}
        entries = {
            name: rows.enter_context(workspace.ledger.activity("drill", source=name, run_id=run_id, meta=meta))
            for name in affected
        }
        with scratch_directory(workspace.places.scratch, "drill") as directory:
            drill = Drill(
                id=identifier, scenario=scenario, workspace=workspace,
                settings=workspace.config.drills or Drills(), applications=chosen, kit=Kit(), directory=directory,
                servers=ExitStack(), disaster_at=started, seed=seed, progress=progress,
            )  # fmt: skip
            failure = _play(drill)
            drilled = _hand_in(drill, failure, by=by, run_id=run_id)
        for name, entry in entries.items():
            _record(entry, name, drilled)
    return drilled


def _chosen(config: Config, names: Sequence[str]) -> dict[str, Application]:
    known = config.applications
    for name in names:
        if name not in known:
            raise OpsError(f"no application is called {name!r}", why=f"there are: {', '.join(known)}")
    return {name: each for name, each in known.items() if not names or name in names}


def _play(drill: Drill) -> str:
    """Play the scenario; returns why it could not be played to its end. Every server is gone afterwards."""
    play: Callable[[Drill], None] = import_module(f"{_SCENARIOS}.{drill.scenario}").play
    drill.say(said("drill {id} begins: {scenario}", id=drill.id, scenario=drill.scenario))
    failure = ""
    try:
        with drill.servers:
            if drill.settings.kit is not None:
                drill.kit = open_kit(drill.settings.kit)
                drill.say(said("the recovery kit is open"))
            else:
                drill.limits.append(said("no recovery kit is configured (drills.kit): opening a kit was not tested"))
            play(drill)
            drill.say(said("everything is stopped and removed"))
    except OpsError as error:
        failure = sentence(error)
    except RestoreFailed as error:
        failure = said("the restore failed: {why}", why=str(error))
    ends = said("drill {id} ends", id=drill.id)
    drill.say(said("{about}: {what}", about=ends, what=failure) if failure else ends)
    return failure


def _hand_in(drill: Drill, failure: str, *, by: str, run_id: str | None) -> Drilled:
    """Measure, write, sign and copy the report."""
    workspace = drill.workspace
    signer = signer_of(workspace.places)
    report = Report(
        id=drill.id,
        scenario=drill.scenario,
        started_by=by,
        run_id=run_id,
        host=socket.gethostname(),
        product=f"ops_pipelines {__version__}",
        python=platform.python_version(),
        started_at=drill.timeline[0].at,
        finished_at=workspace.clock.now(),
        disaster_at=drill.disaster_at,
        stores=list(drill.machine.stores) if drill.machine is not None else [],
        kit=drill.kit.told,
        seed=drill.seed,
        groups=compared_with_past(drill),
        by_hand=drill.by_hand,
        outage=drill.outage,
        failure=failure,
        timeline=drill.timeline,
        evidence=described(drill.evidence),
        missed=missed_targets(drill),
        limits=drill.limits,
        notes=drill.notes,
        signed_by=signer.public,
    )
    try:
        directory, files = keep_report(
            workspace.places, report, drill.evidence, signer, drill.directory, language(workspace.config.language)
        )
    except OSError as error:
        raise OpsError(
            "the drill's report cannot be written",
            why=f"{error.strerror or error} {error.filename or ''}".strip(),
            safe="no backup was touched",
            next=f"df -h {workspace.config.base}",
        ) from None
    away = {name: workspace.stores[name] for name in surviving_stores(workspace.config)}
    return Drilled(report, directory, files[MARKDOWN].decode(), copy_away(away, report.id, files))


def _record(entry: Entry, name: str, drilled: Drilled) -> None:
    """What the ledger keeps of a drill: for the trend, the status page, and whoever is told of a failure."""
    report = drilled.report
    found = {each.source: each for group in report.groups for each in group.sources}
    result: SourceResult | None = found.get(name)
    if result is not None:
        entry.backup_id, entry.store = result.backup_id or None, result.store or None
        entry.meta = {**entry.meta, "seconds": dict(result.seconds), "took_s": result.took_s}
        if result.loss is not None:
            entry.meta |= {"lost_minutes": result.loss.minutes, "lost_rows": result.loss.rows}
    if (outage := report.outage) is not None and outage.source == name:
        entry.meta |= {"detected_s": outage.detected_s, "recovered_s": outage.recovered_s}
    entry.meta = {
        **entry.meta,
        "report": str(drilled.directory),
        "missed": list(report.missed),
        "by_script": report.by_hand[0].source if report.by_hand else None,
        "not_copied": dict(drilled.not_copied),
    }
    if problem := _problem_of(name, report):
        entry.fail(f"drill {report.scenario} failed: {problem}\n  next: read {drilled.directory}/report.md")


def _problem_of(name: str, report: Report) -> str:
    """Why a source's drill failed; empty when it passed."""
    for group in report.groups:
        for each in group.sources:
            if each.source == name and not group.passed:
                checks = [f"{check.name}: {check.detail}" for check in group.checks if not check.passed]
                others = [f"{other.source}: {other.problems[0]}" for other in group.sources if not other.passed]
                return (each.problems or others or checks)[0]
    by_hand = [problem for each in report.by_hand if each.source == name for problem in each.problems]
    drilled = any(each.source == name for group in report.groups for each in group.sources)
    return report.failure or (by_hand[0] if by_hand else "" if drilled else "it was not recovered")
