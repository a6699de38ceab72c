"""What is defined in a database: every object by kind and name, as the server itself writes it down.

`SHOW CREATE` is the server's own deparser, and what the dump client writes: the same object reads the same before a
dump and after a restore into the same series. A table's text is taken apart into its columns, indexes, constraints
and options, so that a difference has a name. Left out on purpose: where AUTO_INCREMENT stands (a counter), privileges
(they belong to accounts, not to the database), and the database's own name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
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
EVENT_STATUS = re.compile(r"(ON COMPLETION (?:NOT )?PRESERVE )(ENABLE|DISABLE(?: ON \w+)?)")
"""Where the text of an event says whether it is enabled."""
_KEYLESS = """
select t.table_name from information_schema.tables t
 where t.table_schema = database() and t.table_type in ('BASE TABLE', 'SYSTEM VERSIONED')
   and not exists (select 1 from information_schema.statistics s where s.table_schema = t.table_schema
                    and s.table_name = t.table_name and s.index_name = 'PRIMARY')
 order by t.table_name
"""
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


def broken_views(opened: Session, tables: list[Table]) -> dict[str, QueryFailed]:
    """Views that the server does not open for us, and what it says: a dump client would stop at the first of them."""
    broken = {}
    for table in tables:
        if "VIEW" in table.kind:
            try:
                opened.rows(f"show fields from {identifier(table.name)}")
            except QueryFailed as error:
                error.raise_if_server_trouble()
                broken[table.name] = error
    return broken


def read_objects(opened: Session, tables: list[Table]) -> dict[str, str]:
    """Every object's definition, by kind and name.

    Raises:
        SourceError: a definition is kept from us, so that no dump can have it.
    """
    found = dict(_database(opened))
    for kind, name, facts in [*_tables(opened, tables), *_programs(opened)]:
        found[f"{kind} {name}"] = definition.written(facts)
    return found


def keyless(opened: Session) -> list[str]:
    """Tables without a primary key, which some servers refuse to make."""
    return [str(row[0]) for row in opened.rows(_KEYLESS)]


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
    for table in tables:
        if "VIEW" in table.kind:
            yield "view", table.name, read_view(opened, table.name)
        elif table.kind == "SEQUENCE":
            yield "sequence", table.name, [("sql", _shown(opened, "sequence", table.name)[1])]
        else:
            for kind, part, text in take_apart(read_table(opened, table.name)):
                yield kind, part_name(kind, table.name, part).partition(" ")[2], [("sql", text)]


def part_name(kind: str, table: str, part: str) -> str:
    """What a part of a table is called among the objects."""
    return f"{kind} {table}.{part}" if part else f"{kind} {table}"


def read_table(opened: Session, name: str) -> str:
    """CREATE TABLE as the server writes it; what names its own database names none."""
    database = identifier(str(opened.value("select database()"))) + "."
    return _shown(opened, "table", name)[1].replace(f"nextval({database}", "nextval(")


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
        yield kind.lower(), name, read_routine(opened, kind, name)
    for (name,) in opened.rows(_EVENTS):
        yield "event", name, read_event(opened, name)


def read_routine(opened: Session, kind: str, name: str) -> Iterable[tuple[str, str]]:
    """The definition of a procedure or function of the session's database."""
    return zip(_PROGRAM_LABELS, _shown(opened, kind, name)[1:], strict=False)


def read_event(opened: Session, name: str) -> Iterable[tuple[str, str]]:
    """The definition of an event of the session's database."""
    return zip(_EVENT_LABELS, _shown(opened, "event", name)[1:], strict=False)


def enabled(objects: Mapping[str, str], events: Set[str]) -> dict[str, str]:
    """The same, with these events as they were before they were loaded disabled."""
    found = dict(objects)
    for name in (f"event {each}" for each in events):
        if name in found:
            found[name] = EVENT_STATUS.sub(r"\1ENABLE", found[name], count=1)
    return found


def read_trigger(opened: Session, name: str) -> Iterable[tuple[str, str]]:
    """The definition of a trigger of the session's database."""
    facts = next(facts for found, *facts in opened.rows(_TRIGGERS) if found == name)
    return zip(_TRIGGER_LABELS, map(str, facts), strict=True)


def read_view(opened: Session, name: str) -> Iterable[tuple[str, str]]:
    """The definition of a view of the session's database."""
    database = identifier(str(opened.value("select database()"))) + "."
    _name, text, *session_facts = _shown(opened, "view", name)
    # A view names its database now and then; restored under another name, it names that one.
    return zip(_VIEW_LABELS, [text.replace(database, ""), *session_facts], strict=False)


def _shown(opened: Session, kind: str, name: str) -> list[str]:
    try:
        row = opened.rows(f"show create {kind} {identifier(name)}")[0]
    except QueryFailed as error:
        error.raise_if_server_trouble()
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
