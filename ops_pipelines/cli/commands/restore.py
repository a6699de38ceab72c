"""`ops restore`: restores a restore point. Works without Dagster, without the ledger, with what lies in the stores."""

import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from ops_pipelines.backup.take import take_backup
from ops_pipelines.chronology import in_words
from ops_pipelines.cli import output
from ops_pipelines.cli.in_dagster import shown_in_dagster
from ops_pipelines.cli.progress import shown
from ops_pipelines.clock import UTC, human_duration, human_size, read_moment
from ops_pipelines.config.load import find_config
from ops_pipelines.config.models import Config
from ops_pipelines.engines.address import shown as named
from ops_pipelines.errors import INSTALL_NEWER, OpsError, SafetyRefusal, StoreError
from ops_pipelines.recovery.by_hand import commands
from ops_pipelines.recovery.choose import LATEST, choose, choose_store, require_source, safety_since, too_new
from ops_pipelines.recovery.differences import as_lines, by_name
from ops_pipelines.recovery.estimate import estimate
from ops_pipelines.recovery.replace import Replaced, replace_source
from ops_pipelines.recovery.restore import Recovered, restore_to
from ops_pipelines.settings.secrets import SecretRef
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace

_TOLD = timedelta(seconds=1)


@output.explained
def restore(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The source to restore.")],
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="NAME|URL|FOLDER", help="The target: a new database beside the source, a URL, or a folder."
        ),
    ] = "",
    backup: Annotated[
        str, typer.Option("--backup", metavar="ID", help="A restore point ID, or latest-verified.")
    ] = LATEST,
    at: Annotated[
        str,
        typer.Option("--at", metavar="TIME", help="The newest one taken at or before this time: '2026-11-20 14:00'."),
    ] = "",
    store: Annotated[
        str, typer.Option("--from", metavar="STORE", help="The store to fetch from; default: the nearest.")
    ] = "",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Restore only this table, schema.*, collection or path; may be repeated."),
    ] = None,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Allow a restore point that was never verified.")
    ] = False,
    roles: Annotated[
        bool, typer.Option("--globals", help="Also restore roles or accounts; changes the server.")
    ] = False,
    into_production: Annotated[
        bool, typer.Option("--into-production", help="Replace the source itself, after a safety restore point.")
    ] = False,
    yes_replace: Annotated[
        str, typer.Option("--yes-replace", metavar="SOURCE", help="Do not ask before replacing this source.")
    ] = "",
    without_safety: Annotated[
        bool, typer.Option("--without-safety", help="Replace even if the current contents cannot be backed up first.")
    ] = False,
    printed: Annotated[bool, typer.Option("--print", help="Only print the commands for a manual restore.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Restore a source into a new database or folder, then prove what came back. Never touches the source.

    Looks before the first byte whether key, programs, target and disks are good for it. Refuses (exit status 3) a
    target that is a source or is not empty. With --into-production the source is replaced: what is there is backed up
    first, the restore is verified beside it, and only then they change places.

    A URL with a password is best kept out of the command line, where every user can read it: --to '${RESTORE_URL}'.

    Example: ops restore crm --to crm_restored --only public.contacts --at "2026-11-20 14:00"
    """
    to, workspace = _expand_variable(to), output.open_work(config)
    if not printed:
        require_source(workspace.config, workspace.catalogue, source)
    moment = _moment(at, workspace.config.timezone) if at else None
    if printed:
        point = _any(workspace, source, backup, moment, store or None)
        output.write(
            "\n".join(commands(workspace.config, workspace.stores, point, choose_store(point, store or None))) + "\n"
        )
        return output.FINE
    point = choose(workspace, source, backup, at=moment, unverified=unverified, store=store or None)
    if into_production == bool(to):
        raise OpsError(
            "name the target: either --to NAME, URL or FOLDER, or --into-production",
            next=f"ops restore {source} --to {source}_restored",
        )
    if into_production and only:
        raise OpsError(
            "--only goes into a new database or folder, not over the source",
            next=f"ops restore {source} --to {source}_restored --only …, then take from it what you need",
        )
    if not as_json:
        _announce(workspace, point, choose_store(point, store or None), named(to) or f"the place of {source} itself")
    if into_production:
        _confirm(source, yes_replace)
        with shown_in_dagster(workspace, find_config(config), "restore", source) as done:
            done.asked = {"source": source, "to": "", "backup": point.id, "store": store}
            return _replaced(workspace, point, store, roles, without_safety, as_json=as_json)
    with shown_in_dagster(workspace, find_config(config), "restore", source) as done:
        done.asked = {"source": source, "to": named(to), "backup": point.id, "store": store, "only": only or []}
        with shown(source, quiet=as_json) as progress:
            recovered = restore_to(
                workspace, point, to, store=store or None, only=only or (), globals_too=roles, progress=progress
            )
        done.failure = "" if recovered.good else f"{recovered.target} is not as {source} was"
        _report(workspace.config, point, recovered, as_json=as_json)
        if not as_json:
            output.say("next: look at it, {}", _where(workspace.config, point, to))
    return output.FINE if recovered.good else output.BROKEN


def _expand_variable(to: str) -> str:
    """A target, or what the variable holds that it names; we look that up ourselves, the shell would show it."""
    if (variable := re.fullmatch(r"\$\{?(\w+)\}?", to)) is None:
        return to
    return SecretRef(env=variable[1]).reveal(purpose="--to")


def _any(workspace: Workspace, source: str, backup: str, at: datetime | None, store: str | None) -> RestorePoint:
    """What is only printed may be unverified, where there is nothing better."""
    try:
        return choose(workspace, source, backup, at=at, store=store)
    except StoreError:
        return choose(workspace, source, backup, at=at, unverified=True, store=store)


def _moment(text: str, zone: str) -> datetime:
    try:
        moment = read_moment(text)
    except ValueError:
        raise OpsError(
            f"--at {text!r} is not a time", next="write it like '2026-11-20 14:00' or 2026-11-20T14:00+01:00"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _announce(workspace: Workspace, point: RestorePoint, store: str, to: str) -> None:
    age = in_words(point.started_at, workspace.clock.now())
    proof = point.verdict
    output.say(
        "restoring {} of {}, taken {} UTC (age: {}), from {} to {}",
        point.id,
        point.manifest.source,
        f"{point.started_at:%Y-%m-%d %H:%M}",
        age,
        store,
        to,
    )
    if point.verified and proof is not None:
        output.say("its proof, {} UTC: {}", f"{proof.started_at:%Y-%m-%d %H:%M}", output.proof(proof))
    else:
        found = f"its verification was {proof.outcome}: {proof.reason}" if proof else "it was never restored"
        output.warn("[bold yellow]! UNVERIFIED[/]: {}; this restore shows whether it is good", found)
    remarks = [f"not compared: {gap}" for gap in (proof.missing if proof is not None else ())]
    for line in dict.fromkeys([*remarks, *point.manifest.notes]):
        output.say("[yellow]![/] {}", line)
    for words in too_new(workspace.stores, point, workspace.published(point.manifest.source))[-1:]:
        output.warn("[yellow]![/] skipped: {}; {}", words, INSTALL_NEWER)
    if (safety := safety_since(workspace.local, point, workspace.published(point.manifest.source))) is not None:
        output.say(
            "skipped: {}, what {} held before it was replaced {} UTC; --backup {} goes back to that",
            safety.id,
            safety.manifest.source,
            f"{safety.started_at:%Y-%m-%d %H:%M}",
            safety.id,
        )
    known = estimate(lambda: workspace.ledger, workspace.catalogue, point.manifest)
    size = human_size(point.manifest.plain_bytes)
    if known is None:
        output.say("{}; the duration is not known yet: nothing of about this size was restored before", size)
        return
    listed = ", ".join(f"{phase} {human_duration(took)}" for phase, took in known.phases.items() if took >= _TOLD)
    before = (
        "based on earlier restores" if known.restores else "based on earlier verifications; it has never been restored"
    )
    output.say(
        "expect about {} for {}, {}{}", human_duration(known.took), size, before, f" ({listed})" if listed else ""
    )


def _confirm(source: str, yes_replace: str) -> None:
    if yes_replace == source:
        return
    refused = SafetyRefusal(
        f"{source} was not replaced: the replacement was not confirmed",
        safe="nothing was changed",
        next=f"type {source} when asked, or add --yes-replace {source}",
    )
    if yes_replace or not sys.stdin.isatty():
        raise refused
    output.say(
        "[bold]This replaces {}.[/] Its clients are disconnected; its current contents are kept or backed up first.",
        source,
    )
    if typer.prompt(f"Type {source} to continue", default="", show_default=False) != source:
        raise refused


def _replaced(
    workspace: Workspace, point: RestorePoint, store: str, roles: bool, without_safety: bool, *, as_json: bool
) -> int:
    source = point.manifest.source
    with shown(source, quiet=as_json) as progress:
        take: Callable[[], str] | None = None
        if not without_safety:

            def take() -> str:
                return take_backup(workspace, source, safety=True, progress=progress).id

        replaced = replace_source(
            workspace, point, store=store or None, globals_too=roles, take_safety=take, progress=progress
        )
    _report(workspace.config, point, replaced.recovered, as_json=as_json, replaced=replaced)
    if not as_json:
        output.say("{} is now in its state of {} UTC", source, f"{point.started_at:%Y-%m-%d %H:%M:%S}")
        if replaced.kept:
            output.say("its previous contents are {}, including the last writes", replaced.kept)
        if replaced.safety:
            also = "and" if replaced.kept else "its previous contents are"
            output.say("{} in the safety restore point {}", also, replaced.safety)
        if not replaced.kept:
            output.say("what was written between that and the end of this restore is lost: no rename is possible here")
        drop = f"remove {replaced.kept}, then " if replaced.kept else ""
        output.say("next: start the application and check it; when it works: {}ops backup {}", drop, source)
    return output.FINE


def _report(
    config: Config, point: RestorePoint, recovered: Recovered, *, as_json: bool, replaced: Replaced | None = None
) -> None:
    rto = config.source(point.manifest.source).rto
    if as_json:
        document = {
            **asdict(recovered),
            "checks": [check.model_dump() for check in recovered.checks],
            "gaps": [gap.model_dump() for gap in recovered.gaps],
            "differences": by_name(recovered.differences),
            "proof": recovered.words,
            "notes": point.manifest.notes,
        }
        more = {"safety": replaced.safety, "kept": replaced.kept} if replaced else {}
        output.print_json({"ok": recovered.good, "rto_seconds": rto.total_seconds(), **document, **more})
        return
    rows = [
        [
            check.name,
            "passed" if check.passed else "look" if check.attention else "FAILED",
            check.detail,
        ]
        for check in recovered.checks
    ]
    output.print_table(["check", "result", "found"], rows)
    if recovered.differences:
        listed = "".join(f"  {line}\n" for line in as_lines(recovered.differences))
        output.write(f"definitions that differ (- source, + restored):\n{listed}")
    for warning in recovered.warnings:
        output.warn("[yellow]![/] {}", warning)
    for gap in recovered.gaps:
        output.warn("[yellow]![/] not compared: {}", str(gap))
    colour = "green" if recovered.whole else "yellow" if recovered.good else "red"
    word = output.markup(f"[{colour}]{{}}[/]", recovered.words)
    took = timedelta(seconds=replaced.seconds if replaced else recovered.seconds)
    what = f"{point.manifest.source} replaced" if replaced else f"{recovered.target} restored"
    held = (
        f"within the RTO of {human_duration(rto)}" if took <= rto else f"LONGER than the RTO of {human_duration(rto)}"
    )
    output.say("{}: {} from {} in {}, {}", word, what, recovered.store, human_duration(took), held)


def _where(config: Config, point: RestorePoint, to: str) -> str:
    """How to get at it, without a password."""
    try:
        return config.engine(point.manifest.source).address(to, point.manifest.engine)
    except OpsError:
        return named(to)
