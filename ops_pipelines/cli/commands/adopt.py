"""`ops adopt`: take in the backups that were made before us, so that they can be listed, proved and pruned."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ops_pipelines.backup.adopt import Candidate, adopt, look, passphrase_of
from ops_pipelines.backup.sign import candidates, sign
from ops_pipelines.cli import output
from ops_pipelines.cli.commands.sign import HEADS, document_of, row_of
from ops_pipelines.cli.progress import shown
from ops_pipelines.clock import human_size
from ops_pipelines.errors import OpsError
from ops_pipelines.settings.secrets import SecretRef
from ops_pipelines.workspace import Workspace


@output.explained
def adopt_(
    source: Annotated[str, typer.Option("--source", help="The source these backups belong to.")],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A folder of old backups, or a single backup.")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Adopt them; without it, only show what would be adopted.")
    ] = False,
    passphrase_env: Annotated[
        str, typer.Option("--passphrase-env", help="Variable with the passphrase of openssl-encrypted files.")
    ] = "",
    passphrase_file: Annotated[Path | None, typer.Option("--passphrase-file", help="Or a file with it.")] = None,
    other_database: Annotated[
        bool, typer.Option("--other-database", help="Also adopt dumps of a database whose name is not the source's.")
    ] = False,
    foreign: Annotated[
        bool, typer.Option("--foreign", help="Take over restore points of another installation in our stores.")
    ] = False,
    backup: Annotated[str, typer.Option("--backup", help="With --foreign: only this restore point.")] = "",
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Take in existing dumps: *.sql, *.sql.gz, *.sql.gz.enc, pg_dump archives, mongodump folders and archives.

    Each is read to its end and checked first; the original stays as it is. Without --apply nothing is written. Exit
    status 1 when some were refused. With --foreign and without DIR: restore points that another installation signed in
    a store of ours are signed by this one, and are that one's no longer.
    Example: ops adopt /var/backups/crm --source crm --apply
    """
    workspace = output.open_work(config)
    workspace.config.source(source)
    if foreign:
        return _take_over(workspace, source, backup, apply=apply, as_json=as_json)
    if folder is None:
        raise OpsError("no folder is named", next=f"ops adopt DIR --source {source}; or --foreign instead of DIR")
    passphrase = _given(passphrase_env, passphrase_file) or passphrase_of(workspace.config, source)
    with shown(source, quiet=as_json) as progress:
        candidates = look(
            workspace,
            source,
            folder.resolve(),
            passphrase=passphrase,
            progress=progress,
            other_database=other_database,
        )
        found = list(candidates)
    wanted = [each for each in found if not each.refused and not each.backup_id]
    adopted: dict[Path, str] = {}
    if apply:
        for each in wanted:
            try:
                adopted[each.path] = adopt(workspace, source, each, passphrase=passphrase).id
            except OpsError as error:
                # The others go on.
                found[found.index(each)] = replace(
                    each, refused=f"{error.what}: {error.why}" if error.why else error.what
                )
                continue
            if not as_json:
                output.say("[green]✓[/] {} is {}", each.path.name, adopted[each.path])
    refused = [each for each in found if each.refused]
    if as_json:
        documents = [_document(each, adopted.get(each.path, each.backup_id)) for each in found]
        output.print_json({"ok": not refused, "applied": apply, "backups": documents})
    else:
        _report(found, adopted, apply=apply, source=source)
    return output.ATTENTION if refused or not found else output.FINE


def _take_over(workspace: Workspace, source: str, backup: str, *, apply: bool, as_json: bool) -> int:
    found = [each for each in candidates(workspace, source) if each.foreign and backup in ("", each.id)]
    wanted = [each for each in found if not each.refused]
    done = {each.id: each for each in sign(workspace, source, wanted)} if apply and wanted else {}
    if as_json:
        documents = [document_of(source, each, each.refused, done.get(each.id)) for each in found]
        output.print_json({"ok": len(wanted) == len(found), "applied": apply, "restore_points": documents})
    else:
        output.print_table(HEADS, [row_of(source, each, each.refused, done.get(each.id)) for each in found])
        if not apply:
            output.say("\ndry run: nothing was taken over; add --apply to move them to this installation")
    return output.ATTENTION if len(wanted) < len(found) or not found else output.FINE


def _given(variable: str, file: Path | None) -> str | None:
    if not variable and file is None:
        return None
    secret = SecretRef(env=variable) if variable else SecretRef(file=file)
    return secret.reveal(purpose="the passphrase of the old backups")


def _report(found: list[Candidate], adopted: dict[Path, str], *, apply: bool, source: str) -> None:
    rows = [
        [
            each.path.name,
            each.found.kind if each.found else "–",
            human_size(each.size_bytes),
            f"{each.taken_at:%Y-%m-%d %H:%M} UTC" if each.taken_at else "–",
            each.time_from or "–",
            _decision(each, adopted),
        ]
        for each in found
    ]
    output.print_table(["backup", "of", "size", "taken", "known from", "decision"], rows)
    waiting = [each for each in found if not each.refused and not each.backup_id and each.path not in adopted]
    if waiting and not apply:
        output.say("\ndry run: nothing was adopted; add --apply to adopt what is good")
    if adopted:
        output.say(
            "\nthe originals are untouched; verify what was adopted before you remove them: ops verify {}", source
        )


def _decision(each: Candidate, adopted: dict[Path, str]) -> str:
    if each.refused:
        return output.markup("[red]refused[/] {}", each.refused)
    if each.backup_id:
        return f"already adopted: {each.backup_id}"
    return f"adopted: {adopted[each.path]}" if each.path in adopted else output.Markup("[green]good[/]")


def _document(each: Candidate, backup_id: str) -> dict[str, object]:
    return {
        "path": str(each.path),
        "kind": each.found.kind if each.found else None,
        "size_bytes": each.size_bytes,
        "taken_at": each.taken_at,
        "time_from": each.time_from,
        "sha256": each.sha256,
        "backup_id": backup_id or None,
        "refused": each.refused or None,
    }
