"""By what a PostgreSQL database is known before it is a source."""

from collections.abc import Sequence
from datetime import timedelta

from ops_pipelines.engines.clues import Clues, InService, Value
from ops_pipelines.extras import needed

_PATIENCE = timedelta(seconds=5)
_DATABASES = (
    "select datname from pg_database where datallowconn and not datistemplate and datname <> 'postgres' "
    "and has_database_privilege(datname, 'connect') order by 1"
)


def _login(value: Value) -> InService:
    user = value("POSTGRES_USER") or "postgres"
    return InService(user, value("POSTGRES_PASSWORD"), value("POSTGRES_DB") or user)


def _at_socket(login: str, directory: str, port: str, database: str) -> str:
    ports = f"&port={port}" if port else ""
    return f"postgresql://{login}/{database}?host={directory}{ports}"


def _databases(url: str) -> Sequence[str]:
    with needed("postgres"):
        from ops_pipelines.engines.postgres.connection import Server, session  # noqa: PLC0415

    with session(Server(url, connect=_PATIENCE), limit=_PATIENCE, settings=False) as asked:
        return [str(row[0]) for row in asked.rows(_DATABASES)]


CLUES = Clues(
    scheme="postgresql",
    port=5432,
    other_ports=(6432,),
    images=("postgres", "postgis", "timescaledb", "pgvector"),
    variables=(
        (("PGHOST",), ("PGPORT",), ("PGUSER",), ("PGPASSWORD",), ("PGDATABASE",)),
        (
            ("POSTGRES_HOST",),
            ("POSTGRES_PORT",),
            ("POSTGRES_USER",),
            ("POSTGRES_PASSWORD",),
            ("POSTGRES_DB", "POSTGRES_DATABASE"),
        ),
    ),
    database_of_user=True,
    sockets="/var/run/postgresql",
    own_database="postgres",
    login=_login,
    at_socket=_at_socket,
    databases=_databases,
)
