"""What an account may see and read of a database, as far as the server tells; and the grants that would heal a lack."""

import re
from collections.abc import Iterator, Sequence

from ops_pipelines.engines.mysql import clients, database
from ops_pipelines.engines.mysql.clients import MARIADB
from ops_pipelines.engines.mysql.connection import QueryFailed, Session, identifier
from ops_pipelines.engines.mysql.definitions import Table

LOCKING = frozenset({"RELOAD", "FLUSH_TABLES", "LOCK TABLES"})
"""Rights of which one is enough to keep writers out for a moment."""
_REFUSED = (1044, 1142, 1143, 1227, 1370)
_INTERNAL = re.compile(r"fts_[0-9a-f]{16}_|#sql", re.IGNORECASE)
_OWN_RIGHT = (11, 3)
_EVERY_DATABASE = "\0"  # a name that only *.* covers
_SHOW_ROUTINES = frozenset({"SHOW CREATE ROUTINE", "SHOW_ROUTINE"})
_GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?P<scope>\S.*?) TO ", re.IGNORECASE)


def account(opened: Session) -> str:
    """The account of a session, as a GRANT names it."""
    return "@".join(f"'{part}'" for part in str(opened.value("select current_user()")).rsplit("@", 1))


def unread(opened: Session, tables: Sequence[Table]) -> Iterator[tuple[Table, QueryFailed]]:
    """Tables that are listed to us and cannot be read, and what the server says of each.

    MariaDB's dump client passes over a table without SELECT in silence. Tables whose rows are elsewhere are not asked:
    that would call for their server.
    """
    for table in tables:
        if table.holds_rows or table.kind == "SEQUENCE":
            try:
                opened.rows(f"select * from {identifier(table.name)} limit 0")
            except QueryFailed as error:
                error.raise_if_server_trouble()
                yield table, error


def refuses(error: QueryFailed) -> bool:
    """Whether a query failed because the account may not put it."""
    return error.code in _REFUSED


def unlisted(opened: Session, tables: Sequence[Table]) -> set[str] | None:
    """InnoDB tables that the server keeps from this account; None when it may not know that either (PROCESS)."""
    ids = table_ids(opened)
    if ids is None:
        return None
    ours = {_as_file(table.name) for table in tables}
    strange = {each: _from_file(each) for each in ids if each not in ours}
    # Names beyond ASCII are written in a way of its own, so they are only counted.
    beyond = sorted(each for each in strange.values() if "@" in each)
    known = sum(not table.name.isascii() for table in tables if table.engine == "InnoDB")
    hidden = {each for each in strange.values() if "@" not in each}
    return hidden | set(beyond if len(beyond) > known else [])


def table_ids(opened: Session) -> dict[str, str] | None:
    """InnoDB's own numbers of this database's tables, by file name; None when the account may not know (PROCESS).

    A table keeps its number for life: another number is another table, whatever its name.
    """
    name = str(opened.value("select database()"))
    if not name.isascii():
        return None
    for listing in ("innodb_tables", "innodb_sys_tables"):
        try:
            found = opened.rows(f"select name, table_id from information_schema.{listing}")
        except QueryFailed as error:
            error.raise_if_server_trouble()
            continue
        ids: dict[str, set[str]] = {}
        for path, number in found:
            database_, _, table = str(path).partition("/")
            whole = re.split("#p#", table, flags=re.IGNORECASE)[0]
            if database_ == _as_file(name) and not _INTERNAL.match(table):
                ids.setdefault(whole, set()).add(str(number))
        return {table: ",".join(sorted(numbers)) for table, numbers in ids.items()}
    return None


def _as_file(name: str) -> str:
    """How InnoDB writes a name of ASCII characters."""
    return re.sub(r"[^A-Za-z0-9_]", lambda found: f"@{ord(found[0]):04x}", name)


def _from_file(name: str) -> str:
    """The name that InnoDB writes so, where it is of ASCII characters."""
    return re.sub(r"@00([0-7][0-9a-f])", lambda found: chr(int(found[1], 16)), name)


def hides_routines(opened: Session, name: str) -> bool:
    """Whether the server keeps procedures and functions of others from this account: it does not even list them."""
    rights = held(opened, name)
    if rights & _SHOW_ROUTINES or works(opened, "select 1 from mysql.proc limit 0"):
        return False
    # MySQL shows them to who may read everything.
    return database.product_of(opened) == MARIADB or "SELECT" not in held(opened, _EVERY_DATABASE)


def showing_routines(opened: Session, at: str, account: str) -> str:
    """The GRANT after which the server shows procedures and functions of others."""
    mariadb, series = database.product_of(opened) == MARIADB, clients.series_of(str(opened.value("select version()")))
    if mariadb and series >= _OWN_RIGHT:
        return f"GRANT SHOW CREATE ROUTINE ON {at} TO {account};"
    if not mariadb and series >= (8, 0):
        return f"GRANT SHOW_ROUTINE ON *.* TO {account};"
    return f"GRANT SELECT ON mysql.proc TO {account};"


def held(opened: Session, name: str) -> set[str]:
    """The privileges the account has on the whole database, by itself or by its active roles."""
    try:
        roles = str(opened.value("select current_role()") or "NONE")
    except QueryFailed as error:
        error.raise_if_server_trouble()
        roles = "NONE"  # a server from before roles
    using = f" for current_user() using {roles}" if roles != "NONE" and "`" in roles else ""
    held: set[str] = set()
    for text, *_rest in opened.rows(f"show grants{using}"):
        if (found := _GRANT.match(str(text))) is not None and _covers(found["scope"], name):
            held |= {each.strip().upper() for each in found["rights"].split(",")}
    if held & {"ALL PRIVILEGES", "ALL"}:
        held |= {"SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "LOCK TABLES", *_SHOW_ROUTINES}
        held |= {"RELOAD"} if works(opened, "select 1 from mysql.user limit 0") else set()
    return held


def _covers(scope: str, name: str) -> bool:
    """Whether the `db`.* or *.* of a grant covers a database; the name in it is a pattern."""
    if scope == "*.*":
        return True
    if not scope.endswith(".*"):
        return False
    pattern = scope[:-2].strip("`").replace("``", "`")
    steps = re.split(r"(\\.|[%_])", pattern)
    like = {"%": ".*", "_": "."}
    return (
        re.fullmatch("".join(like.get(each) or re.escape(each.removeprefix("\\")) for each in steps), name) is not None
    )


def works(opened: Session, query: str) -> bool:
    """Whether the server answers a query."""
    try:
        opened.rows(query)
    except QueryFailed as error:
        error.raise_if_server_trouble()
        return False
    return True
