"""What a server prints for a source's own definitions once it has read them: the other side of a comparison by effect.

MySQL writes a column's CHARACTER SET beside its COLLATE after a reload, though both were there before; other series
have other habits. A definition takes the way of a dump: the text of SHOW CREATE is executed, and SHOW CREATE is asked
again. Tables, routines, triggers and events are made in a database of our own beside the restored one, with the same
default character set; views beside the tables they read. What a definition does not say by itself (the place of a
column, the order of triggers, whether an event is enabled) is given back as the source had it, so that it is still
compared.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from ops_pipelines.engines import definition, verify_databases
from ops_pipelines.engines.mysql import definitions
from ops_pipelines.engines.mysql.connection import QueryFailed, Session, identifier
from ops_pipelines.errors import SourceError

Facts = Mapping[str, str]
_UTF8 = ("utf8", "utf8mb3", "utf8mb4")
_VIEW = "ops_reload"


def companion(database: str) -> str:
    """The name of the database in which definitions of another one are made; fixed where a killed one must be found."""
    return f"{database}_reload" if verify_databases.is_ours(database) else f"ops_reload_{secrets.token_hex(4)}"


def reloaded(opened: Session, aside: Session, given: Mapping[str, str]) -> dict[str, str]:
    """What the server prints for these definitions after it has read them; see `Reloader.reloaded`.

    Args:
        opened: a session in the restored database, on a server of ours.
        aside: another one there, which is of no other use afterwards.
    """
    target = str(opened.value("select database()"))
    tables = definitions.read_tables(opened)
    found: dict[str, str] = {}
    with _companion(opened, aside, target):
        for table in tables:
            if "VIEW" not in table.kind and table.kind != "SEQUENCE":
                found |= _table(opened, aside, table.name, given)
        for name, text in given.items():
            kind, _, bare = name.partition(" ")
            if kind in _MADE:
                session = opened if kind == "view" else aside
                with _unless_refused():
                    found[name] = definition.written(_MADE[kind](session, target, bare, definition.read(text)))
    return found


@contextmanager
def _unless_refused() -> Iterator[None]:
    """What cannot be made here says nothing; a server that is unwell is no reason to say that it cannot."""
    try:
        yield
    except SourceError as error:
        if isinstance(error, QueryFailed) and error.in_trouble:
            raise


@contextmanager
def _companion(opened: Session, aside: Session, target: str) -> Iterator[None]:
    """Put `aside` into a database of our own with the default character set of the target, for the block."""
    name = identifier(companion(target))
    charset, collation = opened.rows("select @@character_set_database, @@collation_database")[0]
    aside.rows(f"drop database if exists {name}")
    aside.rows(f"create database {name} character set {charset} collate {collation}")
    try:
        aside.rows(f"use {name}")
        aside.rows("set session foreign_key_checks = 0")
        yield
    finally:
        opened.rows(f"drop database if exists {name}")


def _table(opened: Session, aside: Session, table: str, given: Mapping[str, str]) -> dict[str, str]:
    """The restored table with the source's own text for whatever differs, made once more."""
    target = identifier(str(opened.value("select database()"))) + "."
    parts = list(definitions.take_apart(definitions.read_table(opened, table)))
    names = [definitions.part_name(kind, table, part) for kind, part, _text in parts]
    theirs = {name: definition.read(given[name])["sql"] for name in names if name in given}
    if not theirs:
        return {}
    texts = [theirs.get(name, text) for name, (_kind, _part, text) in zip(names, parts, strict=True)]
    # The number before a column is its place, the word before the options is TABLE.
    lines = [
        text.partition(" ")[2] if name.startswith("column ") else text for name, text in zip(names, texts, strict=True)
    ]
    body = ",\n".join(lines[1:]).replace("nextval(`", f"nextval({target}`")
    printed, found = "", dict[str, str]()
    with _unless_refused():
        aside.rows(f"create table {identifier(table)} (\n{body}\n) {lines[0].partition(' ')[2]}")
        printed = definitions.read_table(aside, table).replace(f"nextval({target}", "nextval(")
        aside.rows(f"drop table {identifier(table)}")
    for kind, part, text in definitions.take_apart(printed):
        name = definitions.part_name(kind, table, part)
        if name in theirs:
            place = theirs[name].partition(" ")[0]
            statement = f"{place} {text.partition(' ')[2]}" if kind == "column" else text
            found[name] = definition.written([("sql", statement)])
    return found


