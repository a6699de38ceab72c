"""Compare by effect: what the server prints for an expression of the source once it has read it itself.

PostgreSQL prints expressions from their parsed form, and `varchar in ('a', 'b')` reads differently after one dump and
reload than before, though it does the same. So the source's own text takes that way once more, beside what was
restored: in a transaction that is rolled back, on empty copies of tables where rows would have to be read, and with
event triggers off. Only what the server prints anew is put into the definition: owners, privileges and options stay
the source's own, and so does every text that the server refuses.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ops_pipelines.engines import definition
from ops_pipelines.engines.postgres.connection import Server, Session, session
from ops_pipelines.engines.postgres.described import index_keys
from ops_pipelines.errors import SourceError

Facts = Mapping[str, str]
_PLACE = "ops_reload"
"""The schema of our copies, unless something of the user's has that name. It is never committed."""


@dataclass(frozen=True)
class _Reader:
    """A session inside the transaction, and the schema for copies."""

    opened: Session
    place: str

    def copy(self, table: str, *, name: str = "", suffix: str = "") -> str:
        """An empty table of the same columns in our schema; returns its name.

        Args:
            name: its name as SQL writes it; that of `table` unless given.
        """
        made = f"{self.place}.{name or self.opened.value(f'select {_RELNAME} {_of(table)}')}"
        self.opened.rows(f"create table {made} (like {table}) {suffix}")
        return made

    def value(self, query: str) -> str | None:
        found = self.opened.rows(query)
        return None if not found or found[0][0] is None else str(found[0][0])


_RELNAME = "quote_ident(relname)"


def _of(relation: str) -> str:
    return f"from pg_class where oid = {_text(relation)}::regclass"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def reloaded(server: Server, definitions: Mapping[str, str], *, limit: timedelta) -> dict[str, str]:
    """What the server prints for these definitions of the source; see `Reloader.reloaded`.

    Args:
        limit: the longest that one statement may take.
    Raises:
        SourceError: the server went away.
    """
    by_kind: dict[str, list[str]] = defaultdict(list)
    for name in definitions:
        for kind in _WAYS:
            if name.startswith(f"{kind} "):
                by_kind[kind].append(name)
    printed: dict[str, str] = {}
    with session(server, limit=limit) as opened:
        opened.rows("begin read write")
        reader = _prepare(opened)
        for kind, names in by_kind.items():
            way = _WAYS[kind]
            wanted = ", ".join(_text(name.removeprefix(f"{kind} ")) for name in names)
            for found, *handles in opened.rows(f"select * from ({way.find}) found where name in ({wanted})"):
                name = f"{kind} {found}"
                facts = definition.read(definitions[name])
                again = _tried(reader, way, [str(each) for each in handles], facts)
                if again is not None:
                    printed[name] = definition.written({**facts, **again}.items())
        opened.rows("rollback")
    return printed


def _prepare(opened: Session) -> _Reader:
    """Nothing that we do in here fires anything; functions are read, not checked."""
    opened.rows("set check_function_bodies = off; set client_min_messages = error")
    for (statement,) in opened.rows(
        "select format('alter event trigger %I disable', evtname) from pg_event_trigger where evtenabled <> 'D'"
    ):
        opened.rows(statement)
    taken = {name for (name,) in opened.rows("select nspname from pg_namespace")}
    place = next(each for each in (_PLACE, *(f"{_PLACE}_{number}" for number in range(1000))) if each not in taken)
    opened.rows(f"create schema {place}")
    return _Reader(opened, place)


def _tried(reader: _Reader, way: "_Way", handles: Sequence[str], facts: Facts) -> dict[str, str] | None:
    """The facts that read differently now; None when the server refuses the source's text."""
    reader.opened.rows("savepoint before")
    try:
        again = way.take(reader, handles, facts)
    except SourceError:
        again = None
    reader.opened.rows("rollback to savepoint before")
    if again is None or any(value is None for value in again.values()):
        return None
    return {label: value for label, value in again.items() if value is not None}


def _relation(reader: _Reader, handles: Sequence[str], facts: Facts) -> dict[str, str | None]:
    [name] = handles
    again: dict[str, str | None] = {}
    if "query" in facts:
        what, without = ("materialized view", " with no data") if facts["kind"] == "m" else ("view", "")
        made = f"{reader.place}.{reader.value(f'select {_RELNAME} {_of(name)}')}"
        reader.opened.rows(f"create {what} {made} as {facts['query'].rstrip(';')}{without}")
        return {"query": reader.value(f"select pg_get_viewdef({_text(made)}::regclass)")}
    if "partition by" in facts:
        made = reader.copy(name, suffix=f"partition by {facts['partition by']}")
        again["partition by"] = reader.value(f"select pg_get_partkeydef({_text(made)}::regclass)")
        reader.opened.rows(f"drop table {made}")
    if "partition bound" in facts:
        parent = facts["inherits"]
        key = reader.value(f"select pg_get_partkeydef({_text(parent)}::regclass)")
        above = reader.copy(parent, name="parent", suffix=f"partition by {key}")
        reader.opened.rows(f"create table {reader.place}.part partition of {above} {facts['partition bound']}")
        again["partition bound"] = reader.value(
            f"select pg_get_expr(relpartbound, oid) from pg_class where oid = '{reader.place}.part'::regclass"
        )
    return again


