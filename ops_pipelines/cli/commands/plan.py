"""`ops plan`: the next days: what runs, what it takes, what retention deletes, when each RPO would break."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from ops_pipelines.cli import output
from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.plan.ahead import Outlook, Plan, look_ahead

_UNKNOWN = "not known yet"
_NO_DRILLS = "none: they are off, or there is no identity here to open a backup with"


@output.explained
def plan(
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How far to look.")] = 7,
    runs: Annotated[bool, typer.Option("--runs", help="Also list every run and deletion.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Show what the schedules will do: backups with size and time from history, deletions, disk, and when RPOs break.

    Assumes that every run succeeds and that sources stay as they are. Changes nothing. Exit status: 0 fine, 1 a disk
    will not do or nothing of a source is verified. Example: ops plan --days 14
    """
    workspace = output.open_work(config)
    found = look_ahead(workspace, days)
    well = all(room.enough for room in found.rooms) and all(each.breaks_at is not None for each in found.sources)
    status = output.FINE if well else output.ATTENTION
    if as_json:
        output.print_json({"ok": well, **_document(found)})
        return status
    zone = ZoneInfo(workspace.config.timezone)
    _report(found, zone, every=runs, drilled=workspace.config.drilled is not None)
    return status


def _report(plan: Plan, zone: ZoneInfo, *, every: bool, drilled: bool) -> None:
    output.say("from {} to {} ({})\n", _at(plan.begin, zone), _at(plan.end, zone), zone.key)
    columns = ["source", "next backup", "backups", "size of one", "time of one", "rpo breaks if nothing runs"]
    output.print_table(columns, [_source(each, plan.begin, zone) for each in plan.sources])
    output.say("")
    rows = [
        [
            day.day, str(day.backups), human_duration(day.took), human_size(day.adds_bytes), str(day.deletions),
            human_size(day.frees_bytes),
        ]
        for day in plan.days
    ]  # fmt: skip
    output.print_table(["day", "backups", "time", "adds", "copies deleted", "frees"], rows)
    output.say("")
    rooms = [
        [
            room.store, human_size(room.adds_bytes), human_size(room.frees_bytes), human_size(room.needed_bytes),
            _free(room.free_bytes, enough=room.enough),
        ]
        for room in plan.rooms
    ]  # fmt: skip
    output.print_table(["store", "adds", "frees", "needs free", "free now"], rooms)
    drills = [f"{run.scenario} {_at(run.at, zone)}" for run in plan.runs if run.doing == "drill"]
    output.say("\ndrills: {}", ", ".join(drills) or ("none in these days" if drilled else _NO_DRILLS))
    for each in plan.sources:
        if each.leaves_out:
            output.say("\n{}: {}", each.source, each.leaves_out)
    if every:
        output.say("")
        output.print_table(["when", "what", "time", "size"], list(_every_run(plan, zone)))
        output.say("")
        output.print_table(["when", "deletes", "of", "in", "size", "why"], list(_every_deletion(plan, zone)))
    for each in plan.sources:
        if each.problem:
            output.warn("[yellow]![/] retention: {}", each.problem)
        if each.breaks_at is None:
            output.warn("[yellow]![/] {}: nothing is verified yet: ops backup {}", each.source, each.source)


def _source(each: Outlook, now: datetime, zone: ZoneInfo) -> list[str]:
    took = each.expected.took
    breaks = "broken: nothing is verified"
    if each.breaks_at is not None:
        left = each.breaks_at - now
        breaks = f"{_at(each.breaks_at, zone)}, in {human_duration(left)}" if left.total_seconds() > 0 else "broken now"
    return [
        each.source,
        _at(each.next_at, zone) if each.next_at is not None else "–",
        str(each.runs),
        human_size(each.expected.size_bytes) if each.expected.size_bytes is not None else _UNKNOWN,
        human_duration(took) if took is not None else _UNKNOWN,
        breaks,
    ]


def _every_run(plan: Plan, zone: ZoneInfo) -> Iterator[list[str]]:
    for run in plan.runs:
        size = human_size(sum(run.adds_bytes.values())) if run.adds_bytes else "–"
        took = human_duration(run.took) if run.took is not None else "–"
        yield [_at(run.at, zone), f"{run.doing} {run.source or run.scenario}".strip(), took, size]


def _every_deletion(plan: Plan, zone: ZoneInfo) -> Iterator[list[str]]:
    for each in plan.deletions:
        what = f"that of {_at(each.started_at, zone)}" if each.imagined else each.backup_id
        yield [_at(each.at, zone), what, each.source, each.store, human_size(each.size_bytes), each.because]


def _free(free_bytes: int | None, *, enough: bool) -> str:
    if free_bytes is None:
        return "not known"
    return human_size(free_bytes) if enough else output.Markup(f"[red]{human_size(free_bytes)}: too little[/]")


def _at(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M}"


def _document(plan: Plan) -> dict[str, object]:
    document = asdict(plan)
    for run, shown in zip(plan.runs, document["runs"], strict=True):
        shown["took_s"] = run.took.total_seconds() if run.took is not None else None
        del shown["took"]
    for day, shown in zip(plan.days, document["days"], strict=True):
        shown["took_s"] = day.took.total_seconds()
        del shown["took"]
    for room, shown in zip(plan.rooms, document["rooms"], strict=True):
        shown["enough"] = room.enough
    return document
