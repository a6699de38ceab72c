"""Look around: databases that are named somewhere and whether they answer, folders that hold uploads."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from pydantic import TypeAdapter

from ops_pipelines.config.sources import AnySource
from ops_pipelines.engines.registry import kind_of, load
from ops_pipelines.errors import OpsError, SourceError
from ops_pipelines.setup import clients, compose, servers, units, variables
from ops_pipelines.setup.found import Database, Folder, Missing, database_of, plain_name
from ops_pipelines.setup.projects import look

OWN = "ops"
"""The name of the source that we are ourselves."""
_UPLOADS = (
    "uploads", "media", "attachments", "public/uploads", "public/media", "static/uploads", "storage/app", "storage",
    "data/uploads", "var/uploads", "wp-content/uploads",
)  # fmt: skip
_PATIENCE = "5s"
_AT_ONCE = 8
_SOURCE: TypeAdapter[AnySource] = TypeAdapter(AnySource)


@dataclass(frozen=True)
class Found:
    """What there is.

    Attributes:
        databases: each was asked whether it is there.
        missing: what must be there and was not found.
        volumes: folders of a compose file's volumes, by the names of the volumes.
    """

    databases: Sequence[Database] = ()
    missing: Sequence[Missing] = ()
    volumes: Sequence[tuple[str, Path]] = ()


def everything(directory: Path, environ: Mapping[str, str], *, but: str = "") -> Found:
    """Every database that something names: the environment, `.env`, units, a compose file, a project, a home's files.

    Args:
        but: a variable that is not about a source (the ledger's).
    """
    given = {name: value for name, value in environ.items() if name != but}
    names, said = variables.dotenv(directory)
    services = list(units.given(directory))
    composed = compose.read(directory, environ)
    every = [variables.named_by(given, "environment", directory=directory, lasting=True)]
    # Parts of one address may stand in several places: the environment's count before those of a file.
    sets = [(names, said | given)] if said else []
    every += [variables.named_by(values, name, directory=directory) for name, values in (*sets, *services)]
    values = {key: value for _, each in services for key, value in each.items()} | said | given
    projects = list(look.projects(directory, values))
    every += [iter(composed.databases), *(iter(each.databases) for each in projects)]
    home = clients.logins(Path(environ.get("HOME") or Path.home()), environ)
    named = [composed.from_here(each) for each in chain(*every)]
    named = [clients.completed(each, home) for each in _without_guesses([*named, *clients.databases(home)])]
    seen = {(each.kind, each.key[1]) for each in named}
    listed = [each for login in home if not login.names_a_database and login.host != "*"
              and (login.kind, _here(login.host)) not in seen for each in servers.every_database(login)]  # fmt: skip
    missing = [each.missing for each in projects if each.missing is not None]
    return Found(
        asked([*named, *(each for each in listed if isinstance(each, Database))]),
        [*missing, *composed.missing, *(each for each in listed if isinstance(each, Missing))],
        composed.folders,
    )


def _here(host: str) -> str:
    return "127.0.0.1" if host in ("", "localhost", "::1") else host


def _without_guesses(every: Sequence[Database]) -> list[Database]:
    """Without those whose host is a guess, where another place names the host of the same database."""
    certain = {(each.kind, each.key[3]) for each in every if not each.assumed}
    return [each for each in every if not each.assumed or (each.kind, each.key[3]) not in certain]


def of_variables(names: Sequence[str], environ: Mapping[str, str]) -> list[Database]:
    """The databases whose URLs these variables hold, each asked whether it is there.

    Raises:
        SourceError: a variable is not set, or holds no URL of a database.
    """
    found = []
    for name in names:
        each = database_of(
            environ.get(name, ""), origin=f"{name} (environment)", variable=name, name=variables.bare(name)
        )
        if each is None:
            raise SourceError(
                f"{name} holds no URL of a database" if environ.get(name) else f"{name} is not set",
                why="" if not environ.get(name) else "postgresql://, mysql:// or mongodb:// with a database's name",
                safe="nothing was written",
                next=f"export {name}=postgresql://USER:PASSWORD@HOST:5432/DATABASE",
            )
        found.append(each)
    return asked(found)


def asked(every: Sequence[Database]) -> list[Database]:
    """The same without repetitions, under names that differ, each with what its server said.

    Of two spellings of one database that differ in their login, the one that is let in counts.
    """
    spellings = list({(each.key, each.url): each for each in reversed(every)}.values())[::-1]
    load({each.kind for each in spellings})
    with ThreadPoolExecutor(_AT_ONCE) as side_by_side:
        answered = list(side_by_side.map(_asked, spellings))
    distinct: dict[tuple[str, str, str, str], Database] = {}
    for each in answered:
        if each.key not in distinct or (distinct[each.key].problem and not each.problem):
            distinct[each.key] = each
    named: list[Database] = []
    for each in distinct.values():
        named.append(replace(each, name=_free(each.name, [OWN, *(other.name for other in named)])))
    return named


def _free(name: str, taken: Sequence[str]) -> str:
    return next(each for each in (name, *(f"{name}_{n}" for n in range(2, len(taken) + 3))) if each not in taken)


def _asked(database: Database) -> Database:
    """Really connect, with the engine that would back it up."""
    if database.problem:
        return database
    place = {"paths": [database.path]} if kind_of(database.kind).on_disk else {"url": {"literal": database.url}}
    settings = {"kind": database.kind, **place, "limits": {"connect": _PATIENCE}}
    try:
        probe = _SOURCE.validate_python(settings).engine(database.name).probe()
    except OpsError as error:
        return replace(database, problem=f"{error.what}{f': {error.why}' if error.why else ''}")
    return replace(database, server=probe.server_version, size_bytes=probe.size_bytes)


def folders(directory: Path, volumes: Sequence[tuple[str, Path]] = ()) -> list[Folder]:
    """The folders below a directory that look like uploads and have files in them, and those of a compose file.

    Args:
        volumes: named by a compose file: one that cannot be looked into from here has a problem.
    """
    found: list[Folder] = []
    for name, path in volumes:
        if not any(_overlap(path, each.path) for each in found):
            found.append(_volume(name, path))
    for name in _UPLOADS:
        path = directory / name
        if path.is_dir() and not any(_overlap(path, each.path) for each in found):
            folder = folder_at(path, name)
            found += [folder] if folder.files else []
    return found


def _volume(name: str, path: Path) -> Folder:
    try:
        if path.is_dir():
            return folder_at(path, name)
        problem = f"{path} is not there: the volume may have another name, see docker volume ls"
    except OSError as error:
        problem = f"{path} cannot be read:  {error.strerror}"
    return Folder(plain_name(name), path, 0, 0, problem=problem)


def folder_at(path: Path, name: str = "") -> Folder:
    """A folder by its path, counted. Raises SourceError when it is none."""
    if not path.is_dir():
        raise SourceError(
            f"{path} is no folder", safe="nothing was written", next="name a folder that is there: --uploads FOLDER"
        )
    sizes = [(Path(at) / each).lstat().st_size for at, _folders, names in os.walk(path) for each in names]
    return Folder(plain_name(name or path.name), path.resolve(), len(sizes), sum(sizes))


def _overlap(one: Path, other: Path) -> bool:
    return one.resolve() == other or other in one.resolve().parents or one.resolve() in other.parents