def _column(reader: _Reader, handles: Sequence[str], facts: Facts) -> dict[str, str | None]:
    table, column = handles
    if "default" not in facts:
        return {}
    made = reader.copy(table)
    if facts.get("generated"):
        kind = "stored" if facts["generated"] == "s" else "virtual"
        collation = f"collate {facts['collation']}" if "collation" in facts else ""
        reader.opened.rows(
            f"alter table {made} drop column {column}, add column {column} {facts['type']} {collation}"
            f" generated always as ({facts['default']}) {kind}"
        )
    else:
        reader.opened.rows(f"alter table {made} alter column {column} set default {facts['default']}")
    printed = reader.value(
        f"select pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = {_text(made)}::regclass"
    )
    return {"default": printed}


def _constraint(reader: _Reader, handles: Sequence[str], facts: Facts) -> dict[str, str | None]:
    table, domain, name = handles
    if facts["kind"] not in ("c", "x"):
        return {}
    if domain:
        made = f"{reader.place}.{name}"
        base = reader.value(f"select {_BASE_TYPE} from pg_type t where oid = {_text(domain)}::regtype")
        reader.opened.rows(f"create domain {made} as {base} constraint {name} {facts['definition']}")
        where = f"contypid = {_text(made)}::regtype and contype = 'c'"
    else:
        made = reader.copy(table)
        try:
            reader.opened.rows(f"savepoint copied; alter table {made} add constraint {name} {facts['definition']}")
        except SourceError:
            return _check_of_whole_rows(reader, table, facts["definition"])
        where = f"conrelid = {_text(made)}::regclass and contype = {_text(facts['kind'])}"
    return {"definition": reader.value(f"select pg_get_constraintdef(oid) from pg_constraint where {where}")}


def _check_of_whole_rows(reader: _Reader, table: str, text: str) -> dict[str, str | None]:
    """What is about a row as such fits its own table only. A check that is not valid reads no rows there."""
    unread = " NOT VALID"
    reader.opened.rows("rollback to savepoint copied")
    reader.opened.rows(f"alter table {table} add constraint {reader.place} {text.removesuffix(unread)}{unread}")
    printed = reader.value(
        "select pg_get_constraintdef(oid) from pg_constraint"
        f" where conrelid = {_text(table)}::regclass and conname = '{reader.place}'"
    )
    return {"definition": printed.removesuffix(unread) + (unread if text.endswith(unread) else "") if printed else None}


_BASE_TYPE = """format_type(t.typbasetype, t.typtypmod)
  || case when t.typcollation <> 0 then ' collate ' || t.typcollation::regcollation::text else '' end"""


def _index(reader: _Reader, handles: Sequence[str], facts: Facts) -> dict[str, str | None]:
    table, name = handles
    made = reader.copy(table)
    unique = "unique" if facts["unique"] == "True" else ""
    reader.opened.rows(f"create {unique} index {name} on {made} {facts['keys']}")
    printed = reader.value(
        f"select {index_keys('i', 'c', 'n', 't')} from pg_index i join pg_class c on c.oid = i.indexrelid"
        " join pg_class t on t.oid = i.indrelid join pg_namespace n on n.oid = t.relnamespace"
        f" where t.oid = {_text(made)}::regclass"
    )
    return {"keys": printed}


def _function(reader: _Reader, handles: Sequence[str], facts: Facts) -> dict[str, str | None]:
    [oid] = handles
    if "definition" not in facts:
        return {}
    reader.opened.rows(facts["definition"])
    return {"definition": reader.value(f"select pg_get_functiondef({oid})")}


def _type(reader: _Reader, handles: Sequence[str], facts: Facts) -> dict[str, str | None]:
    if facts["kind"] != "d" or "default" not in facts:
        return {}
    collation = f"collate {facts['collation']}" if "collation" in facts else ""
    made = f"{reader.place}.domain"
    reader.opened.rows(f"create domain {made} as {facts['base type']} {collation} default {facts['default']}")
    return {"default": reader.value(f"select pg_get_expr(typdefaultbin, 0) from pg_type where oid = '{made}'::regtype")}


def _trigger(reader: _Reader, handles: Sequence[str], facts: Facts) -> dict[str, str | None]:
    table, name = handles
    reader.opened.rows(f"drop trigger {name} on {table}")
    reader.opened.rows(facts["definition"])
    query = f"from pg_trigger where tgrelid = {_text(table)}::regclass and quote_ident(tgname) = {_text(name)}"
    return {"definition": reader.value(f"select pg_get_triggerdef(oid) {query}")}


