"""How rows are digested inside the server: each is hashed to 64 bits, and the hashes are summed.

No order of rows changes the sum. A fingerprint names the way in which it was made, so that one of an earlier version is
compared in its own way.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ops_pipelines.engines.base import Way

BY_ROW, NEWEST = "", "columns"
"""As the server writes a row, which takes twice as long; as it writes each column."""

_SEPARATOR = r"e'\x1f'"
_ARGUMENTS = 60  # of a function that may be given 100; a column has three at most

# What these are written as has no separator in it, and is never empty.
_SHORT = """
 'bool', 'int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'numeric', 'date', 'time', 'timetz', 'timestamp',
 'timestamptz', 'interval', 'uuid', 'inet', 'cidr', 'macaddr', 'json', 'jsonb', 'bytea'
"""
COLUMNS = f"""
 (select json_agg(json_build_array(pg_catalog.quote_ident(a.attname), a.attnotnull,
           case when t.typnamespace <> 'pg_catalog'::regnamespace then 'other'
                when t.typname in ({_SHORT}) then 'short'
                when t.typname in ('text', 'varchar', 'bpchar') then 'text' else 'other' end)
         order by a.attname collate "C")
    from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
   where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped)
"""
"""The columns of a table `r`, as `digest` takes them."""


class Column(NamedTuple):
    """A column: its name as SQL has it, whether it is never null, and what its text is like."""

    name: str
    never_null: bool
    nature: str


def known(way: Way) -> Way:
    """The same with a way of digesting that this version knows: its newest, where it does not know the other."""
    return way if way.digests in (BY_ROW, NEWEST) else way._replace(digests=NEWEST)


def digest(columns: Sequence[Column], way: str) -> str:
    """The aggregate that digests the rows of a table.

    Args:
        columns: in an order that does not depend on the table's.
        way: `NEWEST`, or that of the fingerprint with which it is compared.
    """
    if not columns:
        return "sum(0)"
    if way == BY_ROW:
        text = f"row({', '.join(column.name for column in columns)})::text"
    else:
        text = _joined([part for column in columns for part in _parts(column)])
    return f'sum(hashtextextended({text} collate "C", 0))'


def key(names: Sequence[str], way: str) -> str:
    """The text of a primary key, by which rows are chosen for a sample.

    Args:
        names: its columns, as SQL has them.
        way: as in `digest`. That of before casts, which only a proof still does, in its sandbox.
    """
    if way == BY_ROW:
        texts = [f"{name}::text" for name in names]
        return texts[0] if len(texts) == 1 else f"concat_ws(',', {', '.join(texts)})"
    return f"concat_ws(',', {', '.join(names)})"


def _parts(column: Column) -> list[str]:
    """What of a column is written, so that no two rows are written alike.

    What might have a separator in it is preceded by its length; a null, which is not written, is said to be one. A type
    of the database's own is never cast: a cast may be anybody's function, and would be run as whoever takes the backup.
    """
    if column.nature == "short":
        return [column.name] if column.never_null else [f"{column.name} is null", column.name]
    if column.nature == "text":
        return [f"coalesce(octet_length({column.name}), -1)", column.name]
    return [f"num_nulls({column.name})", f"octet_length(concat({column.name}))", column.name]


def _joined(parts: Sequence[str]) -> str:
    if len(parts) <= _ARGUMENTS:
        return f"concat_ws({_SEPARATOR}, {', '.join(parts)})"
    pieces = [_joined(parts[at : at + _ARGUMENTS]) for at in range(0, len(parts), _ARGUMENTS)]
    return _joined(pieces)
