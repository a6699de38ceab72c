"""Random PostgreSQL schemas with rows, drawn by hypothesis: each is a list of statements that lives in a schema `{s}`.

The same few kinds of conditions stand wherever a server keeps an expression (checks, partial indexes, generated
columns, views, policies, rules, triggers, domains, statistics, functions): that is where texts change on a reload.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class Kind:
    """A type: how it is written, values as literals, conditions on `{c}` and defaults, all immutable."""

    name: str
    values: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    defaults: tuple[str, ...] = ()
    ordered: bool = True


_TEXT_CONDITIONS = (
    "{c} in ('a', 'b', 'žluť')", "{c} not in ('x', 'y')", "{c} = 'a' or {c} is null", "length({c}) < 100",
    "{c} ~ '^[^0-9]*$'", "{c} like 'a%'", "lower({c}) = {c}", "{c} between 'a' and 'zz'", "{c} is distinct from 'zzz'",
    "({c} collate \"C\") < 'zzzz'", "coalesce({c}, '') <> 'nope'", "case when {c} = 'a' then true else {c} > ' ' end",
    "{c}::text = any (array['a'::text, 'b'])", "trim({c}) = {c}", "position('q' in {c}) = 0", "{c} || 'x' <> 'yx'",
    "substring({c} from 1 for 3) <> 'q'", "{c}::varchar(3) <> 'abc'", "{c} <> all ('{q,w}')", "not ({c} similar to 'q%')",
    "{c} = any (array['a', 'b', null])", "upper({c})::varchar in ('A', 'B', '')", "nullif({c}, 'a') is null",
    "{c} in ('a', 'b') and {c} <> 'c' and ({c} = 'a' or {c} = 'b')", "{c} >= 'a'::bpchar", "octet_length({c}) between 0 and 99",
)  # fmt: skip
_TEXT_VALUES = ("'a'", "'b'", "''", "'žluť'", "'it''s'", r"E'tab\there'", r"E'back\\slash'", "'A'", "' x'")
_NUMBER_CONDITIONS = (
    "{c} > 0", "{c} in (1, 2, 3)", "{c} between -5 and 5000", "{c} <> 7", "{c} = any ('{1,2,3}')", "abs({c}) < 100000",
    "{c}::text <> 'x'", "{c}::numeric / 3 < 1000", "{c} not in (4, 5)", "({c} > 1 and {c} < 10) or {c} = -1", "-{c} < 9",
    "{c} > 1.5", "{c}::bigint in (1, 2)", "coalesce({c}, 0) >= 0", "{c} > '-3'", "{c} + 1 > 0 is true", "{c} is not null",
    "greatest({c}, 3) = 3", "case {c} when 1 then false else true end",
)  # fmt: skip
_TIME_CONDITIONS = (
    "{c} > '2000-01-01'", "{c} between '1999-12-31' and '2030-01-01'", "extract(year from {c}) > 1998", "{c} <> 'infinity'",
    "{c} in ('2020-02-29', '2021-01-01')", "coalesce({c}, '2020-01-01') > '1990-01-01'",
)  # fmt: skip

BASIC = (
    Kind("int", ("1", "2", "3", "-2147483648", "2147483647", "0"), (*_NUMBER_CONDITIONS, "{c} % 2 = 0"), ("1", "-1", "1 + 2")),
    Kind("bigint", ("1", "9223372036854775807", "2"), _NUMBER_CONDITIONS, ("0", "'5'", "5::int")),
    Kind("smallint", ("1", "-32768", "3"), _NUMBER_CONDITIONS, ("7",)),
    Kind("numeric", ("1", "0.10", "'NaN'", "1e30", "-0.000"), _NUMBER_CONDITIONS, ("0.0", "1e2", "'NaN'")),
    Kind("numeric(10, 3)", ("1", "2.500", "-9999999.999"), _NUMBER_CONDITIONS, ("1.5",)),
    Kind("real", ("1", "0.1", "'-0'", "'NaN'"), ("{c} > 0", "{c} <> 'NaN'", "{c} > 0.1"), ("0.1", "'Infinity'")),
    Kind("double precision", ("1", "0.1", "1e-300"), ("{c} < 1e10", "{c} = 1 or {c} < 0.5"), ("0.1", "sqrt(2)")),
    Kind("text", _TEXT_VALUES, _TEXT_CONDITIONS, ("'a'", "''", "'a' || 'b'", "null", "current_user", r"E'\n'")),
    Kind("varchar", _TEXT_VALUES, _TEXT_CONDITIONS, ("'a'", "lower('A')")),
    Kind("varchar(20)", _TEXT_VALUES, _TEXT_CONDITIONS, ("'a'", "'b'::text", "upper('x')::varchar(3)")),
    Kind("char(5)", _TEXT_VALUES, _TEXT_CONDITIONS, ("'a'", "'b'::bpchar")),
    Kind('"char"', ("'a'", "'b'", "''"), ("{c} in ('a', 'b')", "{c} <> 'x'"), ("'a'",)),
    Kind("name", ("'a'", "'n'"), ("{c} in ('a', 'b')", "{c} <> 'q'"), ("'a'", "current_user")),
    Kind("bytea", (r"'\x00ff'", "''", "'abc'"), (r"{c} <> '\xdead'", "length({c}) < 9"), (r"'\x01'", "''")),
    Kind("boolean", ("true", "false", "null"), ("{c}", "{c} is not true", "{c} in (true, false)", "not {c}"), ("true", "'f'")),
    Kind("date", ("'2020-02-29'", "'infinity'", "'0044-03-15 BC'"), (*_TIME_CONDITIONS, "{c} + 1 > '1999-01-01'"), ("'2020-01-01'", "current_date")),
    Kind("timestamp", ("'2020-02-29 12:00:00.000001'", "'-infinity'"), (*_TIME_CONDITIONS, "date_trunc('day', {c}) = {c}"), ("now()", "'2020-01-01'")),
    Kind("timestamptz(3)", ("'2020-02-29 12:00+02'", "'infinity'"), ("({c} at time zone 'UTC') > '1990-01-01'", "{c} is not null"), ("now()", "statement_timestamp()")),
    Kind("time", ("'12:00'", "'24:00'"), ("{c} < '23:00'", "{c} in ('12:00', '13:00')"), ("'12:00'", "localtime")),
    Kind("timetz", ("'12:00+02'",), ("{c} <> '12:00+01'",), ("'12:00+00'",)),
    Kind("interval", ("'1 day 2:03'", "'-3 mons'"), ("{c} > '1 hour'", "{c} in ('1 day', '2 days')"), ("'1 day'", "'1 mon'::interval * 2")),
    Kind("interval day to second(2)", ("'1 day'", "'2:03:04.56'"), ("{c} < '9 days'",), ("'1'",)),
    Kind("uuid", ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",), ("{c} <> '00000000-0000-0000-0000-000000000000'",), ("gen_random_uuid()",)),
    Kind("json", ("'{\"a\": 1, \"a\":2}'", "'[1,  2]'"), ("{c} ->> 'a' is null", "json_typeof({c}) in ('object', 'array')"), ("'{}'",), False),
    Kind("jsonb", ("'{\"a\": [1, null]}'", "'\"x\"'"), ("not {c} ? 'b'", "{c} @> '{}'", "jsonb_typeof({c}) <> 'null'", "{c} -> 'a' ->> 0 is null", "{c} @? '$.a[*] ? (@ > 2)'"), ("'{}'", "'[]'::jsonb")),
    Kind("inet", ("'::1/64'", "'10.0.0.1'"), ("family({c}) in (4, 6)", "{c} <> '1.2.3.4'"), ("'127.0.0.1'",)),
    Kind("cidr", ("'10.0.0.0/8'",), ("{c} << '0.0.0.0/0' or true",), ("'::/0'",)),
    Kind("macaddr", ("'08:00:2b:01:02:03'",), ("{c} <> '00:00:00:00:00:00'",), ()),
    Kind("int4range", ("'[1,5)'", "'empty'", "'(,3]'"), ("not isempty({c})", "{c} <@ int4range(0, 100)", "lower({c}) > 0"), ("'[1,2)'", "int4range(1, 3, '[]')")),
    Kind("int4multirange", ("'{[1,2),[5,6)}'",), ("not {c} @> 7",), ("'{}'",)),
    Kind("tsrange", ("'[2020-01-01,2020-01-02)'",), ("upper_inf({c}) is false",), ()),
    Kind("point", ("'(1,2)'", "'(0.1,-0)'"), ("{c} <@ box '((-9,-9),(9,9))'",), ("'(0,0)'", "point(1, 2)"), False),
    Kind("box", ("'((1,2),(0,0))'",), ("area({c}) < 100",), (), False),
    Kind("circle", ("'<(1,2),3>'",), ("radius({c}) < 10",), (), False),
    Kind("bit(4)", ("B'0101'",), ("{c} <> B'1111'", "{c} in (B'0101', B'0001')"), ("B'0000'",)),
    Kind("bit varying(8)", ("B'01'", "B''"), ("length({c}) < 8",), ("B'1'",)),
    Kind("tsvector", ("'fat:1A cat:2'", "to_tsvector('simple', 'A b')"), ("{c} @@ 'cat' or true",), ("''",)),
    Kind("tsquery", ("'fat & !rat'",), ("numnode({c}) < 9",), ()),
    Kind("money", ("'12.34'", "'-1'"), ("{c} > '-5'::money or {c} < '0'::money",), ("0",)),
    Kind("oid", ("1", "4294967295"), ("{c} <> 5",), ("0",)),
    Kind("regclass", ("'pg_class'",), ("{c} <> 'pg_type'::regclass",), ("'pg_class'",)),
    Kind("pg_lsn", ("'1/2'",), ("{c} > '0/0'",), ()),
    Kind("text[]", ("'{a,NULL,\"x y\"}'", "array['q']", "'{}'", "'[2:3]={a,b}'"), ("'q' <> all ({c})", "{c} <@ array['a', 'b', 'q', 'x y', null]", "array_length({c}, 1) < 5", "{c} && '{a}' or true"), ("'{}'", "array['a']", "array[]::text[]")),
    Kind("varchar(9)[]", ("'{a,b}'", "array['q']"), ("'a' = any ({c})", "{c} <@ array['a', 'b']::varchar[]", "{c}[1] in ('a', 'q')"), ("array['a', 'b']",)),
    Kind("int[]", ("'{1,2}'", "'{{1,2},{3,4}}'"), ("1 = any ({c})", "{c}[1] in (1, 2)", "{c} <> '{9}'"), ("'{0}'", "array[1, 2]")),
    Kind("{s}.colour", ("'red'", "'green'", "'it''s'"), ("{c} in ('red', 'green')", "{c} > 'red'", "{c} <> 'green'", "{c}::text like 'r%'", "{c} = any (array['red', 'it''s']::{s}.colour[])"), ("'red'", "'green'::text::{s}.colour")),
    Kind("{s}.colour[]", ("'{red,green}'",), ("'red' = any ({c})", "{c} <@ array['red', 'green']::{s}.colour[]"), ("array['red']::{s}.colour[]",)),
    Kind("{s}.word", ("'a'", "'b'"), (*_TEXT_CONDITIONS[:8], "{c} in ('a', 'b')"), ("'a'", "lower('B')")),
    Kind("{s}.amount", ("1", "2.5"), ("{c} > 0", "{c} in (1, 2.5)", "{c}::int < 9"), ("1",)),
    Kind("{s}.pair", ("row(1, 'a')", "row(null, 'b')"), ("({c}).l is null or ({c}).l < 9", "({c}).r in ('a', 'b')"), ("row(1, 'x')::{s}.pair",)),
)  # fmt: skip
_KEYS = tuple(kind for kind in BASIC if kind.name in ("int", "text", "varchar(20)", "date", "{s}.colour", "char(5)"))
_NAMES = (
    "a",
    "B c",
    "order",
    "ünï",
    'q"t',
    "x'y",
    "value",
    "d_e",
    "%s",
    "very_long_name_that_goes_on_and_on_to_the_limit",
)
_COLLATIONS = ('"C"', '"POSIX"', '"default"', "")


def name(text: str) -> str:
    """A name as SQL writes it."""
    return '"' + text.replace('"', '""') + '"'


@st.composite
def schemas(draw: st.DrawFn) -> list[str]:
    """Statements with `{s}` for the schema's name; an `insert` may be refused by a constraint, nothing else may fail."""
    made = _types(draw)
    tables = []
    for number in range(draw(st.integers(1, 3))):
        table = _table(draw, number)
        tables.append(table)
        made += table.statements
    for table in tables:
        made += _on_table(draw, table)
    return made + _comments(draw, tables)