def _rule(reader: _Reader, handles: Sequence[str], facts: Facts) -> dict[str, str | None]:
    table, name = handles
    reader.opened.rows(f"drop rule {name} on {table}")
    reader.opened.rows(facts["definition"])
    query = f"from pg_rewrite where ev_class = {_text(table)}::regclass and quote_ident(rulename) = {_text(name)}"
    return {"definition": reader.value(f"select pg_get_ruledef(oid) {query}")}


def _policy(reader: _Reader, handles: Sequence[str], facts: Facts) -> dict[str, str | None]:
    table, name, oid = handles
    parts = {"using": "polqual", "with check": "polwithcheck"}
    given = {label: column for label, column in parts.items() if label in facts}
    if not given:
        return {}
    reader.opened.rows(f"alter policy {name} on {table} " + " ".join(f"{each} ({facts[each]})" for each in given))
    return {
        label: reader.value(f"select pg_get_expr({column}, polrelid) from pg_policy where oid = {oid}")
        for label, column in given.items()
    }


def _statistics(reader: _Reader, handles: Sequence[str], facts: Facts) -> dict[str, str | None]:
    [name] = handles
    reader.opened.rows(f"drop statistics {name}")
    reader.opened.rows(facts["definition"])
    query = f"select pg_get_statisticsobjdef(s.oid) from ({_FIND_STATISTICS}) s where s.name = {_text(name)}"
    return {"definition": reader.value(query)}


def _published(reader: _Reader, handles: Sequence[str], facts: Facts) -> dict[str, str | None]:
    [table] = handles
    if "where" not in facts:
        return {}
    reader.opened.rows(f"create publication {reader.place} for table {table} where ({facts['where']})")
    printed = reader.value(
        "select pg_get_expr(r.prqual, r.prrelid) from pg_publication_rel r join pg_publication p on p.oid = r.prpubid"
        f" where p.pubname = '{reader.place}'"
    )
    return {"where": printed}


_FIND_STATISTICS = """
select format('%I.%I', n.nspname, s.stxname) as name, s.oid
  from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace"""


@dataclass(frozen=True)
class _Way:
    """How one kind of object takes the way through the server.

    Attributes:
        find: a query for all such objects: the name as in `object_queries`, then what `take` needs to find it.
        take: returns the facts that the server printed anew.
    """

    find: str
    take: Callable[[_Reader, Sequence[str], Facts], dict[str, str | None]]


_WAYS: Mapping[str, _Way] = {
    "relation": _Way(
        "select format('%I.%I', n.nspname, c.relname) as name, c.oid::regclass"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace",
        _relation,
    ),
    "column": _Way(
        "select format('%I.%I.%I', n.nspname, c.relname, a.attname) as name, c.oid::regclass, quote_ident(a.attname)"
        " from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
        " where a.attnum > 0",
        _column,
    ),
    "constraint": _Way(
        "select format('%s.%I', coalesce(nullif(conrelid, 0)::regclass::text, contypid::regtype::text), conname)"
        " as name, case when conrelid <> 0 then conrelid::regclass::text else '' end,"
        " case when contypid <> 0 then contypid::regtype::text else '' end, quote_ident(conname) from pg_constraint",
        _constraint,
    ),
    "index": _Way(
        "select format('%I.%I', n.nspname, c.relname) as name, i.indrelid::regclass, quote_ident(c.relname)"
        " from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace",
        _index,
    ),
    "function": _Way(
        "select format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as name, p.oid"
        " from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.oid >= 16384",
        _function,
    ),
    "type": _Way(
        "select format('%I.%I', n.nspname, t.typname) as name"
        " from pg_type t join pg_namespace n on n.oid = t.typnamespace",
        _type,
    ),
    "trigger": _Way(
        "select format('%s.%I', tgrelid::regclass, tgname) as name, tgrelid::regclass, quote_ident(tgname)"
        " from pg_trigger where tgparentid = 0 and not tgisinternal",
        _trigger,
    ),
    "rule": _Way(
        "select format('%s.%I', ev_class::regclass, rulename) as name, ev_class::regclass, quote_ident(rulename)"
        " from pg_rewrite where rulename <> '_RETURN'",
        _rule,
    ),
    "policy": _Way(
        "select format('%s.%I', polrelid::regclass, polname) as name, polrelid::regclass, quote_ident(polname), oid"
        " from pg_policy",
        _policy,
    ),
    "statistics": _Way(
        f"select name, name as same from ({_FIND_STATISTICS}) each",
        _statistics,
    ),
    "publication table": _Way(
        "select format('%I.%s', p.pubname, r.prrelid::regclass) as name, r.prrelid::regclass"
        " from pg_publication_rel r join pg_publication p on p.oid = r.prpubid",
        _published,
    ),
}
