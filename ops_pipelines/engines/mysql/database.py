"""The database around the tables: what a restore must know of it and its server, and making a new one."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from pydantic import JsonValue

from ops_pipelines.engines import verify_databases
from ops_pipelines.engines.mysql.clients import MARIADB, MYSQL
from ops_pipelines.engines.mysql.connection import QueryFailed, Server, Session, identifier, session
from ops_pipelines.errors import SafetyRefusal, SourceError

_LIMIT = timedelta(minutes=5)
# A server of other settings refuses some tables, or compares their names in another way.
_SERVER_SETTINGS = (
    "lower_case_table_names", "sql_mode", "character_set_server", "collation_server", "innodb_page_size",
    "innodb_default_row_format", "explicit_defaults_for_timestamp", "default_storage_engine",
    "partial_revokes",
)  # fmt: skip
_CANNOT_USER = 1396  # it is there already
_IDENTITY = ("server_uid", "server_uuid", "hostname", "port", "datadir", "socket")
_HELD = """
select (select count(*) from information_schema.tables where table_schema = %s)
     + (select count(*) from information_schema.routines where routine_schema = %s)
     + (select count(*) from information_schema.events where event_schema = %s)
"""


def product_of(opened: Session) -> str:
    """Whose server this is."""
    said = opened.rows("select version(), @@version_comment")[0]
    return MARIADB if MARIADB.lower() in " ".join(said).lower() else MYSQL


def describe(opened: Session) -> dict[str, JsonValue]:
    """What a restore must know about the database and its server."""
    charset, collation, name = opened.rows(
        "select default_character_set_name, default_collation_name, schema_name"
        "  from information_schema.schemata where schema_name = database()"
    )[0]
    # The server's own modes, not the ones our session set for itself.
    named = ", ".join(f"'{setting}'" for setting in _SERVER_SETTINGS)
    settings = dict(opened.rows(f"show global variables where variable_name in ({named})"))
    return {
        "product": product_of(opened),
        "server_version": str(opened.value("select version()")),
        "database": name,
        "charset": charset,
        "collation": collation,
        "settings": {str(key): str(value) for key, value in settings.items()},
    }


def identity(opened: Session) -> dict[str, str]:
    """What tells this schema from every other: the server's own id where it has one, else where it keeps its data."""
    variables = opened.variables("server_uid", "server_uuid", "hostname", "datadir")
    named = {name: variables[name] for name in ("server_uuid", "server_uid") if variables.get(name)}
    return {"schema": str(opened.value("select database()")), **(named or variables)}


def same(one: Server, other: Server) -> bool:
    """Whether two URLs lead to the same database, asked from the servers themselves."""
    try:
        with session(one.at(""), limit=_LIMIT) as first, session(other.at(""), limit=_LIMIT) as second:
            alike = first.variables(*_IDENTITY) == second.variables(*_IDENTITY)
            folded = first.variables("lower_case_table_names")["lower_case_table_names"] != "0"
    except SourceError:
        # One of them is not there or will not say: compare what the URLs say instead.
        alike, folded = (one.host, one.port, one.socket) == (other.host, other.port, other.socket), False
    if folded:
        return alike and one.database.lower() == other.database.lower()
    return alike and one.database == other.database


def create(target: Server, facts: Mapping[str, JsonValue]) -> Server:
    """Create the database `target` names, with the recorded character set; returns it.

    Raises:
        SafetyRefusal: it exists and is not empty.
    """
    if not target.database:
        raise SafetyRefusal(
            f"{target}: the target names no database",
            safe="nothing was changed",
            next="write it like mysql://user:…@host:3306/new_database",
        )
    name = identifier(target.database)
    with session(target.at(""), limit=_LIMIT) as opened:
        if opened.rows("select 1 from information_schema.schemata where schema_name = %s", [target.database]):
            held = int(opened.rows(_HELD, [target.database] * 3)[0][0])
            if held:
                raise SafetyRefusal(
                    f"database {target} exists and holds {held} objects",
                    safe="nothing was changed",
                    next="name a new database, or drop that one first if you are sure",
                )
            opened.rows(f"alter database {name} {_options(facts)}")
        else:
            opened.rows(f"create database {name} {_options(facts)}")
    return target


