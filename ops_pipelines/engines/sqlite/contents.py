"""The fingerprint of SQLite databases: definitions, rows, an order-independent digest of every table's content."""

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from ops_pipelines.engines import definition, migrations
from ops_pipelines.engines.base import Contents, Level, TableFacts
from ops_pipelines.engines.sqlite.databases import opened, raise_if_server_trouble, unread
from ops_pipelines.proof import BACK_UP, Gap

DIALECT = "sqlite 2"
DAMAGED = "damaged database in "
"""What an object begins with that stands for a database of which nothing could be read."""
_MODULUS = 1 << 128
_COMPUTED = 2  # of table_xinfo's `hidden`: a generated column that is not stored
_SETTINGS = ("application_id", "user_version", "encoding", "page_size", "auto_vacuum")


def take(databases: Mapping[str, Path], level: Level) -> Contents:
    """What databases hold that nobody writes to.

    Args:
        databases: the files by the name they are known by in the fingerprint: where the source has them.
        level: `sample` counts as `full`; see `level_of`.
    Returns:
        A damaged database is an object `damaged NAME`, which no source had.
    Raises:
        Inconclusive: this machine has no memory for it, or its disk fails.
    """
    return merged([_one(name, path, level) for name, path in sorted(databases.items())], level)


def beside_unread(found: Contents, unread: Mapping[str, str]) -> Contents:
    """The same, with databases that were not looked at, since the source's fingerprint could not read them either.

    Args:
        unread: the objects that stand for them there.
    """
    why = "nothing of it could be read when it was backed up"
    gaps = [Gap(what=f"everything in {key.removeprefix(DAMAGED)}", why=why, cure=BACK_UP) for key in unread]
    return found.model_copy(update={"objects": {**found.objects, **unread}, "gaps": (*found.gaps, *gaps)})


def merged(found: Iterable[Contents], level: Level) -> Contents:
    """Fingerprints of several databases as one."""
    objects: dict[str, str] = {}
    tables: dict[str, TableFacts] = {}
    counters: dict[str, int] = {}
    heads: dict[str, str] = {}
    gaps: list[Gap] = []
    for each in found:
        objects |= each.objects
        tables |= each.tables
        counters |= each.counters
        heads |= each.migrations
        gaps += each.gaps
    return Contents(
        level=level,
        dialect=DIALECT,
        objects=objects,
        tables=tables,
        counters=counters,
        migrations=heads,
        gaps=tuple(gaps),
    )


def level_of(wanted: Level) -> Level:
    """A sample would save nothing: all of a copied database is read anyway."""
    return "full" if wanted == "sample" else wanted


def database_of(key: str) -> str:
    """Whose a key of `Contents.objects`, `tables`, `counters` or `migrations` is: ` in ` and the file's path end it."""
    return f"/{key.rpartition(' in /')[2]}"


def _one(name: str, path: Path, level: Level) -> Contents:
    if level == "off":
        return Contents(level="off", dialect=DIALECT)
    try:
        with closing(opened(path)) as database:
            return _described(name, database, level)
    except (sqlite3.Error, MemoryError) as error:
        raise_if_server_trouble(error, path)
        # A source's dump refuses what SQLite calls damaged; whatever else it cannot read is no proof of anything.
        nothing = Gap(what=f"everything in {name}", why=str(error))
        return Contents(level=level, objects={f"{DAMAGED}{name}": str(error)}, gaps=(nothing,))


def _described(name: str, database: sqlite3.Connection, level: Level) -> Contents:
    settings = [(each, database.execute(f"pragma {each}").fetchone()[0]) for each in _SETTINGS]
    objects = {f"settings in {name}": definition.written(settings)}
    tables, counters, heads = {}, {}, {}
    gaps: list[Gap] = []
    for kind, each, table, sql in database.execute("select type, name, tbl_name, sql from sqlite_master order by 2"):
        objects[f"{kind} {each} in {name}"] = definition.written([("table", table), ("sql", sql)])
        # A virtual table keeps what it holds in other tables, or nowhere.
        if kind == "table" and not (sql or "").lower().startswith("create virtual table"):
            try:
                tables[f"{each} in {name}"] = _rows(database, each, level)
            except sqlite3.OperationalError as error:
                gaps.append(Gap(what=f"rows of {each} in {name}", why=unread(error, Path(name))))
    if f"sqlite_sequence in {name}" in tables:
        rows = database.execute("select name, seq from sqlite_sequence where seq is not null")
        counters = {f"{each} in {name}": int(seq) for each, seq in rows}
    for tool, query in migrations.recognised(_quoted(each.rpartition(" in /")[0]) for each in tables):
        if (head := _head(database, query)) is not None:
            heads[f"{tool} in {name}"] = head
    return Contents(level=level, objects=objects, tables=tables, counters=counters, migrations=heads, gaps=tuple(gaps))


def _rows(database: sqlite3.Connection, table: str, level: Level) -> TableFacts:
    if level == "counts":
        return TableFacts(rows=database.execute(f"select count(*) from {_quoted(table)}").fetchone()[0])
    try:
        return _digested(database.execute(f"select * from {_quoted(table)}"))
    except sqlite3.OperationalError:
        # Of a column that is computed while it is read, the function is not here, or it fails for some row.
        stored = [
            _quoted(row[1]) for row in database.execute(f"pragma table_xinfo({_quoted(table)})") if row[6] != _COMPUTED
        ]
        return _digested(database.execute(f"select {', '.join(stored)} from {_quoted(table)}"))


def _digested(read: Iterable[tuple[object, ...]]) -> TableFacts:
    rows = total = 0
    for row in read:
        rows += 1
        total += int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=16).digest(), "big")
    return TableFacts(rows=rows, digest=f"{total % _MODULUS:032x}")


def _head(database: sqlite3.Connection, query: str) -> str | None:
    """How far migrations had got; None where this SQLite does not know the query's functions."""
    try:
        return str(database.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return None


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
