"""By what a MySQL or MariaDB database is known before it is a source."""

from collections.abc import Sequence
from datetime import timedelta

from ops_pipelines.engines.clues import Clues, InService, Value
from ops_pipelines.extras import needed

_PATIENCE = timedelta(seconds=5)
_DATABASES = (
    "select schema_name from information_schema.schemata where schema_name not in "
    "('information_schema', 'performance_schema', 'mysql', 'sys') order by 1"
)


def _login(value: Value) -> InService:
    # The root account sees everything that a dump needs.
    root = value("MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD")
    database = value("MARIADB_DATABASE", "MYSQL_DATABASE")
    if root:
        return InService("root", root, database)
    return InService(value("MARIADB_USER", "MYSQL_USER"), value("MARIADB_PASSWORD", "MYSQL_PASSWORD"), database)


def _at_socket(login: str, directory: str, port: str, database: str) -> str:
    return f"mysql://{login}localhost/{database}?socket={directory}"


def _databases(url: str) -> Sequence[str]:
    with needed("mysql"):
        from ops_pipelines.engines.mysql.connection import parse, session  # noqa: PLC0415

    with session(parse(url, connect=_PATIENCE).at(""), limit=_PATIENCE, settings=False) as opened:
        return [str(row[0]) for row in opened.rows(_DATABASES)]


CLUES = Clues(
    scheme="mysql",
    port=3306,
    images=("mariadb", "mysql", "percona"),
    variables=(
        (
            ("MYSQL_HOST", "MARIADB_HOST"),
            ("MYSQL_TCP_PORT", "MYSQL_PORT", "MARIADB_PORT"),
            ("MYSQL_USER", "MARIADB_USER"),
            ("MYSQL_PWD", "MYSQL_PASSWORD", "MARIADB_PASSWORD"),
            ("MYSQL_DATABASE", "MARIADB_DATABASE"),
        ),
    ),
    own_database="mysql",
    login=_login,
    at_socket=_at_socket,
    databases=_databases,
)
