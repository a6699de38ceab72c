"""Ask a server which databases it has, where a login is known and no database is."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from ops_pipelines.engines.mysql import connection as mysql
from ops_pipelines.engines.postgres import connection as postgres
from ops_pipelines.errors import SourceError
from ops_pipelines.setup.clients import Login
from ops_pipelines.setup.found import Database, Missing, database_of

_PATIENCE = timedelta(seconds=5)
_POSTGRES = (
    "select datname from pg_database where datallowconn and not datistemplate and datname <> 'postgres' "
    "and has_database_privilege(datname, 'connect') order by 1"
)
_MYSQL = (
    "select schema_name from information_schema.schemata where schema_name not in "
    "('information_schema', 'performance_schema', 'mysql', 'sys') order by 1"
)


def every_database(login: Login) -> Iterator[Database | Missing]:
    """The databases that a login sees on its server; what is missing, where the server does not say."""
    try:
        names = _names(login)
    except SourceError as error:
        yield Missing(f"the databases that {login.origin} leads to", f"{error.what}: {error.why}")
        return
    for name in names:
        found = database_of(login.url(name), origin=login.origin)
        if found is not None:
            yield found


def _names(login: Login) -> Sequence[str]:
    if login.kind == "postgres":
        server = postgres.Server(login.url("postgres"), connect=_PATIENCE)
        with postgres.session(server, limit=_PATIENCE, settings=False) as asked:
            return [str(row[0]) for row in asked.rows(_POSTGRES)]
    place = mysql.parse(login.url("mysql"), connect=_PATIENCE).at("")
    with mysql.session(place, limit=_PATIENCE, settings=False) as opened:
        return [str(row[0]) for row in opened.rows(_MYSQL)]
