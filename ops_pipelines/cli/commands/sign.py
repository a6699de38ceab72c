"""`ops sign`: take restore points from before signatures, or of another installation, under our own."""

from typing import Annotated

import typer

from ops_pipelines.backup.sign import Candidate, Signed, candidates, forget_missing, missing, sign
from ops_pipelines.cli import output
from ops_pipelines.clock import human_size
from ops_pipelines.workspace import Workspace

HEADS = ["source", "restore point", "in", "made by", "taken", "rows", "size", "decision"]


@output.explained
def sign_(
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Default: all.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign; without it, only show what would be signed.")] = False,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Also sign restore points that are not in the ledger.")
    ] = False,
    backup: Annotated[str, typer.Option("--backup", help="Only this restore point.")] = "",
    gone: Annotated[
        bool, typer.Option("--gone", help="Accept that missing restore points are gone; only with --yes.")
    ] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Sign restore points that have no signature of this installation, after showing them.

    Once after an upgrade, for those from before signatures: what the ledger saw published is signed, anything else only
    with --unknown. Look at what is shown: a signature makes it count. Those of another installation are taken over by
    ops adopt --source SOURCE --foreign. Exit status 1 when some are left unsigned.
    Example: ops sign crm --yes
    """
    workspace = output.open_work(config)
    names = sources or list(workspace.config.sources)
    for name in names:
        workspace.config.source(name)
    rows: list[list[str]] = []
    documents: list[dict[str, object]] = []
    left = 0
    for name in names:
        found = [each for each in candidates(workspace, name) if backup in ("", each.id) and not each.foreign]
        reasons = [_why_not(each, unknown=unknown) for each in found]
        wanted = [each for each, why_not in zip(found, reasons, strict=True) if not why_not]
        done = {each.id: each for each in sign(workspace, name, wanted)} if yes and wanted else {}
        left += len(found) - len(done)
        for each, why_not in zip(found, reasons, strict=True):
            rows.append(row_of(name, each, why_not, done.get(each.id)))
            documents.append(document_of(name, each, why_not, done.get(each.id)))
        left += _missing(workspace, name, rows, accept=gone and yes)
    if as_json:
        output.print_json({"ok": not left, "signed": yes, "restore_points": documents})
    elif rows:
        output.print_table(HEADS, rows)
        if not yes:
            output.say("\nnothing was signed; if these are yours: add --yes")
    else:
        output.say("everything there is signed by this installation")
    return output.ATTENTION if left else output.FINE


def _why_not(each: Candidate, *, unknown: bool) -> str:
    if each.refused:
        return each.refused
    if not each.known and not unknown:
        return "it is not in the ledger: --unknown signs it anyway"
    return ""


def _missing(workspace: Workspace, name: str, rows: list[list[str]], *, accept: bool) -> int:
    ids = missing(workspace.catalogue, name)
    if accept:
        forget_missing(workspace.ledger, name, ids)
    for each in ids:
        decision = "accepted as gone" if accept else "in no store, and no prune removed it: --gone accepts it"
        rows.append([name, each, "–", "–", "–", "–", "–", decision])
    return 0 if accept else len(ids)


def row_of(name: str, each: Candidate, why_not: str, signed: Signed | None) -> list[str]:
    """A line of the table: what it says of itself, and what became of it."""
    manifest = each.manifest
    decision = output.markup("[yellow]not signed[/] {}", why_not) if why_not else output.markup("[green]would be[/]")
    if signed is not None:
        summary = f"as number {signed.number}" + (f", with {signed.verdicts} verdicts" if signed.verdicts else "")
        decision = output.markup(
            "[green]signed[/] {}", "; ".join([summary, *(f"not in {line}" for line in signed.problems)])
        )
    return [
        name,
        each.id,
        ", ".join(each.stores),
        each.claimed or (manifest.host if manifest is not None else "–"),
        f"{manifest.started_at:%Y-%m-%d %H:%M} UTC" if manifest is not None else "–",
        manifest.contents.rows_text if manifest is not None else "–",
        human_size(manifest.size_bytes) if manifest is not None else "–",
        decision,
    ]


def document_of(name: str, each: Candidate, why_not: str, signed: Signed | None) -> dict[str, object]:
    """The same as a document."""
    return {
        "source": name,
        "id": each.id,
        "stores": each.stores,
        "sha256": each.sealed.sha256,
        "known": each.known,
        "foreign": each.foreign,
        "claimed": each.claimed or None,
        "not_signed": why_not or None,
        "number": signed.number if signed is not None else None,
    }
