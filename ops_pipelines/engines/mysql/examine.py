"""What MySQL or MariaDB lets the source's account do, and with which programs it is dumped and proved."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from ops_pipelines.clock import UTC
from ops_pipelines.engines.examiner import Lack
from ops_pipelines.engines.mysql import clients, database, definitions, rights
from ops_pipelines.engines.mysql.clients import MYSQL
from ops_pipelines.engines.mysql.connection import Server, Session, identifier, parse, session
from ops_pipelines.engines.mysql.settings import MySQLSource
from ops_pipelines.errors import SourceError


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
            account = rights.account(opened)
            found = list(_missing(opened, server.database, account))
            if self._source.accounts and not rights.works(opened, "select 1 from mysql.user limit 1"):
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
    at, held, tables = f"{identifier(name)}.*", rights.held(opened, name), definitions.read_tables(opened)
    # Without these triggers and events are not even listed: nobody would notice that they are missing.
    lacking = {"TRIGGER", "EVENT"} - held
    unread = [each.name for each, _error in rights.unread(opened, tables)]
    if unread or not (tables or "SELECT" in held):
        lacking.add("SELECT")
    if any("VIEW" in each.kind for each in tables) and "SHOW VIEW" not in held:
        lacking.add("SHOW VIEW")
    if lacking:
        listed = ", ".join(sorted(lacking))
        yield Lack(f"lacks {listed} on {name}", f"GRANT {listed} ON {at} TO {account};")
    elif (kept := _kept_from_us(opened, tables)) is not None:
        yield Lack(kept, rights.showing_routines(opened, at, account))
    if rights.hides_routines(opened, name):
        grant = rights.showing_routines(opened, at, account)
        yield Lack("is not shown procedures and functions: if there are any, they are not dumped", grant, needed=False)
    if database.product_of(opened) == MYSQL and rights.table_ids(opened) is None:
        yield Lack(
            "may not see whether two tables exchanged their names during a dump",
            f"GRANT PROCESS ON *.* TO {account};",
            needed=False,
        )
    if not held & rights.LOCKING:
        yield Lack(
            "may not hold writers up while dump and fingerprint begin, so contents are not compared",
            f"GRANT RELOAD ON *.* TO {account};",
            needed=False,
        )


def _kept_from_us(opened: Session, tables: list[definitions.Table]) -> str | None:
    try:
        definitions.read_objects(opened, tables)
    except SourceError as error:
        return error.what
    return None
