"""What a restored PostgreSQL database must satisfy beyond being equal to its source.

A defect that the source itself has is told as something to look at: the backup of it is as good as it was.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from ops_pipelines.engines.base import Finding
from ops_pipelines.engines.postgres.connection import NOT_FOUND, Server, Session, session
from ops_pipelines.engines.postgres.side_by_side import ask_all, ask_each
from ops_pipelines.errors import SourceError

_NAMED = 5
# To look up every row in its indexes costs four times what it costs to read the indexes: a tenth to a fifth of a whole
# proof. This server has just built them from the rows that are compared, so that shows a fault of this machine and of
# no backup. As much of it is done as costs a second or two.
_LOOKED_UP_BYTES = 64 * 1024 * 1024

# A sequence that feeds a column: the column's largest value, and where the sequence stands.
_SEQUENCES = """
select format('%I.%I.%I', n.nspname, c.relname, a.attname),
       format('select (select max(%I) from %I.%I), '
              '(select case when is_called then last_value else last_value - %s end from %I.%I)',
              a.attname, n.nspname, c.relname, s.seqincrement, sn.nspname, sc.relname)
  from pg_catalog.pg_depend d
  join pg_catalog.pg_class sc on sc.oid = d.objid and sc.relkind = 'S'
  join pg_catalog.pg_namespace sn on sn.oid = sc.relnamespace
  join pg_catalog.pg_sequence s on s.seqrelid = sc.oid
  join pg_catalog.pg_class c on c.oid = d.refobjid and c.relkind in ('r', 'p')
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = d.refobjsubid and not a.attisdropped
 where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
   and s.seqincrement > 0 and not s.seqcycle and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
 order by pg_relation_size(c.oid) desc
"""
# The server checks a valid foreign key while it loads; only the others can have orphans.
_UNCHECKED_KEYS = """
select format('%s on %s', con.conname, con.conrelid::regclass),
       format('select count(*) from %s c where %s and not exists (select from %s p where %s)',
              con.conrelid::regclass,
              (select string_agg(format('c.%I is not null', a.attname), ' and ')
                 from unnest(con.conkey) k join pg_attribute a on a.attrelid = con.conrelid and a.attnum = k),
              con.confrelid::regclass,
              (select string_agg(format('p.%I = c.%I', f.attname, a.attname), ' and ')
                 from unnest(con.conkey, con.confkey) as k(ours, theirs)
                 join pg_attribute a on a.attrelid = con.conrelid and a.attnum = k.ours
                 join pg_attribute f on f.attrelid = con.confrelid and f.attnum = k.theirs))
  from pg_catalog.pg_constraint con
 where con.contype = 'f' and not con.convalidated
"""
_CONSTRAINTS = """
select count(*) filter (where contype = 'f'), count(*) filter (where contype <> 'f'),
       coalesce(string_agg(format('%s on %s', conname, conrelid::regclass), ', ') filter (where not convalidated), '')
  from pg_catalog.pg_constraint where conrelid <> 0
"""
# A partitioned index without all of its parts is not valid in the source either, and pg_dump keeps it so.
_BROKEN_INDEXES = """
select i.indexrelid::regclass::text
  from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
 where c.relkind = 'i' and not (i.indisvalid and i.indisready and i.indislive)
"""
_BTREES = """
select c.oid::regclass::text, c.oid::int8, pg_relation_size(c.oid)
  from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_am m on m.oid = c.relam
 where m.amname = 'btree' and c.relkind = 'i' and c.relpersistence = 'p' and i.indisvalid
   and c.relnamespace not in ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace, 'information_schema'::regnamespace)
 order by c.relpages desc
"""
# Of large tables only columns whose maximum an index has at hand: the newest row is worth a look, not a scan.
_TIMES = """
select format('%I.%I.%I', n.nspname, c.relname, a.attname),
       format('select max(%1$I)::timestamptz::text from %2$I.%3$I where isfinite(%1$I)',
              a.attname, n.nspname, c.relname)
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind = 'r' and c.relpersistence = 'p'
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where not a.attisdropped and a.attnum > 0 and n.nspname not in ('pg_catalog', 'information_schema')
   and a.atttypid in ('timestamp'::regtype, 'timestamptz'::regtype)
   and a.attname ~* '(creat|updat|modif|insert|chang|_at$|_on$)'
   and (pg_relation_size(c.oid) < 8 * 1024 * 1024 or exists (select from pg_catalog.pg_index i
         where i.indrelid = c.oid and i.indkey[0] = a.attnum and i.indpred is null))