@dataclass
class Table:
    """A table that was drawn: its name with schema, its columns, and what makes it."""

    where: str
    columns: dict[str, Kind]
    generated: set[str]
    statements: list[str]
    partitioned: bool = False


def _types(draw: st.DrawFn) -> list[str]:
    word = draw(st.sampled_from(_TEXT_CONDITIONS)).replace("{c}", "value")
    amount = draw(st.sampled_from(_NUMBER_CONDITIONS[:8])).replace("{c}", "value")
    base = draw(st.sampled_from(("varchar(20)", "text", "varchar", "char(9)")))
    null = draw(st.sampled_from(("", " not null", " default 'a'")))
    return [
        "create type {s}.colour as enum ('red', 'green', 'it''s')",
        f"create domain {{s}}.word as {base}{null} constraint fits check (({word}) or value in ('a', 'b'))",
        f"create domain {{s}}.amount as numeric(9, 2) check (({amount}) or value > 0)",
        "create type {s}.pair as (l int, r varchar(9))",
    ]


def _condition(draw: st.DrawFn, columns: dict[str, Kind]) -> str:
    able = sorted(column for column, kind in columns.items() if kind.conditions)
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        column = draw(st.sampled_from(able))
        parts.append("(" + draw(st.sampled_from(columns[column].conditions)).replace("{c}", name(column)) + ")")
    return draw(st.sampled_from((" and ", " or "))).join(parts)


