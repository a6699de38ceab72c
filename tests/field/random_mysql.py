"""Random MySQL and MariaDB schemas with rows, drawn by hypothesis: each is a list of statements whose names begin `{s}`.

As for PostgreSQL, the same conditions stand wherever a server keeps an expression: checks, generated columns, views,
triggers, routines and events.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from ops_pipelines.engines.mysql.clients import MARIADB


@dataclass(frozen=True)
class Kind:
    """A type: how it is written, values as literals, conditions on `{c}` and defaults; `prefix` of an index's key."""

    name: str
    values: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    defaults: tuple[str, ...] = ()
    prefix: str = ""
    text: bool = False


_TEXT_CONDITIONS = (
    "{c} in ('a', 'b', 'C d')", "{c} not in ('x', 'y')", "{c} = 'a' or {c} is null", "char_length({c}) < 100",
    "{c} like 'a%'", "lower({c}) = {c}", "{c} between 'a' and 'zz'", "coalesce({c}, '') <> 'nope'",
    "case when {c} = 'a' then 1 else 0 end in (0, 1)", "concat({c}, 'x') <> 'yx'", "trim({c}) = {c}", "not ({c} <=> 'q')",
    "substring({c}, 1, 3) <> 'q'", "locate('q', {c}) = 0", "nullif({c}, 'a') is null", "{c} <> 'it''s'", r"{c} <> 'back\\slash'",
    "if({c} > 'b', length({c}) > 0, true) = 1", "{c} regexp '^[a-zA-Z ]*$' or true", "cast({c} as char(3)) <> 'abc'", "{c} is not null",
    "replace({c}, 'a', 'b') <> 'q' xor {c} = 'q'", "ifnull({c}, 'n') not like '%q%' escape '!'",
)  # fmt: skip
_TEXT_VALUES = ("'a'", "'b'", "''", "'it''s'", r"'tab\there'", r"'back\\slash'", "'A'", "null", r"'new\nline'")
_NUMBER_CONDITIONS = (
    "{c} > 0", "{c} in (1, 2, 3)", "{c} between -5 and 5000", "{c} <> 7", "abs({c}) < 100000", "{c} not in (4, 5)", "{c} is not null",
    "({c} > 1 and {c} < 10) or {c} = -1", "mod({c}, 2) = 0", "{c} div 3 < 1000", "coalesce({c}, 0) >= 0", "({c} & 1) = 0 or {c} = 1",
    "greatest({c}, 3) = 3", "case {c} when 1 then false else true end = 1", "{c} + 1 > 0 is true", "-{c} < 9", "{c} > 1.5", "{c} = '3' or {c} < 3",
    "cast({c} as decimal(20, 2)) < 5000", "not ({c} = 4)", "{c} % 5 <> 4 xor {c} = 9",
)  # fmt: skip
_TIME_CONDITIONS = (
    "{c} > '2000-01-01'", "{c} between '1999-12-31' and '2030-01-01'", "year({c}) > 1998", "{c} + interval 1 day > '1999-01-01'",
    "{c} in ('2020-02-29', '2021-01-01')", "dayofmonth({c}) < 32", "extract(year_month from {c}) > 199801",
)  # fmt: skip
_TEXTS = tuple(
    Kind(name, _TEXT_VALUES, _TEXT_CONDITIONS, defaults, prefix, True)
    for name, defaults, prefix in (
        ("varchar(40)", ("'a'", "''", "(concat('a', 'b'))", "'it''s'", r"'\\'"), ""),
        ("char(9)", ("'a'", "(upper('x'))"), ""),
        ("text", ("('a')", "(lower('A'))"), "(10)"),
        ("mediumtext", (), "(5)"),
    )
)
_NUMBERS = tuple(
    Kind(name, ("1", "2", "3", "0", "100", "-1", "null"), _NUMBER_CONDITIONS, defaults)
    for name, defaults in (
        ("int", ("1", "-1", "(1 + 2)")), ("bigint", ("0", "9223372036854775807")), ("tinyint(1)", ("1", "true")), ("smallint", ("7",)),
        ("mediumint", ()), ("decimal(12, 3)", ("0.500", "1")), ("float", ("0.5",)), ("double", ("0.1", "(sqrt(2))")), ("decimal(65, 30)", ()),
    )
)  # fmt: skip
BASIC = (
    *_TEXTS, *_NUMBERS,
    Kind("int unsigned", ("1", "4294967295"), ("{c} > 0", "{c} in (1, 2)", "{c} <> 5"), ("5",)),
    Kind("bigint unsigned", ("1", "18446744073709551615"), ("{c} > 0",), ()),
    Kind("date", ("'2020-02-29'", "'1000-01-01'", "null"), _TIME_CONDITIONS, ("'2020-01-01'", "(curdate())")),
    Kind("datetime", ("'2020-02-29 12:00:01'", "null"), _TIME_CONDITIONS, ("current_timestamp", "'2020-01-01 00:00:00'", "current_timestamp on update current_timestamp")),
    Kind("datetime(6)", ("'2020-02-29 12:00:00.000001'",), _TIME_CONDITIONS, ("current_timestamp(6)", "current_timestamp(6) on update current_timestamp(6)")),
    Kind("timestamp null", ("'2020-02-29 12:00:00'", "null"), ("{c} is not null", "{c} > '1999-01-01'"), ("null", "current_timestamp")),
    Kind("time(3)", ("'12:00:00.123'", "'-838:59:59'"), ("{c} < '23:00:00'", "hour({c}) < 30"), ("'12:00:00'",)),
    Kind("year", ("2020", "1901"), ("{c} > 1990", "{c} in (2020, 2021)"), ("2020",)),
    Kind("enum('red','green','it''s','')", ("'red'", "'green'", "''", "null"), ("{c} in ('red', 'green')", "{c} <> 'green'", "{c} > 'a'", "{c} + 0 < 3"), ("'red'",)),
    Kind("set('a','b','c d')", ("'a,b'", "''", "'c d'"), ("find_in_set('a', {c}) = 0", "{c} <> 'b'", "{c} in ('a', 'a,b')"), ("'a,b'",)),
    Kind("bit(5)", ("b'101'", "0"), ("{c} <> b'11'", "{c} in (1, 5)"), ("b'1'",)),
    Kind("varbinary(20)", ("x'00ff'", "''", "'a'"), ("{c} <> x'dead'", "length({c}) < 9", "hex({c}) <> x'4646'"), ("'a'", r"'a\0b'")),
    Kind("binary(4)", ("x'00ff'", "'a'"), ("{c} <> 'abcd'",), ("'a'",)),
    Kind("blob", ("x'00ff27'", "''"), ("length({c}) < 99",), (), "(8)"),
    Kind("json", ("'{\"a\": [1, null]}'", "'\"x\"'", "null"), ("json_extract({c}, '$.a') is null", "json_type({c}) <> 'NULL'", "json_valid({c})"), ("(json_object())", "(json_array(1, 'a'))"), "none"),
    Kind("point", ("ST_GeomFromText('POINT(1 2)')", "null"), ("ST_X({c}) < 9",), (), "none"),
    Kind("geometry", ("ST_GeomFromText('LINESTRING(0 0, 1 1)')",), (), (), "none"),
)  # fmt: skip
_NAMES = (
    "a",
    "B c",
    "order",
    "ünï",
    "q`t",
    "x'y",
    'd"e',
    "value",
    "%s",
    "a_long_name_that_goes_on_and_on_to_the_limit",
)
_COLLATIONS = (
    "",
    "",
    " collate utf8mb4_bin",
    " character set latin1",
    " character set latin1 collate latin1_bin",
    " collate utf8mb4_czech_ci",
    " character set ascii",
)


