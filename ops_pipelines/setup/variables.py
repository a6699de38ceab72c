"""Databases that variables name: the environment's, and those of `.env` files."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv import dotenv_values

from ops_pipelines.setup.found import Database, Kind, database_of, url_of

DOTENV = (".env", ".env.local", ".env.production")
_URL_NAME = re.compile(r"_?(DATABASE|DB|POSTGRES|POSTGRESQL|PG|MYSQL|MARIADB|MONGO|MONGODB)?_?(URL|URI|DSN)$")
# Where client programs and frameworks look: host, port, user, password, database; the first that is set counts.
_PARTS: tuple[tuple[Kind, tuple[tuple[str, ...], ...]], ...] = (
    ("postgres", (("PGHOST",), ("PGPORT",), ("PGUSER",), ("PGPASSWORD",), ("PGDATABASE",))),
    (
        "postgres",
        (
            ("POSTGRES_HOST",),
            ("POSTGRES_PORT",),
            ("POSTGRES_USER",),
            ("POSTGRES_PASSWORD",),
            ("POSTGRES_DB", "POSTGRES_DATABASE"),
        ),
    ),
    (
        "mysql",
        (
            ("MYSQL_HOST", "MARIADB_HOST"),
            ("MYSQL_TCP_PORT", "MYSQL_PORT", "MARIADB_PORT"),
            ("MYSQL_USER", "MARIADB_USER"),
            ("MYSQL_PWD", "MYSQL_PASSWORD", "MARIADB_PASSWORD"),
            ("MYSQL_DATABASE", "MARIADB_DATABASE"),
        ),
    ),
    (
        "mongodb",
        (
            ("MONGO_HOST", "MONGODB_HOST"),
            ("MONGO_PORT", "MONGODB_PORT"),
            ("MONGO_USER", "MONGO_USERNAME", "MONGODB_USER", "MONGODB_USERNAME"),
            ("MONGO_PASSWORD", "MONGODB_PASSWORD"),
            ("MONGO_DATABASE", "MONGO_DB", "MONGODB_DATABASE", "MONGODB_DB"),
        ),
    ),
)
_DJANGO_AND_LARAVEL: Mapping[str, Kind] = {
    "pgsql": "postgres", "postgres": "postgres", "postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql",
    "mongodb": "mongodb",
}  # fmt: skip


def named_by(values: Mapping[str, str], where: str, *, lasting: bool = False) -> Iterator[Database]:
    """Databases that a set of variables names.

    Args:
        where: the set, in words: `environment`, `.env`.
        lasting: the variables will be there when backups run, so that `ops.yaml` may name them.
    """
    for variable, value in sorted(values.items()):
        origin = f"{variable} ({where})"
        found = database_of(value, origin=origin, variable=variable if lasting else "", name=bare(variable))
        if found is not None:
            yield found
    for kind, parts in _PARTS:
        host, port, user, password, database = (_first(values, names) for names in parts)
        if (host or kind == "postgres") and (database or (kind == "postgres" and host and user)):
            url = _url(kind, host, port, user, password, database or user)
            yield from _of_parts(url, f"{parts[0][0]} and the like ({where})")
    if kind_ := _DJANGO_AND_LARAVEL.get((values.get("DB_CONNECTION") or values.get("DB_ENGINE") or "").lower()):
        words = ("DB_HOST", "DB_PORT", "DB_USERNAME", "DB_PASSWORD", "DB_DATABASE")
        host, port, user, password, database = (values.get(each, "") for each in words)
        url = _url(
            kind_, host, port, user or values.get("DB_USER", ""), password, database or values.get("DB_NAME", "")
        )
        yield from _of_parts(url, f"DB_HOST and the like ({where})")


def bare(variable: str) -> str:
    """What a variable calls its database: `CRM_DATABASE_URL` says CRM; empty when it says nothing."""
    return _URL_NAME.sub("", variable)


def dotenv(directory: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The `.env` files of a directory: each one's name and its values."""
    for name in DOTENV:
        if (path := directory / name).is_file():
            yield name, {key: value for key, value in dotenv_values(path, interpolate=True).items() if value}


def _url(kind: Kind, host: str, port: str, user: str, password: str, database: str) -> str:
    options = "?authSource=admin" if kind == "mongodb" and user else ""
    return url_of(kind, host=host, port=port, user=user, password=password, database=database, options=options)


def _of_parts(url: str, origin: str) -> Iterator[Database]:
    if (found := database_of(url, origin=origin)) is not None:
        yield found


def _first(values: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((values[name] for name in names if values.get(name)), "")
