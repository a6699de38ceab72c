"""What is defined in a database: every object by kind and name, as the server itself writes it down.

`SHOW CREATE` is the server's own deparser, and what the dump client writes: the same object reads the same before a
dump and after a restore into the same series. A table's text is taken apart into its columns, indexes, constraints
and options, so that a difference has a name. Left out on purpose: where AUTO_INCREMENT stands (a counter), privileges
(they belong to accounts, not to the database), and the database's own name.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ops_pipelines.engines import definition
from ops_pipelines.engines.mysql.connection import QueryFailed, Session, identifier
from ops_pipelines.errors import SourceError

# Their data can change during a dump: a snapshot is InnoDB's and RocksDB's, nobody else's.
_TRANSACTIONAL = ("InnoDB", "ROCKSDB", "TokuDB")
_ELSEWHERE = ("MRG_MyISAM", "MRG_MYISAM", "FEDERATED", "BLACKHOLE", "SPIDER", "CONNECT")

_TABLES = """
select table_name, table_type, coalesce(engine, ''), coalesce(data_length, 0), auto_increment
  from information_schema.tables where table_schema = database() order by data_length desc
"""
_ROUTINES = """
select routine_type, routine_name from information_schema.routines where routine_schema = database()
"""
_EVENTS = "select event_name from information_schema.events where event_schema = database()"
_TRIGGERS = """
select trigger_name, event_object_table, event_manipulation, action_timing, action_order, action_statement, definer,
       sql_mode, character_set_client, collation_connection, database_collation
  from information_schema.triggers where trigger_schema = database()
"""
_DATABASE = """
select default_character_set_name, default_collation_name
  from information_schema.schemata where schema_name = database()
"""
_TRIGGER_LABELS = (
    "table", "event", "timing", "order", "sql", "definer",
    "sql_mode", "character_set_client", "collation_connection", "database_collation",
)  # fmt: skip
_PROGRAM_LABELS = ("sql_mode", "sql", "character_set_client", "collation_connection", "database_collation")
_EVENT_LABELS = ("sql_mode", "time_zone", "sql", "character_set_client", "collation_connection", "database_collation")
_VIEW_LABELS = ("sql", "character_set_client", "collation_connection")
_AUTO_INCREMENT = re.compile(r" AUTO_INCREMENT=\d+")
_NAMED = re.compile(r"(?:(PRIMARY|UNIQUE|FULLTEXT|SPATIAL|VECTOR)? ?(?:KEY|INDEX)|(CONSTRAINT))(?: `((?:[^`]|``)*)`)?")
_COLUMN = re.compile(r"`((?:[^`]|``)*)` ")


@dataclass(frozen=True)
class Table:
    """One table that holds rows, a sequence, or a view."""

    name: str
    kind: str
    engine: str
    size_bytes: int
    auto_increment: int | None

    @property
    def holds_rows(self) -> bool:
        """Whether a dump brings its rows along."""
        return self.kind in ("BASE TABLE", "SYSTEM VERSIONED") and self.engine not in _ELSEWHERE

    @property
    def versioned(self) -> bool:
        """Whether it keeps the history of its rows."""
        return self.kind == "SYSTEM VERSIONED"

    @property
    def transactional(self) -> bool:
        """Whether a snapshot covers it."""
        return self.engine in _TRANSACTIONAL


def read_tables(opened: Session) -> list[Table]:
    """Everything in the table name space, largest first."""
    return [
        Table(name, kind, engine, int(size), None if stands is None else int(stands))
        for name, kind, engine, size, stands in opened.rows(_TABLES)
    ]


def read_objects(opened: Session, tables: list[Table]) -> dict[str, str]:
    """Every object's definition, by kind and name.

    Raises:
        SourceError: a definition is kept from us, so that no dump can have it.
    """
    found = dict(_database(opened))
    for kind, name, facts in [*_tables(opened, tables), *_programs(opened)]:
        found[f"{kind} {name}"] = definition.written(facts)
    return found


def definers(opened: Session) -> list[str]:
    """The accounts that views, routines, triggers and events run as, as `user@host`."""
    return sorted(
        row[0]
        for row in opened.rows(
            "select definer from information_schema.views where table_schema = database()"
            " union select definer from information_schema.routines where routine_schema = database()"
            " union select definer from information_schema.triggers where trigger_schema = database()"
            " union select definer from information_schema.events where event_schema = database()"
        )
        if row[0]
    )


def _database(opened: Session) -> Iterator[tuple[str, str]]:
    for charset, collation in opened.rows(_DATABASE):
        yield "database", definition.written([("charset", charset), ("collation", collation)])


def _tables(opened: Session, tables: list[Table]) -> Iterator[tuple[str, str, Iterable[tuple[str, str]]]]:
    database = identifier(str(opened.value("select database()"))) + "."
    for table in tables:
        if "VIEW" in table.kind:
            _name, text, *session_facts = _shown(opened, "view", table.name)
            # A view names its database now and then; restored under another name, it names that one.
            yield "view", table.name, zip(_VIEW_LABELS, [text.replace(database, ""), *session_facts], strict=False)
        elif table.kind == "SEQUENCE":
            yield "sequence", table.name, [("sql", _shown(opened, "sequence", table.name)[1])]
        else:
            for kind, part, text in take_apart(
                _shown(opened, "table", table.name)[1].replace(f"nextval({database}", "nextval(")
            ):
                yield kind, f"{table.name}.{part}" if part else table.name, [("sql", text)]


def take_apart(statement: str) -> Iterator[tuple[str, str, str]]:
    """Kind, name and text of everything a CREATE TABLE consists of; the table itself has no name of its own."""
    head, _, rest = statement.partition("\n")
    body, _, options = rest.rpartition("\n) ")
    yield "table", "", f"{head.split()[1]} {_AUTO_INCREMENT.sub('', options)}"
    position = 0
    for line in body.split("\n"):
        text = line.strip().removesuffix(",")
        if column := _COLUMN.match(text):
            position += 1
            yield "column", column[1], f"{position} {text}"
        elif named := _NAMED.match(text):
            yield "constraint" if named[2] else "index", named[3] or named[1] or text, text
        else:
            yield "clause", text.split("(")[0], text


def _programs(opened: Session) -> Iterator[tuple[str, str, Iterable[tuple[str, str]]]]:
    for name, *facts in opened.rows(_TRIGGERS):
        yield "trigger", name, zip(_TRIGGER_LABELS, map(str, facts), strict=True)
    for kind, name in opened.rows(_ROUTINES):
        yield kind.lower(), name, zip(_PROGRAM_LABELS, _shown(opened, kind, name)[1:], strict=False)
    for (name,) in opened.rows(_EVENTS):
        yield "event", name, zip(_EVENT_LABELS, _shown(opened, "event", name)[1:], strict=False)


def _shown(opened: Session, kind: str, name: str) -> list[str]:
    try:
        row = opened.rows(f"show create {kind} {identifier(name)}")[0]
    except QueryFailed as error:
        raise SourceError(
            f"the definition of {kind.lower()} {name} cannot be read",
            why=error.why,
            next="grant the source's account SHOW VIEW, SHOW CREATE ROUTINE (or SELECT on mysql.proc), TRIGGER, EVENT",
        ) from None
    if any(value is None for value in row):
        raise SourceError(
            f"the definition of {kind.lower()} {name} is kept from the source's account",
            why="a dump would come back without it",
            next="grant SHOW CREATE ROUTINE (or SELECT on mysql.proc), or dump as the account that owns it",
        )
    return [str(value) for value in row]
