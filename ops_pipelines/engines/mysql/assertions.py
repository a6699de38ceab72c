"""What a restored MySQL database must satisfy beyond being equal to its source."""

from collections.abc import Iterator, Sequence, Set

from ops_pipelines.engines.base import Finding
from ops_pipelines.engines.mysql.connection import Session, identifier
from ops_pipelines.engines.mysql.definitions import Table

_NAMED = 5
_KEY_COLUMNS = """
select constraint_name, table_name, referenced_table_schema, referenced_table_name, column_name, referenced_column_name
  from information_schema.key_column_usage
 where table_schema = database() and referenced_table_name is not null
 order by table_name, constraint_name, ordinal_position
"""
# Of large tables only columns whose maximum an index has at hand: the newest row is worth a look, not a scan.
_TIMES = """
select c.table_name, c.column_name
  from information_schema.columns c
  join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
 where c.table_schema = database() and t.table_type = 'BASE TABLE' and c.data_type in ('datetime', 'timestamp')
   and c.column_name regexp '(creat|updat|modif|insert|chang|_at$|_on$)'
   and (t.data_length < 8 * 1024 * 1024 or exists (select 1 from information_schema.statistics s
         where s.table_schema = c.table_schema and s.table_name = c.table_name and s.column_name = c.column_name
           and s.seq_in_index = 1))
"""


def assertions(opened: Session, tables: Sequence[Table]) -> Iterator[Finding]:
    """Tables and indexes are whole, and no row points to one that is not there."""
    names = [table.name for table in tables if table.holds_rows]
    yield _finding("tables", _broken(opened, names), f"{len(names)} tables and their indexes are whole")
    keys = _foreign_keys(opened)
    orphans = list(_orphans(opened, keys, {table.name for table in tables}))
    # A source that was loaded with checks off has them, too; its backup is as good as it was.
    yield _finding("foreign keys", orphans, f"{len(keys)} foreign keys without orphans", attention=True)
    yield from _newest(opened)


def _finding(name: str, problems: Sequence[str], well: str, *, attention: bool = False) -> Finding:
    more = f" … and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    detail = "; ".join(problems[:_NAMED]) + more if problems else well
    return Finding(name=name, passed=not problems, detail=detail, attention=attention)


def _broken(opened: Session, names: Sequence[str]) -> list[str]:
    found = []
    for name in names:
        for _table, _operation, kind, text in opened.rows(f"check table {identifier(name)}"):
            if kind.lower() == "error" or (kind == "status" and text not in ("OK", "Table is already up to date")):
                found.append(f"{name}: {text}")
    return found


def _newest(opened: Session) -> Iterator[Finding]:
    """The newest row, as far as columns that look like times tell; for people to see, what is too old is theirs."""
    found = []
    for table, column in opened.rows(_TIMES):
        value = opened.value(f"select cast(max({identifier(column)}) as char) from {identifier(table)}")
        found += [(str(value), f"{table}.{column}")] if value is not None else []
    if found:
        moment, where = max(found)
        yield Finding("newest row", True, f"{moment} in {where}")


_Key = tuple[str, str, str, str]


def _foreign_keys(opened: Session) -> dict[_Key, list[tuple[str, str]]]:
    keys: dict[_Key, list[tuple[str, str]]] = {}
    for name, table, schema, referenced, column, other in opened.rows(_KEY_COLUMNS):
        keys.setdefault((name, table, schema, referenced), []).append((column, other))
    return keys


def _orphans(opened: Session, keys: dict[_Key, list[tuple[str, str]]], there: Set[str]) -> Iterator[str]:
    ours = str(opened.value("select database()"))
    for (name, table, schema, referenced), columns in keys.items():
        if schema != ours:
            continue  # another database, which this backup does not hold
        if referenced not in there:
            yield f"{table}.{name}: there is no table {referenced} for it to point to, nor was there in the source"
            continue
        joined = " and ".join(f"c.{identifier(one)} = p.{identifier(other)}" for one, other in columns)
        given = " and ".join(f"c.{identifier(one)} is not null" for one, _other in columns)
        count = opened.value(
            f"select count(*) from {identifier(table)} c left join {identifier(referenced)} p on {joined}"
            f" where {given} and p.{identifier(columns[0][1])} is null"
        )
        if count:
            yield f"{table}.{name}: {count} rows point to nothing in {referenced}"