def _view(opened: Session, _target: str, name: str, facts: Facts) -> list[tuple[str, str]]:
    ours, wanted = f"VIEW {identifier(_VIEW)}", f"VIEW {identifier(name)}"
    with _as_client(opened, facts):
        opened.rows(facts["sql"].replace(wanted, ours, 1))
    try:
        return [(label, text.replace(ours, wanted, 1)) for label, text in definitions.read_view(opened, _VIEW)]
    finally:
        opened.rows(f"drop view {identifier(_VIEW)}")


def _procedure(opened: Session, _target: str, name: str, facts: Facts) -> list[tuple[str, str]]:
    return _routine(opened, "procedure", name, facts)


def _function(opened: Session, _target: str, name: str, facts: Facts) -> list[tuple[str, str]]:
    return _routine(opened, "function", name, facts)


def _routine(opened: Session, kind: str, name: str, facts: Facts) -> list[tuple[str, str]]:
    with _as_client(opened, facts):
        opened.rows(facts["sql"])
    return list(definitions.read_routine(opened, kind, name))


def _trigger(opened: Session, target: str, name: str, facts: Facts) -> list[tuple[str, str]]:
    table = identifier(facts["table"])
    user, _, host = facts["definer"].rpartition("@")
    opened.rows(f"create table if not exists {table} like {identifier(target)}.{table}")
    with _as_client(opened, facts):
        opened.rows(
            f"create definer = {identifier(user)}@{identifier(host)} trigger {identifier(name)}"
            f" {facts['timing']} {facts['event']} on {table} for each row {facts['sql']}"
        )
    made = list(definitions.read_trigger(opened, name))
    opened.rows(f"drop trigger {identifier(name)}")
    return [(label, facts["order"] if label == "order" else value) for label, value in made]


def _event(opened: Session, _target: str, name: str, facts: Facts) -> list[tuple[str, str]]:
    """An event is made disabled: the server may run events."""
    status = definitions.EVENT_STATUS.search(facts["sql"])
    with _as_client(opened, facts):
        opened.rows(f"set time_zone = '{facts['time_zone']}'")
        opened.rows(definitions.EVENT_STATUS.sub(r"\1DISABLE", facts["sql"], count=1))
        opened.rows("set time_zone = '+00:00'")
    made = dict(definitions.read_event(opened, name))
    if status is None:
        return []
    made["sql"] = definitions.EVENT_STATUS.sub(rf"\1{status[2]}", made["sql"], count=1)
    return list(made.items())


@contextmanager
def _as_client(opened: Session, facts: Facts) -> Iterator[None]:
    """The settings under which a definition was made, for the block.

    Raises:
        SourceError: its bytes would be others in its character set.
    """
    charset = facts["character_set_client"]
    if charset not in _UTF8 and not facts["sql"].isascii():
        raise SourceError(f"a definition in {charset} is not loaded")
    if "database_collation" in facts:
        opened.rows(f"alter database collate {facts['database_collation']}")
    mode = facts.get("sql_mode", "").replace("'", "")
    opened.rows(
        f"set character_set_client = {charset}, collation_connection = {facts['collation_connection']},"
        f" sql_mode = '{mode}'"
    )
    try:
        yield
    finally:
        opened.rows("set names utf8mb4")
        opened.rows("set sql_mode = ''")


_MADE: Mapping[str, Callable[[Session, str, str, Facts], list[tuple[str, str]]]] = {
    "view": _view, "procedure": _procedure, "function": _function, "trigger": _trigger, "event": _event,
}  # fmt: skip
