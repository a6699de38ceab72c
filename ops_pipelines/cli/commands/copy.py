"""`ops copy`: fill a store with the restore points it lacks, and replace copies that are damaged."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.cli.in_dagster import shown_in_dagster
from ops_pipelines.cli.progress import shown
from ops_pipelines.config.load import find_config
from ops_pipelines.errors import StoreError
from ops_pipelines.healing import Brought, bring
from ops_pipelines.workspace import Workspace

if TYPE_CHECKING:
    from ops_pipelines.orchestration.recorded import Result


@output.explained
def copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The source whose restore points are copied.")],
    to: Annotated[str, typer.Option("--to", help="The store to copy to; may be `local`.")],
    backup: Annotated[str, typer.Option("--backup", help="ID of one restore point; default: all.")] = "",
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Copy restore points to a store that lacks them, or whose copy is damaged. Works without Dagster.

    What is copied is read back from the store; what is put in place of a damaged copy is restored and compared, too.

    Example: ops copy crm --to nas
    """
    workspace = output.open_work(config)
    workspace.config.source(source)
    if to not in workspace.stores:
        raise StoreError(f"no store is called {to!r}", why=f"there are: {', '.join(workspace.stores)}")
    with shown_in_dagster(workspace, find_config(config), "backup", source) as done:
        with shown(source, quiet=as_json) as progress:
            brought = bring(workspace, source, to, {backup} if backup else None, progress=progress)
        done.failure = "; ".join(f"{each.id} is not in {to}" for each in brought if not each.ok)
        done.results = partial(_results, workspace, source, to, brought)
        if as_json:
            output.print_json(_document(source, to, brought))
        else:
            _report(source, to, brought)
    return _status(brought)


def _results(workspace: Workspace, source: str, to: str, brought: Sequence[Brought]) -> "list[Result]":
    from ops_pipelines.orchestration.results import copied  # noqa: PLC0415

    return copied(workspace, source, to, brought)


def _status(brought: Sequence[Brought]) -> int:
    statuses = {each.error.exit_status if each.error is not None else output.BROKEN for each in brought if not each.ok}
    return min(statuses, default=output.FINE)


def _report(source: str, to: str, brought: Sequence[Brought]) -> None:
    copied = sum(each.done in ("copied", "replaced") for each in brought)
    failed = [each for each in brought if not each.ok]
    output.say(
        "{} {}: {} restore point{} copied to {}",
        output.mark(good=not failed), source, copied, "" if copied == 1 else "s", to,
    )  # fmt: skip
    for each in brought:
        if each.done == "replaced" and each.verdict is not None:
            output.say("  {} was damaged in {} and is replaced: {}", each.id, to, output.proof(each.verdict))
        elif each.done == "proved":
            how = output.proof(each.verdict) if each.verdict is not None else "put back from another store"
            output.say("  the verdict on {} was damaged in {}: {}", each.id, to, how)
        for store in each.found_damaged:
            output.warn("  [red]{} is damaged in {}[/]: ops copy {} --to {}", each.id, store, source, store)
    for each in failed:
        if each.error is not None:
            output.warn("[bold red]✗[/] {}", str(each.error))
        elif each.verdict is not None:
            output.warn("[bold red]✗[/] {} in {}: {}", each.id, to, each.verdict.reason)


def _document(source: str, to: str, brought: Sequence[Brought]) -> dict[str, object]:
    return {
        "ok": all(each.ok for each in brought),
        "source": source,
        "store": to,
        "copied": [each.id for each in brought if each.done in ("copied", "replaced")],
        "replaced": [
            {"id": each.id, "outcome": each.verdict.outcome, "words": each.verdict.words, "reason": each.verdict.reason}
            for each in brought
            if each.done == "replaced" and each.verdict is not None
        ],
        "proved": [each.id for each in brought if each.done == "proved"],
        "failed": [{"id": each.id, **each.error.as_dict()} for each in brought if each.error is not None],
        "found_damaged": [{"id": each.id, "store": store} for each in brought for store in each.found_damaged],
    }
