"""`ops prune`: what retention keeps and deletes, store by store. A dry run until told otherwise."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.retention import SourcePruned, StorePruned
from ops_pipelines.chronology import in_words
from ops_pipelines.cli import output
from ops_pipelines.cli.in_dagster import Done, shown_in_dagster
from ops_pipelines.clock import human_size
from ops_pipelines.config.load import find_config
from ops_pipelines.errors import SafetyRefusal, Stopped
from ops_pipelines.vault.retention import Decision
from ops_pipelines.watch.report import renew_report

if TYPE_CHECKING:
    from ops_pipelines.orchestration.recorded import Result


@output.explained
def prune_(
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Default: all.")] = None,
    store: Annotated[str, typer.Option("--store", help="Only this store; default: all.")] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without it, nothing is deleted.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Show what `keep:` keeps and deletes, and why; with --apply, delete it.

    Never the newest verified backup, never after a failed run of the source. Exit status: 0 fine, 1 something was
    refused or could not be deleted, 3 nothing was deleted because every source was refused. Example: ops prune crm
    """
    workspace = output.open_work(config)
    now, wanted = workspace.clock.now(), sources or list(workspace.config.sources)
    only = wanted[0] if len(wanted) == 1 else ""
    with shown_in_dagster(workspace, find_config(config), "prune", only) if apply else nullcontext(Done()) as done:
        try:
            found = prune(workspace, wanted, store=store or None, apply=apply)
        except KeyboardInterrupt:
            raise Stopped(
                "stopped; what was deleted until then is gone" if apply else "stopped; nothing was deleted",
                safe="every restore point that keep: keeps is untouched",
                next="ops prune shows what is left to delete",
            ) from None
        done.results = partial(_results, found)
        if apply:
            renew_report(workspace)
        status = _status(found, apply)
        if as_json:
            documents = [_document(source, apply) for source in found]
            output.print_json({"ok": status == output.FINE, "applied": apply, "sources": documents})
        else:
            _report(found, apply, now)
    return status


def _results(found: Sequence[SourcePruned]) -> "list[Result]":
    from ops_pipelines.orchestration.results import pruned  # noqa: PLC0415

    return pruned(found)


def _report(found: Sequence[SourcePruned], apply: bool, now: datetime) -> None:
    rows = [row for source in found for each in source.stores for row in _rows(source, each, apply, now)]
    if rows:
        output.print_table(["source", "store", "restore point", "age", "verdict", "size", "decision", "why"], rows)
    for source in found:
        if source.keep is None:
            output.say("{}: keep: is not set in ops.yaml, nothing of it is ever deleted", source.source)
        for problem in source.problems:
            output.warn("[yellow]![/] {}", problem)
    _report_end(found, apply)


def _status(found: Sequence[SourcePruned], apply: bool) -> int:
    with_policy = [source for source in found if source.keep is not None]
    if apply and with_policy and all(source.refused for source in with_policy):
        return SafetyRefusal.exit_status
    return output.ATTENTION if any(source.problems for source in found) else output.FINE


def _rows(source: SourcePruned, each: StorePruned, apply: bool, now: datetime) -> list[list[str]]:
    return [
        [
            source.source,
            each.store,
            decision.point.id,
            in_words(decision.point.started_at, now),
            output.coloured(decision.standing),
            human_size(decision.point.manifest.size_bytes),
            _outcome(each, decision, apply),
            ", ".join(decision.reasons) or decision.because,
        ]
        for decision in each.decisions
    ]


def _outcome(each: StorePruned, decision: Decision, apply: bool) -> str:
    """In a word: `keep`, `delete` (would), `deleted` (did), or `not deleted`."""
    if decision.stays:
        return "keep"
    if not apply:
        return "delete"
    return "deleted" if decision.point.id in each.deleted else "not deleted"


def _report_end(found: Sequence[SourcePruned], apply: bool) -> None:
    if apply:
        deleted = sum(len(each.deleted) for source in found for each in source.stores)
        freed = sum(each.freed_bytes for source in found for each in source.stores)
        output.say("{} copies deleted, {} freed", deleted, human_size(freed))
        return
    allowed = [each for source in found if not source.refused for each in source.stores]
    doomed = [decision for each in allowed for decision in each.doomed]
    size = human_size(sum(decision.point.manifest.size_bytes for decision in doomed))
    output.say("dry run: nothing was deleted; {} copies ({}) would be", len(doomed), size)
    if doomed:
        output.say("to delete them, type: [bold]ops prune --apply[/]")


def _document(source: SourcePruned, apply: bool) -> dict[str, object]:
    return {
        "source": source.source,
        "keep": source.keep.model_dump(mode="json") if source.keep is not None else None,
        "refused": source.refused,
        "stores": [
            {
                "store": each.store,
                "problems": each.problems,
                "deleted": each.deleted,
                "freed_bytes": each.freed_bytes,
                "restore_points": [
                    {
                        "id": decision.point.id,
                        "started_at": decision.point.started_at,
                        "size_bytes": decision.point.manifest.size_bytes,
                        "standing": decision.standing,
                        "decision": _outcome(each, decision, apply),
                        "reasons": decision.reasons or [decision.because],
                    }
                    for decision in each.decisions
                ],
            }
            for each in source.stores
        ],
    }