@dataclass
class Table:
    """A table that was drawn: its name, its columns, and what makes it."""

    where: str
    number: int
    columns: dict[str, Kind]
    statements: list[str]
    partitioned: bool


def name(text: str) -> str:
    """A name as SQL writes it."""
    return "`" + text.replace("`", "``") + "`"


@st.composite
def schemas(draw: st.DrawFn, product: str) -> list[str]:
    """Statements with `{s}` for the beginning of names; an `insert` may be refused, nothing else may fail."""
    made: list[str] = []
    tables: list[Table] = []
    for number in range(draw(st.integers(1, 3))):
        table = _table(draw, number, tables)
        tables.append(table)
        made += table.statements
    for table in tables:
        made += _on_table(draw, table)
    if product == MARIADB and draw(st.booleans()):
        made.append("create sequence {s}numbers start with 5 increment by 3 maxvalue 1000 cache 7")
    return made


def _condition(draw: st.DrawFn, columns: dict[str, Kind]) -> str:
    able = sorted(column for column, kind in columns.items() if kind.conditions)
    if not able:
        return "1 = 1"
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        column = draw(st.sampled_from(able))
        parts.append("(" + draw(st.sampled_from(columns[column].conditions)).replace("{c}", name(column)) + ")")
    return draw(st.sampled_from((" and ", " or "))).join(parts)