def _table(draw: st.DrawFn, number: int) -> Table:
    chosen = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=5, unique=True))
    columns = {each: draw(st.sampled_from(BASIC)) for each in chosen}
    table = Table("{s}." + name(draw(st.sampled_from(("t", "T x", "tab'le"))) + str(number)), columns, set(), [])
    parts = ["id " + draw(st.sampled_from((
        "int", "serial", "bigint generated always as identity", "int generated by default as identity (start 5 increment 3)",
    )))]  # fmt: skip
    parts += [_column(draw, column, kind) for column, kind in columns.items()]
    partition = draw(st.sampled_from(("", "", "", "list", "range", "hash")))
    key = draw(st.sampled_from(_KEYS))
    if partition:
        table.partitioned = True
        parts.append(f"pk {key.name} not null")
        columns["pk"] = key
    if draw(st.booleans()):
        parts.append("primary key (id, pk)" if partition else "primary key (id)")
    for check in range(draw(st.integers(0, 2))):
        parts.append(f"constraint c{check} check ({_condition(draw, columns)})")
    if draw(st.booleans()) and not partition:
        plain = draw(st.sampled_from(sorted(columns)))
        bound = name(plain)
        kind = "text" if columns[plain].name in ("text", "varchar", "varchar(20)") else "boolean"
        stable = {each: found for each, found in columns.items() if "colour" not in found.name}
        able = any(found.conditions for found in stable.values())
        made = f"{bound} || ' ' || {bound}" if kind == "text" else _condition(draw, stable) if able else "id > 3"
        parts.append(f"made {kind} generated always as ({made}) stored")
        table.generated.add("made")
    options = draw(st.sampled_from(("", "", " with (fillfactor = 70)", " with (autovacuum_enabled = false)")))
    unlogged = "unlogged " if draw(st.integers(0, 9)) == 0 and not partition else ""
    tail = f" partition by {partition} (pk)" if partition else options
    table.statements.append(f"create {unlogged}table {table.where} ({', '.join(parts)}){tail}")
    table.statements += _partitions(partition, table, key)
    table.statements += _rows(draw, table)
    return table


