"""`ops init`: a first configuration, from what is found here and what is asked."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.clock import human_size
from ops_pipelines.config.load import DEFAULT_NAME
from ops_pipelines.durable import make_directory
from ops_pipelines.errors import OpsError
from ops_pipelines.setup import compose, discover
from ops_pipelines.setup.document import AGE_KEY, Choice, Copies
from ops_pipelines.setup.found import Database, Folder, Missing, plain_name
from ops_pipelines.setup.here import time_zone
from ops_pipelines.setup.own import own
from ops_pipelines.setup.write import Written, refuse_existing, write
from ops_pipelines.text import shell

_NEXT = "ops doctor"


@output.explained
def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIRECTORY]", help="Directory for ops.yaml.")] = Path(),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; protect everything that is found.")] = False,
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
    timezone: Annotated[str, typer.Option("--timezone", help="Time zone (IANA name); default: this machine's.")] = "",
    no_database: Annotated[
        bool, typer.Option("--no-database", help="Protect folders only; do not look for databases.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing ops.yaml.")] = False,
    as_json: output.JsonOption = False,
) -> int:
    """Look for databases and uploads, make keys, and write a commented ops.yaml that passes `ops check`.

    Databases are those that PG*, MYSQL*, MONGO*, DB_* and *_URL variables, .env files, systemd units, compose files,
    .pgpass, .my.cnf and the settings of Django, Rails, Laravel, Symfony, Prisma, Spring and WordPress name; each is
    asked whether it answers. One that does not is protected all the same: its backups fail until it does.
    Exit status: 0 fine, 1 something that was found does not answer, 2 nothing was found, or a project is here whose
    database was not (nothing is written then), 3 there is an ops.yaml already.
    Example: ops init --yes --store /mnt/nas/backups
    """
    directory = directory.absolute()
    if not force:
        refuse_existing(directory)
    if not yes and (as_json or not sys.stdin.isatty()):
        raise OpsError(
            "there is no terminal to ask questions on",
            safe="nothing was written",
            next="ops init --yes protects everything that answers; ops init --help lists the options that answer them",
        )
    there = _looked_for(directory, database_url_env, no_database=no_database, ledger=ledger_url_env)
    found = there.databases
    folders = [discover.folder_at(each) for each in uploads] if uploads else discover.folders(directory, there.volumes)
    folders = _apart(folders, found)
    if not as_json:
        _report_found(found, folders, there.missing)
    _refuse_nothing(there, folders, no_database=no_database)
    copies = _copies(store, directory, os.environ)
    if not yes:
        found = [_asked_for(each) for each in found]
        folders = [each for each in folders if typer.confirm(f"Protect the folder {each.path}?", default=True)]
        copies = copies or _copies(_ask_for_a_store(), directory, os.environ)
    choice = Choice(
        databases=[each for each in found if not each.declined],
        folders=folders,
        own=own(directory, os.environ, ledger=ledger_url_env),
        left_out=[each for each in found if each.declined],
        copies=copies,
        timezone=timezone or time_zone(),
        ledger=ledger_url_env,
    )
    done = write(directory, choice, replace=force)
    _begin(done, choice)
    silent = [each.problem for each in choice.databases] + [each.problem for each in folders]
    status = output.ATTENTION if any(silent) or there.missing or not (choice.databases or folders) else output.FINE
    if as_json:
        output.print_json(_document(status, there, choice, done))
    else:
        _report_end(choice, done)
    return status


def _looked_for(directory: Path, names: list[str] | None, *, no_database: bool, ledger: str) -> discover.Found:
    if no_database:
        return discover.Found(volumes=compose.read(directory, os.environ).folders)
    if names:
        return discover.Found(discover.of_variables(names, os.environ))
    return discover.everything(directory, os.environ, but=ledger)


def _refuse_nothing(there: discover.Found, folders: Sequence[Folder], *, no_database: bool) -> None:
    """A configuration that protects nothing, or not what matters, would be green. Raises OpsError."""
    if there.databases or (folders and not there.missing):
        return
    command = "ops init --yes --database-url-env DATABASE_URL"
    name_it = f"export DATABASE_URL=postgresql://USER:PASSWORD@HOST:5432/DATABASE; {command}"
    only_folders = "where there is no database to protect: ops init --yes --no-database"
    if there.missing:
        first, *more = there.missing
        raise OpsError(
            f"{first.what} was not found",
            why="; ".join([first.why, *(f"{each.what}: {each.why}" for each in more)]),
            safe="nothing was written: it would have left out what matters most",
            next=f"{name_it}; {only_folders}",
        )
    raise OpsError(
        "no folder with uploads was found" if no_database else "no database and no folder was found",
        safe="nothing was written: it would have protected nothing",
        next="name the folder: ops init --yes --no-database --uploads FOLDER"
        if no_database
        else f"{name_it}; or name a folder: ops init --yes --uploads FOLDER",
    )


def _apart(folders: Sequence[Folder], databases: Sequence[Database]) -> list[Folder]:
    """The folders under names that no database has."""
    taken = {each.name for each in databases}
    return [replace(each, name=f"{each.name}_files") if each.name in taken else each for each in folders]


def _asked_for(database: Database) -> Database:
    """The same under the name that is wanted, or declined."""
    silent = ", which does not answer yet," if database.problem else ""
    name = typer.prompt(f"Protect {database.origin}{silent} as (- for no)", default=database.name)
    return replace(database, declined=True) if name == "-" else replace(database, name=plain_name(name))


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


def _report_found(databases: Sequence[Database], folders: Sequence[Folder], missing: Sequence[Missing]) -> None:
    for each in databases:
        if each.problem:
            output.say(
                "[yellow]![/] {}: {} from {} does not answer: {}", each.name, each.kind, each.origin, each.problem
            )
            output.say("    it is protected anyway: its backups fail, and raise alerts, until it answers")
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
        if folder.problem:
            output.say("[yellow]![/] {}: {}; it is protected anyway", folder.name, folder.problem)
            continue
        output.say(
            "[green]✓[/] {}: {} files, {}, in {}", folder.name, folder.files, human_size(folder.size_bytes), folder.path
        )
    if databases:
        for gone in missing:
            output.say("[yellow]![/] {} was not found: {}", gone.what, gone.why)


def _begin(done: Written, choice: Choice) -> None:
    """Our own history begins here, so that it can be protected like the rest before anything was ever run."""
    for each in choice.own.files:
        if not each.suffix:
            make_directory(done.directory / each)
            continue
        with suppress(OpsError), output.open_work(done.directory / DEFAULT_NAME).ledger.session():
            pass


def _report_end(choice: Choice, done: Written) -> None:
    output.say("wrote {} in {}", ", ".join(done.written), done.directory)
    if done.kept:
        output.say("left unchanged: {}", ", ".join(done.kept))
    for each in choice.own.unknown:
        output.say("[yellow]![/] {}", each)
    output.say(
        "[yellow]![/] Without {} no backup can be opened. Keep a copy of it on another machine, now; "
        "`ops kit` packs all that a recovery needs.",
        AGE_KEY,
    )
    if choice.copies is None:
        output.say("[yellow]![/] There is no second copy yet: see stores: in ops.yaml.")
    output.say("\nnext: [bold]{}[/]", " && ".join(_commands(done)))


def _commands(done: Written) -> list[str]:
    go = [] if done.directory == Path.cwd() else [f"cd {shell(str(done.directory))}"]
    return [*go, _NEXT]


def _document(status: int, there: discover.Found, choice: Choice, done: Written) -> dict[str, object]:
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
                "protected": not each.declined,
                "problem": each.problem,
                "server_version": each.server,
                "size_bytes": each.size_bytes,
            }
            for each in (*choice.databases, *choice.left_out)
        ],
        "missing": [{"what": each.what, "why": each.why} for each in there.missing],
        "folders": [
            {
                "name": each.name,
                "path": str(each.path),
                "files": each.files,
                "size_bytes": each.size_bytes,
                "problem": each.problem,
            }
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
