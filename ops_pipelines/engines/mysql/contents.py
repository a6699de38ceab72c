"""The MySQL fingerprint: every object's definition, every table's rows.

Rows are digested inside the server: each row's values become one string of bytes, its hash gives 64 bits (MD5 in
MariaDB, SHA-256 in MySQL, which has no MD5 any more), and those are summed, which no order of rows can change. A sample
consists of the rows whose primary key hashes to it. A value's bytes do not depend on the session: text in the column's
own character set, times in UTC, BIT and GEOMETRY in hexadecimal. FLOAT counts as far as the dump clients write it, six
digits; MySQL's JSON as it reads when its text is read once more, which is what a dump brings back.
Left out on purpose: virtual columns (their expression is compared, their values follow), and rows that live elsewhere
(FEDERATED, MERGE and the like).
"""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from ops_pipelines.engines.base import DIGESTED, Contents, Level, TableFacts
from ops_pipelines.engines.migrations import recognised
from ops_pipelines.engines.mysql.clients import MYSQL
from ops_pipelines.engines.mysql.connection import Session, identifier
from ops_pipelines.engines.mysql.definitions import Table
from ops_pipelines.engines.sampling import ONE_IN, WHOLE_UP_TO
from ops_pipelines.errors import SourceError

DIALECT = "mysql 2"
"""Raise the number with any change to what `definitions` reads."""

_HEXADECIMAL = (
    "bit", "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection", "vector",
)  # fmt: skip
_SHORT_TEXT = ("char", "varchar", "binary", "varbinary", "enum", "set")
# Hashed one by one: a row of them may be longer than a packet, and CONCAT would turn it into NULL.
_LONG = ("text", "tinytext", "mediumtext", "longtext", "blob", "tinyblob", "mediumblob", "longblob", "json")
_COLUMNS = """
select table_name, column_name, lower(data_type), concat(upper(extra), ' ', coalesce(generation_expression, '')),
       column_key = 'PRI'
  from information_schema.columns where table_schema = database() order by table_name, column_name
"""
_COUNTING = """
select table_name from information_schema.columns
 where table_schema = database() and lower(extra) like '%auto_increment%'
"""
HISTORY = " (history)"
"""What is put behind a system-versioned table's name for all versions of its rows."""


@dataclass(frozen=True)
class Column:
    """One column: its type, how its values come about, and whether it belongs to the primary key."""

    name: str
    kind: str
    extra: str = ""
    key: bool = False

    @property
    def is_period(self) -> bool:
        """Whether it says since when or until when its row counts."""
        return self.extra.endswith(("ROW START", "ROW END"))


Columns = dict[str, list[Column]]
"""The columns of each table."""


def dialect(product: str, series: tuple[int, int]) -> str:
    """How definitions are described: each series writes them in its own way."""
    return f"{DIALECT}, {product} {series[0]}.{series[1]}"


def read_counters(opened: Session, tables: Sequence[Table]) -> dict[str, int]:
    """Where every AUTO_INCREMENT and every sequence that does not cycle stands, in its own direction.

    Neither heeds snapshots. Read them before the dump starts: then a restored one is never behind.
    """
    # MySQL keeps the number of a table whose column counts no longer; it counts nothing, and no dump carries it.
    counting = {name for (name,) in opened.rows(_COUNTING)}
    counters = {
        f"{table.name}.AUTO_INCREMENT": table.auto_increment
        for table in tables
        if table.auto_increment is not None and table.name in counting
    }
    for table in tables:
        if table.kind == "SEQUENCE":
            stands, step, cycles = opened.rows(
                f"select next_not_cached_value, increment, cycle_option from {identifier(table.name)}"
            )[0]
            if not cycles:
                counters[table.name] = int(stands) if int(step) >= 0 else -int(stands)
    return counters


def read_columns(opened: Session) -> Columns:
    """The columns of every table."""
    columns: Columns = {}
    for table, name, kind, extra, key in opened.rows(_COLUMNS):
        columns.setdefault(table, []).append(Column(name, kind, extra, bool(key)))
    return columns


def read_migrations(opened: Session, tables: Sequence[Table]) -> dict[str, str]:
    """How far the application's own migrations had got."""
    names = [identifier(table.name) for table in tables if table.holds_rows]
    return {tool: str(opened.value(sql)) for tool, sql in recognised(names)}


def questions(
    product: str, tables: Sequence[Table], columns: Columns, level: Level, *, seed: int, history: bool = True
) -> list[tuple[str, str]]:
    """One query per table for its rows, their digest, and how many of them that is of; largest first.

    Where a table has MySQL's JSON, a fourth value says how many rows of it a dump's text cannot carry as they are.

    Args:
        product: whose server is asked.
        seed: decides which rows a sample consists of.
        history: ask for the old versions of system-versioned rows, too.
    """
    asked, terms = [], _Terms(product)
    for table in tables:
        if table.holds_rows:
            every = columns.get(table.name, [])
            # The period of a current row is when it was restored, unless its history was dumped.
            lasting = [each for each in every if not each.is_period]
            asked.append((table.name, _question(terms, table.name, lasting, level, seed)))
        if table.versioned and history:
            period = [each.name for each in every if each.is_period] or ["ROW_START", "ROW_END"]
            whole = [each for each in every if each.name not in period]
            whole += [Column(name, "timestamp") for name in sorted(period)]
            question = _question(terms, table.name, whole, level, seed, "for system_time all")
            asked.append((table.name + HISTORY, question))
    return asked


