"""What MySQL or MariaDB lets the source's account do, and with which programs it is dumped and proved."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from ops_pipelines.clock import UTC
from ops_pipelines.config.sources import MySQLSource
from ops_pipelines.engines.examiner import Lack
from ops_pipelines.engines.mysql import clients, database, definitions
from ops_pipelines.engines.mysql.clients import MARIADB
from ops_pipelines.engines.mysql.connection import QueryFailed, Server, Session, identifier, parse, session
from ops_pipelines.errors import SourceError

_OWN_RIGHT = (11, 3)
_SHOW_ROUTINES = frozenset({"SHOW CREATE ROUTINE", "SHOW_ROUTINE"})
_GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?P<scope>\S.*?) TO ", re.IGNORECASE)


class MySQLExaminer:
    """Questions about one MySQL or MariaDB database; see `Examiner`."""

    def __init__(self, name: str, source: MySQLSource) -> None:
        self._name, self._source = name, source

    def programs(self) -> str:
        """The dump client, and a scratch server unless one is lent to us."""
        with session(self._server(), limit=self._source.limits.connect) as opened:
            product, series = database.product_of(opened), clients.series_of(str(opened.value("select version()")))
        dump = clients.for_dump(product, series, self._source.bin_dirs)
        clients.for_restore(dump.product, dump.series, self._source.bin_dirs)
        if self._source.verify.server is not None:
            given = self._source.verify.server.url.reveal(purpose=f"source {self._name}, verify.server.url")
            with session(
                parse(given, connect=self._source.limits.connect).at(""), limit=self._source.limits.connect
            ) as lent:
                proved = f"verify.server {str(lent.value('select version()')).split('-')[0]}"
        else:
            proved = f"scratch server {clients.for_server(product, series, self._source.bin_dirs).version}"
        return f"{dump.path.name} {dump.version}, {proved}"

    def lacks(self) -> Sequence[Lack]:
        """Tables the account cannot read, definitions it cannot see, locks it may not take."""
        server = self._server()
        with session(server, limit=self._source.limits.connect) as opened:
            account = "@".join(f"'{part}'" for part in str(opened.value("select current_user()")).rsplit("@", 1))
            found = list(_missing(opened, server.database, account))
            if self._source.accounts and not _works(opened, "select 1 from mysql.user limit 1"):
                found.append(Lack("accounts: true reads the server's", f"GRANT SELECT ON mysql.* TO {account};"))
        return found

    def clock(self) -> datetime | None:
        """The server's."""
        with session(self._server(), limit=self._source.limits.connect) as opened:
            now: datetime = opened.value("select utc_timestamp(6)")
        return now.replace(tzinfo=UTC)

    def _server(self) -> Server:
        url = self._source.url.reveal(purpose=f"source {self._name}, url")
        return parse(url, connect=self._source.limits.connect)


def _missing(opened: Session, name: str, account: str) -> Iterator[Lack]:
    at, held, tables = f"{identifier(name)}.*", _held(opened, name), definitions.read_tables(opened)
    # Without these triggers and events are not even listed: nobody would notice that they are missing.
    lacking = {"TRIGGER", "EVENT"} - held
    unread = [each.name for each in tables if not _works(opened, f"select 1 from {identifier(each.name)} limit 0")]
    if unread or not (tables or "SELECT" in held):
        lacking.add("SELECT")
    if any("VIEW" in each.kind for each in tables) and "SHOW VIEW" not in held:
        lacking.add("SHOW VIEW")
    if lacking:
        listed = ", ".join(sorted(lacking))
        yield Lack(f"lacks {listed} on {name}", f"GRANT {listed} ON {at} TO {account};")
    elif (kept := _kept_from_us(opened, tables)) is not None:
        yield Lack(kept, _showing_routines(opened, at, account))
    if hides_routines(opened, name):
        grant = _showing_routines(opened, at, account)
        yield Lack("is not shown procedures and functions: if there are any, they are not dumped", grant, needed=False)
    if not held & {"RELOAD", "LOCK TABLES"}:
        yield Lack(
            "may not hold writers up while dump and fingerprint begin, so contents are not compared",
            f"GRANT RELOAD ON *.* TO {account};",
            needed=False,
        )


def hides_routines(opened: Session, name: str) -> bool:
    """Whether the server keeps procedures and functions of others from this account: it does not even list them."""
    return not _held(opened, name) & _SHOW_ROUTINES and not _works(opened, "select 1 from mysql.proc limit 0")


def _showing_routines(opened: Session, at: str, account: str) -> str:
    mariadb, series = database.product_of(opened) == MARIADB, clients.series_of(str(opened.value("select version()")))
    if mariadb and series >= _OWN_RIGHT:
        return f"GRANT SHOW CREATE ROUTINE ON {at} TO {account};"
    if not mariadb and series >= (8, 0):
        return f"GRANT SHOW_ROUTINE ON *.* TO {account};"
    return f"GRANT SELECT ON mysql.proc TO {account};"


def _kept_from_us(opened: Session, tables: list[definitions.Table]) -> str | None:
    try:
        definitions.read_objects(opened, tables)
    except SourceError as error:
        return error.what
    return None


def _held(opened: Session, name: str) -> set[str]:
    """The privileges the account has on the whole database, by itself or by its active roles."""
    try:
        roles = str(opened.value("select current_role()") or "NONE")
    except QueryFailed:
        roles = "NONE"  # a server from before roles
    using = f" for current_user() using {roles}" if roles != "NONE" and "`" in roles else ""
    held: set[str] = set()
    for text, *_rest in opened.rows(f"show grants{using}"):
        if (found := _GRANT.match(str(text))) is not None and _covers(found["scope"], name):
            held |= {each.strip().upper() for each in found["rights"].split(",")}
    if held & {"ALL PRIVILEGES", "ALL"}:
        held |= {"SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "LOCK TABLES", *_SHOW_ROUTINES}
        held |= {"RELOAD"} if _works(opened, "select 1 from mysql.user limit 0") else set()
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


def _works(opened: Session, query: str) -> bool:
    try:
        opened.rows(query)
    except QueryFailed:
        return False
    return True
