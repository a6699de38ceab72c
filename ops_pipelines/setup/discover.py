"""Look around: databases that are named somewhere and whether they answer, folders that hold uploads."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path

from pydantic import TypeAdapter

from ops_pipelines.config.sources import Source
from ops_pipelines.engines.registry import engine_for
from ops_pipelines.errors import OpsError, SourceError
from ops_pipelines.setup import compose, variables
from ops_pipelines.setup.found import Database, Folder, database_of, plain_name

OWN = "ops"
"""The name of the source that we are ourselves."""
_UPLOADS = (
    "uploads", "media", "attachments", "public/uploads", "public/media", "static/uploads", "storage/app", "storage",
    "data/uploads", "var/uploads", "wp-content/uploads",
)  # fmt: skip
_PATIENCE = "5s"
_AT_ONCE = 8
_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)


def databases(directory: Path, environ: Mapping[str, str], *, but: str = "") -> list[Database]:
    """Every database that the environment, `.env` and compose files name, each asked whether it is there.

    Args:
        but: a variable that is not about a source (the ledger's).
    """
    given = {name: value for name, value in environ.items() if name != but}
    files = [variables.named_by(values, name) for name, values in variables.dotenv(directory)]
    every = chain(variables.named_by(given, "environment", lasting=True), *files, compose.published(directory, environ))
    return asked(every)


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


def asked(every: Iterator[Database] | Sequence[Database]) -> list[Database]:
    """The same without repetitions, under names that differ, each with what its server said."""
    distinct = {each.key: each for each in reversed(list(every))}
    named: list[Database] = []
    for each in reversed(distinct.values()):
        named.append(replace(each, name=_free(each.name, [OWN, *(other.name for other in named)])))
    with ThreadPoolExecutor(_AT_ONCE) as side_by_side:
        return list(side_by_side.map(_asked, named))


def _free(name: str, taken: Sequence[str]) -> str:
    return next(each for each in (name, *(f"{name}_{n}" for n in range(2, len(taken) + 3))) if each not in taken)


def _asked(database: Database) -> Database:
    """Really connect, with the engine that would back it up."""
    if database.problem:
        return database
    settings = {"kind": database.kind, "url": {"literal": database.url}, "limits": {"connect": _PATIENCE}}
    try:
        probe = engine_for(database.name, _SOURCE.validate_python(settings)).probe()
    except OpsError as error:
        return replace(database, problem=f"{error.what}{f': {error.why}' if error.why else ''}")
    return replace(database, server=probe.server_version, size_bytes=probe.size_bytes)


def folders(directory: Path) -> list[Folder]:
    """The folders below a directory that look like uploads and have files in them."""
    found: list[Folder] = []
    for name in _UPLOADS:
        path = directory / name
        if path.is_dir() and not any(_overlap(path, each.path) for each in found):
            folder = folder_at(path, name)
            found += [folder] if folder.files else []
    return found


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