def _column(draw: st.DrawFn, column: str, kind: Kind) -> str:
    written = f"{name(column)} {kind.name}"
    if kind.name.startswith(("text", "varchar", "char")) and "[" not in kind.name:
        collation = draw(st.sampled_from(_COLLATIONS))
        written += f" collate {collation}" if collation else ""
    if kind.defaults and draw(st.booleans()):
        written += f" default {draw(st.sampled_from(kind.defaults))}"
    if kind.conditions and draw(st.integers(0, 2)) == 0:
        written += " check (" + draw(st.sampled_from(kind.conditions)).replace("{c}", name(column)) + ")"
    return written


def _partitions(kind: str, table: Table, key: Kind) -> list[str]:
    base = table.where[:-1]
    values = list(dict.fromkeys(key.values))[:2]
    if key.name == "date":
        values = ["'2020-02-29'", "'infinity'"]
    if kind == "hash":
        return [
            f'create table {base}_{part}" partition of {table.where} for values with (modulus 2, remainder {part})'
            for part in (0, 1)
        ]
    if kind == "list":
        return [
            f'create table {base}_0" partition of {table.where} for values in ({", ".join(values)})',
            f'create table {base}_d" partition of {table.where} default',
        ]
    if kind == "range":
        return [
            f'create table {base}_0" partition of {table.where} for values from (minvalue) to ({values[0]})',
            f'create table {base}_d" partition of {table.where} default',
        ]
    return []