"""

_AMCHECK = """
select quote_ident(n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace
 where e.extname = 'amcheck'
"""


def assertions(server: Server, *, jobs: int, limit: timedelta, disposable: bool) -> Iterator[Finding]:
    """Every assertion on a restored database; see `Engine.assertions`.

    Args:
        jobs: sessions that work side by side.
        limit: the longest that one query may take.
        disposable: it is a proof's own, so definitions may be changed to look closer; else it is only read.
    """
    with session(server, limit=limit) as opened:
        yield _invalid_indexes(opened)
        yield _constraints(opened)
        sequences, keys, times = (opened.rows(sql) for sql in (_SEQUENCES, _UNCHECKED_KEYS, _TIMES))
    yield _sequences(ask_all(_named_queries(sequences), server, jobs=jobs, limit=limit))
    yield _orphans(ask_all(_named_queries(keys), server, jobs=jobs, limit=limit))
    yield from _newest(ask_all(_named_queries(times), server, jobs=jobs, limit=limit))
    yield _amcheck(server, jobs=jobs, limit=limit, disposable=disposable)


def _named_queries(rows: Sequence[tuple[object, ...]]) -> list[tuple[str, str]]:
    return [(str(name), str(sql)) for name, sql in rows]


def _invalid_indexes(opened: Session) -> Finding:
    broken = [name for (name,) in opened.rows(_BROKEN_INDEXES)]
    return Finding("indexes", not broken, _listed(broken, "not valid") or "every index is valid")


def _constraints(opened: Session) -> Finding:
    keys, others, unchecked = opened.rows(_CONSTRAINTS)[0]
    detail = f"{keys} foreign keys and {others} other constraints, checked by the server while it loaded"
    summary = f"never checked by the server, here and in the source: {unchecked}" if unchecked else detail
    return Finding("constraints", not unchecked, summary, attention=True)


def _sequences(answers: dict[str, tuple[object, ...]]) -> Finding:
    behind = [
        f"{column} (at {stands}, the column has {largest})"
        for column, (largest, stands) in sorted(answers.items())
        if largest is not None and int(str(stands)) < int(str(largest))
    ]
    summary = _listed(behind, "behind its column, here and in the source") or f"{len(answers)} at or past their columns"
    return Finding("sequences", not behind, summary, attention=True)


def _orphans(answers: dict[str, tuple[object, ...]]) -> Finding:
    orphans = [f"{name}: {count} rows" for name, (count,) in sorted(answers.items()) if count]
    summary = _listed(orphans, "rows whose other end is missing, here and in the source") or (
        f"none behind {len(answers)} keys that the server never checked"
    )
    return Finding("orphans", not orphans, summary, attention=True)


def _newest(answers: dict[str, tuple[object, ...]]) -> Iterator[Finding]:
    newest = max(((str(value), name) for name, (value,) in answers.items() if value is not None), default=None)
    if newest is not None:
        yield Finding("newest row", True, f"{newest[0]} in {newest[1]}")


def _amcheck(server: Server, *, jobs: int, limit: timedelta, disposable: bool) -> Finding:
    """Every B-tree must be in order, and smaller ones have every row of the heap (amcheck, heapallindexed)."""
    with session(server, limit=limit, settings=False) as opened:
        opened.take_time()
        indexes = opened.rows(_BTREES)
        if found := opened.rows(_AMCHECK):
            return _check_btrees(opened, indexes, str(found[0][0]), server, jobs=jobs, limit=limit)
        if not disposable:
            return Finding("amcheck", True, "not run: the database has no amcheck, and what is restored is only read")
        if not opened.rows("select 1 from pg_available_extensions where name = 'amcheck'"):
            return Finding("amcheck", True, "not run: the verifier's PostgreSQL has no amcheck (postgresql-contrib)")
        opened.rows("set default_transaction_read_only = off")  # may be set for the database
        with _silenced(opened):
            try:
                _create_amcheck(opened)
            except SourceError as error:
                return Finding("amcheck", True, f"not run: {error.why}")  # a lent server on which we are no superuser
            try:
                return _check_btrees(opened, indexes, "ops_amcheck", server, jobs=jobs, limit=limit)
            finally:
                opened.rows("drop schema ops_amcheck cascade")


@contextmanager
def _silenced(opened: Session) -> Iterator[None]:
    """During the block none of the database's event triggers fires; to switch one off fires none."""
    enabled = opened.rows("select quote_ident(evtname), evtenabled::text from pg_event_trigger where evtenabled <> 'D'")
    try:
        for name, _how in enabled:
            opened.rows(f"alter event trigger {name} disable")
        yield
    finally:
        for name, how in enabled:
            opened.rows(f"alter event trigger {name} enable {_ENABLED[how]}")


_ENABLED = {"O": "", "R": "replica", "A": "always"}


def _create_amcheck(opened: Session) -> None:
    opened.rows("begin")
    try:
        opened.rows("create schema ops_amcheck")
        opened.rows("create extension amcheck with schema ops_amcheck")
    except SourceError:
        opened.rows("rollback")
        raise
    opened.rows("commit")


def _check_btrees(
    opened: Session, indexes: Sequence[tuple[object, ...]], schema: str, server: Server, *, jobs: int, limit: timedelta
) -> Finding:
    looked_up = _looked_up(indexes)
    questions = [
        (str(name), f"select {schema}.bt_index_check({oid}::oid::regclass, {name in looked_up})")
        for name, oid, _size in indexes
    ]
    refused = ask_each(questions, server, opened, jobs=jobs, limit=limit).refused
    # An index is computed anew for this: its function may need the search_path that the application has.
    lost = {name: error.why for name, error in refused.items() if error.sqlstate in NOT_FOUND}
    for name, error in refused.items():
        if not error.sqlstate:
            raise error
        if name not in lost:
            return Finding("amcheck", False, error.why)
    whole = f"{len(looked_up - lost.keys())} B-trees have every row of their tables"
    if larger := len(questions) - len(looked_up | lost.keys()):
        whole += f", {larger} larger ones are in order"
    if lost:
        reasons = "; ".join(f"{name} was not looked into ({why})" for name, why in sorted(lost.items())[:_NAMED])
        return Finding("amcheck", False, f"{whole}; {reasons}", attention=True)
    return Finding("amcheck", True, whole)


def _looked_up(indexes: Sequence[tuple[object, ...]]) -> set[str]:
    """The smallest of them, as many as may be looked up."""
    chosen: set[str] = set()
    left = _LOOKED_UP_BYTES
    for name, _oid, size in sorted(indexes, key=lambda index: int(str(index[2]))):
        left -= int(str(size))
        if left < 0:
            break
        chosen.add(str(name))
    return chosen


def _listed(found: Sequence[str], how: str) -> str:
    more = f" … and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{how}: {', '.join(found[:_NAMED])}{more}" if found else ""
