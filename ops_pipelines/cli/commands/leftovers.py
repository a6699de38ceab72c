"""`ops leftovers`: what unfinished restores made, and what replacements kept. A dry run until told otherwise."""

from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.recovery.choose import sentence
from ops_pipelines.recovery.leftovers import Leftover, lasting, leftovers, remove, restored

_WHAT = {
    "restore": "a restore that did not finish",
    "restored": "a finished restore; removed only when named",
    "replacement": "restored to replace the source, but did not",
    "former": "what the source held before it was replaced",
}


@output.explained
def leftovers_(
    names: Annotated[list[str] | None, typer.Argument(metavar="[TARGET]...", help="Default: all.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Remove them; without it, nothing is removed.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """List databases and folders that restores made or left behind; with --apply, remove them.

    What was restored to its end, and what a replacement left, is only removed when it is named. Never a source, never
    what was there before the restore, never what holds more than its backup. Exit status: 0 nothing unfinished is
    left, 1 something is, 3 a removal was refused. Example: ops leftovers crm_restored --apply
    """
    workspace = output.open_work(config)
    every = [*leftovers(workspace.config, workspace.places), *restored(workspace.config, workspace.places)]
    meant = {
        name: [each for each in every if each.to in (name, lasting(workspace.config, each.source, name))]
        for name in names or ()
    }
    found = [each for each in every if not names or any(each in those for those in meant.values())]
    unknown = sorted(name for name, those in meant.items() if not those)
    if unknown:
        raise OpsError(f"{', '.join(unknown)} is not a leftover of a restore", next="ops leftovers lists them")
    refusals: dict[str, OpsError] = {}
    removed: list[Leftover] = []
    for each in found if apply else ():
        if each.purpose != "restore" and not names:
            continue
        try:
            remove(workspace, each)
            removed.append(each)
        except OpsError as error:
            refusals[each.id] = error
    if as_json:
        documents = [
            {**each.model_dump(mode="json"), "removed": each in removed, "refused": _why(refusals.get(each.id))}
            for each in found
        ]
        output.print_json({"ok": not _open(found, removed, names), "applied": apply, "leftovers": documents})
    else:
        _report(found, removed, refusals, apply)
    if any(isinstance(error, SafetyRefusal) for error in refusals.values()):
        return SafetyRefusal.exit_status
    return output.ATTENTION if _open(found, removed, names) else output.FINE


def _open(found: list[Leftover], removed: list[Leftover], names: list[str] | None) -> list[Leftover]:
    """What is still to be done: a finished restore is its owner's, until its removal was asked for."""
    return [each for each in found if each not in removed and (names or each.purpose != "restored")]


def _report(found: list[Leftover], removed: list[Leftover], refusals: dict[str, OpsError], apply: bool) -> None:
    rows = [
        [
            each.source,
            each.to,
            f"{each.at:%Y-%m-%d %H:%M} UTC",
            _WHAT[each.purpose],
            "removed" if each in removed else _why(refusals.get(each.id)) or each.problem or "is there",
        ]
        for each in found
    ]
    if rows:
        output.print_table(["source", "left", "since", "what it is", "now"], rows)
    else:
        output.say("there are no leftovers")
    for error in refusals.values():
        output.warn("[yellow]next:[/] {}", error.next)
    if rows and not apply:
        output.say("next: ops leftovers --apply; finished restores, and what a replacement left, only when named")


def _why(error: OpsError | None) -> str:
    return sentence(error) if error is not None else ""