def _rows(draw: st.DrawFn, table: Table) -> list[str]:
    rows = []
    columns = list(table.columns)
    for number in range(draw(st.integers(0, 4))):
        values = [draw(st.sampled_from(table.columns[each].values)) for each in columns]
        names = ", ".join(["id", *map(name, columns)])
        rows.append(
            f"insert into {table.where} ({names}) overriding system value values ({number}, {', '.join(values)})"
        )
    return rows


def _index(draw: st.DrawFn, table: Table) -> str:
    able = [column for column, kind in table.columns.items() if kind.ordered]
    column = name(draw(st.sampled_from(able))) if able else "id"
    stable = {column: kind for column, kind in table.columns.items() if "colour" not in kind.name}
    condition = _condition(draw, stable) if any(kind.conditions for kind in stable.values()) else "id > 3"
    what = draw(st.sampled_from((
        column, f"{column} desc nulls last", f"(({condition}))", f"id, {column}", f"id) include ({column}",
    )))  # fmt: skip
    where = f" where {condition}" if draw(st.booleans()) else ""
    return f"create index on {table.where} ({what}){where}"


def _on_table(draw: st.DrawFn, table: Table) -> list[str]:
    """Everything that hangs on a table."""
    tag = "_" + table.where[-2]  # the table's number
    made = [_index(draw, table) for _ in range(draw(st.integers(0, 2)))]
    condition = _condition(draw, table.columns)
    first = name(next(iter(table.columns)))
    offered = [
        f"create view {{s}}.{name('v' + tag)} as select id, {first} as x from {table.where} where {condition}",
        f"create view {{s}}.{name('w' + tag)} with (security_barrier) as select * from {table.where} where {condition} with check option",
        f"create view {{s}}.{name('g' + tag)} as select count(*) filter (where {condition}) as n, ({condition}) as k,"
        f" row_number() over (order by count(*)) from {table.where} group by 2 having count(*) > 0",
        f"create materialized view {{s}}.{name('m' + tag)} as with c as (select * from {table.where}) select id from c where {condition}",
        f"create policy {name('p' + tag)} on {table.where} using ({condition}) with check ({condition})",
        f"alter table {table.where} enable row level security",
        f"create statistics {{s}}.{name('s' + tag)} on id, ({condition}) from {table.where}",
        f"create function {{s}}.{name('f' + tag)}() returns bigint language sql begin atomic"
        f" select count(*) from {table.where} where {condition}; end",
        f"create function {{s}}.{name('h' + tag)}(a int default 3, b text default 'x'::varchar) returns int language sql"
        f" return case when b in ('a', 'b') then a else 0 end",
        f"create function {{s}}.{name('e' + tag)}() returns trigger language plpgsql as $$ begin return new; end $$",
        f"alter table {table.where} add constraint {name('n' + tag)} check ({condition}) not valid",
    ]  # fmt: skip
    if not table.partitioned:
        offered.append(
            f"create rule {name('r' + tag)} as on delete to {table.where} where {_old(condition, table)} do instead nothing"
        )
        offered.append(
            f"create table {{s}}.{name('c' + tag)} (extra text check (extra in ('a', 'b'))) inherits ({table.where})"
        )
    chosen = draw(st.lists(st.sampled_from(offered), max_size=4, unique=True))
    made += chosen
    if offered[9] in chosen:
        made.append(
            f"create trigger {name('t' + tag)} before update on {table.where} for each row"
            f" when ({_new(condition, table)}) execute function {{s}}.{name('e' + tag)}()"
        )
    return made


def _old(condition: str, table: Table) -> str:
    return _prefixed(condition, table, "old")


def _new(condition: str, table: Table) -> str:
    return _prefixed(condition, table, "new")


def _prefixed(condition: str, table: Table, row: str) -> str:
    for column in table.columns:
        condition = condition.replace(name(column), f"{row}.{name(column)}")
    return condition


def _comments(draw: st.DrawFn, tables: Sequence[Table]) -> list[str]:
    made = []
    for table in tables:
        text = draw(st.sampled_from(("plain", "it''s", "two\nlines", "žluť 🐎")))
        if draw(st.booleans()):
            made.append(f"comment on table {table.where} is '{text}'")
        if draw(st.booleans()):
            made.append(f"comment on column {table.where}.{name(next(iter(table.columns)))} is '{text}'")
        if draw(st.booleans()):
            made.append(f"grant select, insert (id) on {table.where} to public")
    return made
