"""`ops init`: a first configuration, from what is found here and what is asked."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.clock import human_size
from ops_pipelines.errors import OpsError
from ops_pipelines.setup import discover
from ops_pipelines.setup.document import AGE_KEY, Choice, Copies
from ops_pipelines.setup.found import Database, Folder, plain_name
from ops_pipelines.setup.here import time_zone
from ops_pipelines.setup.own import own
from ops_pipelines.setup.write import Written, refuse_existing, write

_NEXT = ("ops backup", "ops status", "dagster dev -w workspace.yaml")


@output.explained
def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIRECTORY]", help="Where ops.yaml will lie.")] = Path(),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: protect all that answers.")] = False,
    database_url_env: Annotated[
        list[str] | None,
        typer.Option("--database-url-env", metavar="NAME", help="Only the database whose URL this variable holds."),
    ] = None,
    uploads: Annotated[
        list[Path] | None, typer.Option("--uploads", metavar="FOLDER", help="Only this folder; may be repeated.")
    ] = None,
    store: Annotated[
        str, typer.Option("--store", metavar="WHERE", help="The second copy: a directory, or s3://bucket/prefix.")
    ] = "",
    ledger_url_env: Annotated[
        str, typer.Option("--ledger-url-env", metavar="NAME", help="Keep the ledger on the server this URL names.")
    ] = "",
    timezone: Annotated[str, typer.Option("--timezone", help="IANA name; this machine's unless given.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over an ops.yaml that is there.")] = False,
    as_json: output.JsonOption = False,
) -> int:
    """Look for databases and uploads, make keys, and write a commented ops.yaml that passes `ops check`.

    Databases are those that PG*, MYSQL*, MONGO* and *_URL variables, .env files and compose files name; each is asked
    whether it answers. Exit status: 0 fine, 1 something that was found does not answer, or nothing was, 3 there is an
    ops.yaml already. Example: ops init --yes --store /mnt/nas/backups
    """
    directory = directory.absolute()
    if not force:
        refuse_existing(directory)
    if not yes and (as_json or not sys.stdin.isatty()):
        raise OpsError(
            "there is no terminal to ask questions on",
            safe="nothing was written",
            next="ops init --yes protects everything that answers; ops init --help lists what can be said beforehand",
        )
    found = (
        discover.of_variables(database_url_env, os.environ)
        if database_url_env
        else discover.databases(directory, os.environ, but=ledger_url_env)
    )
    folders = [discover.folder_at(each) for each in uploads] if uploads else discover.folders(directory)
    folders = _apart(folders, found)
    if not as_json:
        _tell_found(found, folders)
    copies = _copies(store, directory, os.environ)
    if not yes:
        found = [_asked_for(each) for each in found]
        folders = [each for each in folders if typer.confirm(f"Protect the folder {each.path}?", default=True)]
        copies = copies or _copies(_ask_for_a_store(), directory, os.environ)
    choice = Choice(
        databases=[each for each in found if not each.problem],
        folders=folders,
        own=own(directory, os.environ, ledger=ledger_url_env),
        left_out=[each for each in found if each.problem],
        copies=copies,
        timezone=timezone or time_zone(),
        ledger=ledger_url_env,
    )
    done = write(directory, choice, replace=force)
    silent = [each for each in found if each.problem and each.problem != _DECLINED]
    status = output.ATTENTION if silent or not (choice.databases or choice.folders) else output.FINE
    if as_json:
        output.print_json(_document(status, found, choice, done))
    else:
        _tell_the_end(choice, done)
    return status


_DECLINED = "left out on purpose"


def _apart(folders: Sequence[Folder], databases: Sequence[Database]) -> list[Folder]:
    """The folders under names that no database has."""
    taken = {each.name for each in databases}
    return [replace(each, name=f"{each.name}_files") if each.name in taken else each for each in folders]


def _asked_for(database: Database) -> Database:
    """The same, left out when it is not wanted. What does not answer is left out anyway."""
    if database.problem:
        return database
    name = typer.prompt(f"Protect {database.origin} as (- for no)", default=database.name)
    return replace(database, problem=_DECLINED) if name == "-" else replace(database, name=plain_name(name))


def _ask_for_a_store() -> str:
    answer: str = typer.prompt(
        "A second place for every backup: a directory on another disk or NAS, or s3://bucket/prefix (empty: none yet)",
        default="",
        show_default=False,
    )
    return answer.strip()


def _copies(where: str, directory: Path, environ: Mapping[str, str]) -> Copies | None:
    if not where:
        return None
    if not where.startswith("s3://"):
        return Copies(str((directory / where).absolute()))
    credentials = "OFFSITE" if environ.get("OFFSITE_ACCESS_KEY_ID") else ""
    return Copies(where, environ.get("AWS_ENDPOINT_URL", ""), credentials)


def _tell_found(databases: Sequence[Database], folders: Sequence[Folder]) -> None:
    for each in databases:
        if each.problem:
            output.say("[yellow]![/] {} from {} is left out: {}", each.kind, each.origin, each.problem)
        else:
            output.say(
                "[green]✓[/] {}: {} {}, {}, from {}",
                each.name,
                each.kind,
                each.server,
                human_size(each.size_bytes),
                each.origin,
            )
    for folder in folders:
        output.say(
            "[green]✓[/] {}: {} files, {}, in {}", folder.name, folder.files, human_size(folder.size_bytes), folder.path
        )
    if not (databases or folders):
        output.say(
            "[yellow]![/] no database and no folder was found: export DATABASE_URL, or name them with "
            "--database-url-env and --uploads"
        )


def _tell_the_end(choice: Choice, done: Written) -> None:
    output.say("wrote {} in {}", ", ".join(done.written), done.directory)
    if done.kept:
        output.say("kept as it was: {}", ", ".join(done.kept))
    for each in choice.own.unknown:
        output.say("[yellow]![/] {}", each)
    output.say(
        "[yellow]![/] Without {} no backup can be opened. Keep a copy of it on another machine, now; "
        "`ops kit` packs all that a recovery needs.",
        AGE_KEY,
    )
    if choice.copies is None:
        output.say("[yellow]![/] There is no second copy yet: see stores: in ops.yaml.")
    output.say("\nnext:")
    for command in _commands(done):
        output.say("  [bold]{}[/]", command)


def _commands(done: Written) -> list[str]:
    go = [] if done.directory == Path.cwd() else [f"cd {done.directory}"]
    return [*go, *_NEXT]


def _document(status: int, found: Sequence[Database], choice: Choice, done: Written) -> dict[str, object]:
    return {
        "ok": status == output.FINE,
        "directory": str(done.directory),
        "written": done.written,
        "kept": done.kept,
        "recipient": done.recipient,
        "databases": [
            {
                "name": each.name,
                "kind": each.kind,
                "from": each.origin,
                "protected": not each.problem,
                "problem": each.problem,
                "server_version": each.server,
                "size_bytes": each.size_bytes,
            }
            for each in found
        ],
        "folders": [
            {"name": each.name, "path": str(each.path), "files": each.files, "size_bytes": each.size_bytes}
            for each in choice.folders
        ],
        "own": {
            "files": [str(each) for each in choice.own.files],
            "databases": [each.name for each in choice.own.databases],
            "unknown": choice.own.unknown,
        },
        "copies": choice.copies.where if choice.copies is not None else None,
        "next": _commands(done),
    }