def exists(target: Server) -> bool:
    """Whether the database is there. Raises SourceError."""
    with session(target.at(""), limit=_LIMIT) as opened:
        return bool(opened.rows("select 1 from information_schema.schemata where schema_name = %s", [target.database]))


def drop(target: Server) -> None:
    """Drop the database `target` names. Raises SourceError."""
    with session(target.at(""), limit=_LIMIT) as opened:
        opened.rows(f"drop database if exists {identifier(target.database)}")


def create_definers(server: Server, definers: JsonValue, database: str) -> None:
    """Make accounts nobody can log in to, for views, routines, triggers and events of a database to run as.

    On a server that was lent to us it is written down there, before anything is made, what `take_back` has to undo:
    whoever comes after a kill finds it.

    Args:
        definers: accounts as `user@host`; whatever is no list is none.
    """
    named = [str(each).rpartition("@")[::2] for each in definers] if isinstance(definers, list) else []
    named = [(user, host) for user, host in named if user]
    if not named:
        return
    with session(server, limit=_LIMIT) as opened:
        lent = verify_databases.is_ours(database)
        if lent:
            _begin_notes(opened, database)
        for user, host in named:
            if lent:
                _note(opened, database, user, host, _is_absent(opened, user, host))
            made = _created(opened, _account(user, host))
            if lent:
                _note(opened, database, user, host, made)
            opened.rows(f"grant all on {_as_pattern(database)}.* to {_account(user, host)}")


def take_back(server: Server, database: str) -> None:
    """Undo what `create_definers` did on a server that was lent to us, when the database itself is gone.

    Raises:
        SourceError: the server cannot be reached, or refuses; what was written down stays.
    """
    with session(server, limit=_LIMIT) as opened:
        if opened.rows("select 1 from information_schema.tables where table_schema = %s", [_beside(database)]):
            for user, host, made in opened.rows(f"select user, host, made from {_notes(database)}"):
                account = _account(user, host)
                with suppress(QueryFailed):  # gone meanwhile
                    opened.rows(
                        f"drop user if exists {account}"
                        if made
                        else f"revoke all privileges on {_as_pattern(database)}.* from {account}"
                    )
        opened.rows(f"drop database if exists {identifier(_beside(database))}")


def _beside(database: str) -> str:
    return f"{database}_accounts"


def _notes(database: str) -> str:
    return f"{identifier(_beside(database))}.made"


def _begin_notes(opened: Session, database: str) -> None:
    opened.rows(f"create database {identifier(_beside(database))} collate utf8mb4_bin")
    opened.rows(
        f"create table {_notes(database)} (user varchar(128), host varchar(255), made int, primary key (user, host))"
    )


def _note(opened: Session, database: str, user: str, host: str, made: bool) -> None:
    opened.rows(f"replace into {_notes(database)} values (%s, %s, %s)", [user, host, int(made)])


def _is_absent(opened: Session, user: str, host: str) -> bool:
    """Whether an account is known not to be there: who may not look knows it only once it was made."""
    try:
        return not opened.rows("select 1 from mysql.user where user = %s and host = %s", [user, host])
    except QueryFailed:
        return False


def _created(opened: Session, account: str) -> bool:
    """Make a locked account; false when it was there."""
    try:
        opened.rows(f"create user {account} account lock")
    except QueryFailed as error:
        if error.code != _CANNOT_USER:
            raise
        return False
    return True


def _account(user: str, host: str) -> str:
    return f"{identifier(user)}@{identifier(host)}"


def statement(facts: Mapping[str, JsonValue]) -> str:
    """The statement that makes the same database by hand."""
    return f"CREATE DATABASE {identifier(str(facts['database']))} {_options(facts)}"


def _options(facts: Mapping[str, JsonValue]) -> str:
    charset, collation = facts.get("charset"), facts.get("collation")
    if not charset or not collation:
        return ""
    return f"character set {identifier(str(charset))} collate {identifier(str(collation))}"


def _as_pattern(database: str) -> str:
    """A database in a GRANT is a pattern."""
    return identifier(database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%"))