def _table(draw: st.DrawFn, number: int, before: Sequence[Table]) -> Table:
    chosen = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=5, unique=True))
    partition = draw(st.sampled_from(("", "", "", *_PARTITIONS)))
    # No engine partitions a table with places in it.
    columns = {each: draw(st.sampled_from(BASIC[:-2] if partition else BASIC)) for each in chosen}
    where = name("{s}" + draw(st.sampled_from(("t", "T x", "tab'le"))) + str(number))
    table = Table(where, number, columns, [], bool(partition))
    parts = ["id int not null" + draw(st.sampled_from(("", " auto_increment"))), "primary key (id)"]
    parts += [_column(draw, column, kind) for column, kind in columns.items()]
    parts += [
        f"constraint `{{s}}c{number}_{each}` check ({_condition(draw, columns)})"
        for each in range(draw(st.integers(0, 2)))
    ]
    if draw(st.booleans()):
        # The length of a char depends on the session's settings.
        fixed = {column: kind for column, kind in columns.items() if kind.name != "char(9)" and kind.conditions}
        condition = _condition(draw, fixed) if fixed else "1 + 1"
        parts.append(f"made int generated always as ({condition}) {draw(st.sampled_from(('virtual', 'stored')))}")
    others = [each for each in before if not each.partitioned]
    if others and not partition and draw(st.booleans()):
        action = draw(st.sampled_from(("", " on delete cascade", " on delete set null on update cascade")))
        parts += ["ref int", f"constraint `{{s}}f{number}` foreign key (ref) references {others[0].where} (id){action}"]
    for _ in range(draw(st.integers(0, 2))):
        parts += _key(draw, columns)
    options = " " + draw(
        st.sampled_from(
            ("", "", "row_format=dynamic", "comment='it''s 🐎'", "auto_increment=77", "row_format=compressed")
        )
    )
    characters = draw(
        st.sampled_from((" charset=utf8mb4", " charset=utf8mb4 collate=utf8mb4_unicode_ci", " charset=latin1"))
    )
    table.statements.append(f"create table {where} ({', '.join(parts)}){characters}{options}{partition}")
    rows = [[draw(st.sampled_from(kind.values)) for kind in columns.values()] for _ in range(draw(st.integers(0, 4)))]
    named = ", ".join(["id", *map(name, columns)])
    table.statements += [
        f"insert into {where} ({named}) values ({', '.join([str(place * 7 + 1), *row])})"
        for place, row in enumerate(rows)
    ]
    return table


_PARTITIONS = (
    " partition by hash (id) partitions 3",
    " partition by key (id) partitions 2",
    " partition by range (id) (partition low values less than (5), partition high values less than maxvalue)",
    " partition by list (id) (partition some values in (1, 8), partition more values in (15, 22))",
)


def _column(draw: st.DrawFn, column: str, kind: Kind) -> str:
    written = f"{name(column)} {kind.name}"
    if kind.text:
        written += draw(st.sampled_from(_COLLATIONS))
    if kind.defaults and draw(st.booleans()):
        written += f" default {draw(st.sampled_from(kind.defaults))}"
    if draw(st.integers(0, 3)) == 0:
        written += " comment " + draw(st.sampled_from(("'plain'", "'it''s'", r"'two\nlines'", "'žluť 🐎'")))
    if kind.conditions and draw(st.integers(0, 2)) == 0:
        written += " check (" + draw(st.sampled_from(kind.conditions)).replace("{c}", name(column)) + ")"
    return written


def _key(draw: st.DrawFn, columns: dict[str, Kind]) -> list[str]:
    able = sorted(column for column, kind in columns.items() if kind.prefix != "none")
    if not able:
        return []
    column = draw(st.sampled_from(able))
    return [f"{draw(st.sampled_from(('key', 'key', 'unique key')))} ({name(column)}{columns[column].prefix}, id)"]


def _on_table(draw: st.DrawFn, table: Table) -> list[str]:
    """Everything that hangs on a table."""
    condition, number, where = _condition(draw, table.columns), table.number, table.where
    first = next(iter(table.columns))
    new = condition
    for column in table.columns:
        new = new.replace(name(column), f"new.{name(column)}")
    offered = [
        f"create view `{{s}}v{number}` as select id, {name(first)} as x from {where} where {condition}",
        f"create sql security invoker view `{{s}}w{number}` as select * from {where} where {condition} with check option",
        f"create view `{{s}}g{number}` (n, k) as select count(*), ({condition}) as y from {where} group by y having count(*) > 0",
        f"create algorithm=temptable view `{{s}}m{number}` as with c as (select * from {where}) select id from c where {condition}",
        f"create view `{{s}}u{number}` as select id from {where} union all select 1 + id from {where} where {condition}",
        f"create trigger `{{s}}t{number}` before update on {where} for each row begin if {new} then set new.id = new.id; end if; end",
        f"create function `{{s}}f{number}`(a int, b varchar(20)) returns int deterministic reads sql data comment 'it''s'"
        f" return (select count(*) from {where} where {condition}) + a",
        f"create procedure `{{s}}p{number}`(in a int, out n int) sql security invoker begin"
        f" select count(*) into n from {where} where ({condition}) and id <> a; end",
        f"create event `{{s}}e{number}` on schedule every 1 day starts '2035-01-01 00:00:00' disable comment 'e'"
        f" do delete from {where} where {condition} and false",
    ]  # fmt: skip
    return draw(st.lists(st.sampled_from(offered), max_size=4, unique=True))