def _question(
    terms: "_Terms", name: str, columns: Sequence[Column], level: Level, seed: int, versions: str = ""
) -> str:
    read = f"from {identifier(name)} {versions}"
    if level not in DIGESTED:
        return f"select count(*), null, null {read}"
    values = [terms.value(identifier(each.name), each.kind) for each in columns if not each.extra.startswith("VIRTUAL")]
    row = f"concat_ws(',', {', '.join(values)})" if values else "''"
    digest = f"cast(conv(left({terms.hashed(row)}, 16), 16, 10) as unsigned)"
    if changed := terms.retyped(columns):
        read = f", coalesce(sum({changed}), 0) {read}"
    key = [each for each in columns if each.key]
    # A FLOAT comes back with six digits: it would choose other rows.
    if level == "full" or not key or any(each.kind == "float" for each in key):
        return f"select count(*), coalesce(sum({digest}), 0), count(*) {read}"
    known = ", ".join(terms.value(identifier(each.name), each.kind) for each in key)
    first = f"select 1 from {identifier(name)} {versions} limit {WHOLE_UP_TO + 1}"
    small = f"(select count(*) from ({first}) as first) <= {WHOLE_UP_TO}"
    chosen = f"({small} or crc32(concat_ws(',', {seed}, {known})) % {ONE_IN} = 0)"
    return f"select count(*), coalesce(sum(if({chosen}, {digest}, 0)), 0), coalesce(sum({chosen}), 0) {read}"


@dataclass(frozen=True)
class _Terms:
    """How a product's server is asked for a value and its hash."""

    product: str

    def hashed(self, expression: str) -> str:
        return f"sha2({expression}, 256)" if self.product == MYSQL else f"md5({expression})"

    def value(self, column: str, kind: str) -> str:
        """An expression that is equal for equal values, and for no others; NULL is unlike any text."""
        if kind in _HEXADECIMAL:
            return f"ifnull(hex({column}), 'NULL')"
        if kind == "json" and self.product == MYSQL:
            return f"ifnull({self.hashed(_reread(column))}, 'NULL')"
        if kind in _LONG:
            return f"ifnull({self.hashed(column)}, 'NULL')"
        if kind in _SHORT_TEXT:
            # Its length in front keeps neighbours apart; QUOTE would do the same at twice the price of everything else.
            return f"ifnull(concat(length({column}), ':', cast({column} as binary)), 'NULL')"
        return f"ifnull(cast({column} as char), 'NULL')"

    def retyped(self, columns: Sequence[Column]) -> str:
        """Whether a row's JSON reads differently once its text was read again; empty where there is no such column."""
        names = [identifier(each.name) for each in columns if each.kind == "json" and self.product == MYSQL]
        return " or ".join(f"cast({each} as char) <> cast({_reread(each)} as char)" for each in names)


def _reread(column: str) -> str:
    """A JSON value after its text was read once more: a decimal has become a double, a date a string."""
    return f"cast(cast({column} as char) as json)"


@dataclass(frozen=True)
class Answers:
    """What the questions of one fingerprint yielded.

    Attributes:
        retyped: how many rows hold JSON that a dump's text cannot carry as it is, by table.
    """

    tables: dict[str, TableFacts]
    retyped: dict[str, int]


def answer(asked: Sequence[tuple[str, str]], sessions: Sequence[Session], level: Level) -> Answers:
    """Put every question to one of the sessions, which work side by side, each in the transaction it is in.

    Args:
        level: that the questions were made for.
    Raises:
        SourceError: a query failed; the others are given up.
    """
    work: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    for each in asked:
        work.put(each)
    tables: dict[str, TableFacts] = {}
    retyped: dict[str, int] = {}
    failures: list[SourceError] = []

    def worker(opened: Session) -> None:
        try:
            while not failures:
                try:
                    name, sql = work.get_nowait()
                except queue.Empty:
                    return
                # Going back lets go of the table where there is no binary log: nobody's ALTER has to wait for our end.
                opened.rows("savepoint ops")
                rows, digest, digested, *others = opened.rows(sql)[0]
                opened.rows("rollback to savepoint ops")
                if others and int(others[0]):
                    retyped[name] = int(others[0])
                tables[name] = TableFacts(
                    rows=int(rows),
                    digest=None if digest is None else str(digest),
                    digested=int(digested) if level == "sample" else None,
                )
        except SourceError as error:
            failures.append(error)

    threads = [threading.Thread(target=worker, args=[opened]) for opened in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return Answers({name: facts for name, facts in tables.items() if not _no_history(name, tables)}, retyped)


def _no_history(name: str, tables: dict[str, TableFacts]) -> bool:
    """Whether this is the history of a table that has no old versions: dumped or not, it comes back the same."""
    current = tables.get(name.removesuffix(HISTORY))
    return name.endswith(HISTORY) and current is not None and current.rows == tables[name].rows


def in_snapshot(sessions: Sequence[Session]) -> None:
    """Put every session into a transaction that sees what is committed now."""
    for opened in sessions:
        opened.rows("set session transaction isolation level repeatable read")
        opened.rows("start transaction with consistent snapshot")


def out_of_snapshot(sessions: Sequence[Session]) -> None:
    """End every session's transaction. Under the global lock even an empty one could not be ended.

    Not by a commit: a server that is read-only, as replicas are, refuses that to some who have only read.
    """
    for opened in sessions:
        opened.rows("rollback")


def off(product: str, series: tuple[int, int]) -> Contents:
    """The fingerprint that says nothing."""
    return Contents(level="off", dialect=dialect(product, series))
