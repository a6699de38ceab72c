"""Databases that variables name: the environment's, and those of `.env` files."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values

from ops_pipelines.engines.registry import CLUES, KINDS
from ops_pipelines.setup.files import text_of
from ops_pipelines.setup.found import Database, database_of, sqlite_at, url_of, with_login

DOTENV = (
    ".env", ".env.local", ".env.prod", ".env.production", ".env.prod.local", ".env.production.local", "prisma/.env",
)  # fmt: skip
"""In the order in which frameworks read them: a later one overrides an earlier."""
_URL_NAME = re.compile(r"_?(DATABASE|DB|POSTGRES|POSTGRESQL|PG|MYSQL|MARIADB|MONGO|MONGODB)?_?(URL|URI|DSN)$")


def named_by(values: Mapping[str, str], where: str, *, directory: Path, lasting: bool = False) -> Iterator[Database]:
    """Databases that a set of variables names.

    Args:
        where: the set, in words: `environment`, `.env`.
        directory: what the paths of SQLite files are relative to.
        lasting: the variables will be there when backups run, so that `ops.yaml` may name them.
    """
    for variable, value in sorted(values.items()):
        origin, name = f"{variable} ({where})", bare(variable)
        user, password = (
            values.get(f"{variable.removesuffix('_URL')}_{each}", "") for each in ("USERNAME", "PASSWORD")
        )
        complete = with_login(value, user, password)
        kept = variable if lasting and complete == value else ""
        found = database_of(complete, origin=origin, variable=kept, name=name, directory=directory)
        if found is not None:
            yield found
    for kind, clues, parts in ((kind, each, parts) for kind, each in CLUES.items() for parts in each.variables):
        host, port, user, password, database = (_first(values, names) for names in parts)
        if (host or clues.sockets) and (database or (clues.database_of_user and host and user)):
            url = url_of(kind, host=host, port=port, user=user, password=password, database=database or user)
            yield _of_parts(url, f"{parts[0][0]} and the like ({where})", assumed=not host)
    yield from _of_db_words(values, where, directory)


def _of_db_words(values: Mapping[str, str], where: str, directory: Path) -> Iterator[Database]:
    """The database of `DB_NAME`, `DB_HOST` and so on; what kind it is, `DB_ENGINE` says, or its port."""
    names = (
        ("DB_HOST", "DATABASE_HOST"), ("DB_PORT", "DATABASE_PORT"),
        ("DB_USERNAME", "DB_USER", "DATABASE_USERNAME", "DATABASE_USER"),
        ("DB_PASSWORD", "DB_PASS", "DATABASE_PASSWORD"), ("DB_DATABASE", "DB_NAME", "DATABASE_NAME"),
    )  # fmt: skip
    host, port, user, password, database = (_first(values, each) for each in names)
    engine = _first(values, ("DB_CONNECTION", "DB_ENGINE", "DB_TYPE", "DB_DRIVER", "DB_CLIENT", "DATABASE_ENGINE"))
    kind = kind_of(engine) or _kind_of_port(port)
    origin = f"DB_NAME and the like ({where})"
    if kind in CLUES and database:
        url = url_of(kind, host=host, port=port, user=user, password=password, database=database)
        yield _of_parts(url, origin, assumed=not host)
    elif kind is not None and database:
        yield sqlite_at(directory / database, origin=origin)


def kind_of(engine: str) -> str | None:
    """What a framework's word for an engine means: `django.db.backends.postgresql`, `mysql2`, `pgsql`."""
    name = engine.lower()
    known = ((word, kind.name) for kind in KINDS.values() for word in kind.words)
    return next((kind for word, kind in known if word in name), None)


def _kind_of_port(port: str) -> str | None:
    known = ((kind, {clues.port, *clues.other_ports}) for kind, clues in CLUES.items())
    return next((kind for kind, ports in known if port in map(str, ports)), None)


def bare(variable: str) -> str:
    """What a variable calls its database: `CRM_DATABASE_URL` says CRM; empty when it says nothing."""
    return _URL_NAME.sub("", variable)


def dotenv(directory: Path) -> tuple[str, dict[str, str]]:
    """What the `.env` files of a directory say: their names, and the values; of several, the last one's counts."""
    said = {name: read_dotenv(directory / name) for name in DOTENV if (directory / name).is_file()}
    return ", ".join(said), {key: value for values in said.values() for key, value in values.items()}


def read_dotenv(path: Path) -> dict[str, str]:
    """One file of variables; none where it is not there, or not text."""
    return {key: value for key, value in dotenv_values(stream=StringIO(text_of(path))).items() if value}


def _of_parts(url: str, origin: str, *, assumed: bool) -> Database:
    found = database_of(url, origin=origin)
    assert found is not None, "it has a name"
    return replace(found, assumed=assumed)


def _first(values: Mapping[str, str], names: Sequence[str]) -> str:
    return next((values[name] for name in names if values.get(name)), "")
