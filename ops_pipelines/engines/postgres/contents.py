"""The PostgreSQL fingerprint: every object's definition, every table's rows, in one snapshot.

Definitions come from the server's own deparsers (`pg_get_…def`), so the same object reads the same
before a dump and after a restore into the same major version. Rows are digested inside the server
(`digests`). A sample consists of the rows whose primary key hashes to it.
Left out on purpose: members of extensions, contents of materialized views (they are refreshed, not
restored) and of foreign tables (they live elsewhere), tablespaces, and constraint names that the
server makes up for partitions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ops_pipelines.engines import definition
from ops_pipelines.engines.base import DIGESTED, EXISTS, Contents, Level, TableFacts, Way
from ops_pipelines.engines.migrations import recognised
from ops_pipelines.engines.postgres import digests, object_queries
from ops_pipelines.engines.postgres.connection import NOT_FOUND, Server, Session, StatementFailed, session
from ops_pipelines.engines.postgres.side_by_side import ask_each
from ops_pipelines.engines.sampling import ONE_IN, WHOLE_UP_TO, new_seed
from ops_pipelines.proof import Gap

DIALECT = "postgres 3"
"""Raise the number with any change to what the object queries return."""

# No answer, connection, resources, operator, system: https://www.postgresql.org/docs/current/errcodes-appendix.html
_UNWELL = ("", "08", "53", "57", "58")
_PASSES_OVER = """
select name from pg_settings where name in ('zero_damaged_pages', 'ignore_checksum_failure') and setting = 'on'
 order by name
"""
LARGE_OBJECTS = "large objects"
_LO_CHUNK = 8 * 1024 * 1024
_EMPTY = {False: "select 0, null, null", True: "select 0, '0'::text, 0"}

# A standby has the definitions of unlogged tables, not their rows; pg_dump leaves them out there, too.
_READABLE = "(c.relpersistence = 'p' or c.relpersistence = 'u' and not pg_catalog.pg_is_in_recovery())"
# Some hashes are of an OID, an enum's for instance: at a restore such rows move to other partitions. The outermost
# table that is partitioned so is looked at as one. Which types are concerned is not asked closely: it is right
# for the others, too. https://www.postgresql.org/docs/current/app-pgdump.html (--load-via-partition-root)
_MOVING_KEY = """
 exists (select from unnest(p.partattrs) as k(attnum)
           left join pg_catalog.pg_attribute a on a.attrelid = p.partrelid and a.attnum = k.attnum
           left join pg_catalog.pg_type t on t.oid = a.atttypid left join pg_catalog.pg_type e on e.oid = t.typelem
          where k.attnum = 0 or t.typtype <> 'b' or e.typtype <> 'b')
"""
_TABLES = f"""
select format('%I.%I', w.nspname, r.relname), sum(pg_relation_size(c.oid)),
       {digests.COLUMNS},
       (select json_agg(quote_ident(a.attname) order by k.place)
          from pg_catalog.pg_index i, unnest(i.indkey) with ordinality k(attnum, place), pg_catalog.pg_attribute a
         where i.indrelid = r.oid and i.indisprimary and k.place <= i.indnkeyatts
           and a.attrelid = r.oid and a.attnum = k.attnum),
       count(*) filter (where {_READABLE}), case when r.relkind = 'r' then 'only ' else '' end
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_class r on r.oid = coalesce(
         (select up.relid from pg_catalog.pg_partition_ancestors(c.oid) with ordinality as up(relid, height)
            join pg_catalog.pg_partitioned_table p on p.partrelid = up.relid
           where p.partstrat = 'h' and {_MOVING_KEY} order by up.height desc limit 1), c.oid)
  join pg_catalog.pg_namespace w on w.oid = r.relnamespace
 where c.relkind = 'r' and c.relpersistence <> 't' and {object_queries.OURS.format(oid="c.oid", catalog="pg_class")}
 group by r.oid, r.relname, r.relkind, w.nspname
 order by 2 desc
"""
_COUNTERS = f"""
select format('%I.%I', n.nspname, c.relname),
       pg_catalog.pg_sequence_last_value(c.oid) * sign(s.seqincrement)
  from pg_catalog.pg_sequence s join pg_catalog.pg_class c on c.oid = s.seqrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where not s.seqcycle and {_READABLE} and {object_queries.OURS.format(oid="c.oid", catalog="pg_class")}
"""
_LARGE_OBJECTS = f"""
select (select count(*) from pg_catalog.pg_largeobject_metadata),
       coalesce(sum(hashtextextended(oid || ':' || digest, 0)), 0)::text, count(*) from (
  select l.oid, (select string_agg(md5(pg_catalog.lo_get(l.oid, at, {_LO_CHUNK})), ',' order by at)
                   from generate_series(0, l.ends[1], {_LO_CHUNK}) as at) as digest
    from (select m.oid, array[lo_lseek64(m.fd, 0, 2), lo_close(m.fd)] as ends
            from (select oid, lo_open(oid, 262144) as fd
                    from pg_catalog.pg_largeobject_metadata where {{chosen}} offset 0) m offset 0) l
) as each
"""


def count_tables(opened: Session) -> int:
    """How many tables with data of their own the database has, extension members aside."""
    return sum(readable for *_facts, readable, _only in opened.rows(_TABLES))


def read_counters(opened: Session) -> dict[str, int]:
    """Where every sequence that does not cycle stands, counted in its own direction.

    Sequences ignore snapshots. Read them before the dump starts: then a restored one is never behind.
    """
    return {name: int(value) for name, value in opened.rows(_COUNTERS) if value is not None}


@dataclass(frozen=True)
class Objects:
    """Every schema object's definition by kind and name, and the kinds whose query failed, with the reason."""

    found: Mapping[str, str]
    unread: Mapping[str, StatementFailed]


def read_objects(opened: Session) -> Objects:
    """Every schema object. A kind that cannot be read costs no other."""
    version = int(opened.value("show server_version_num"))
    found: dict[str, str] = {}
    unread: dict[str, StatementFailed] = {}
    for kind, sql in object_queries.for_version(version):
        try:
            with opened.apart():
                labels, rows = opened.labelled(sql)
        except StatementFailed as error:
            unread[kind] = error
            continue
        for name, *facts in rows:
            found[f"{kind} {name}"] = definition.written(zip(labels[1:], facts, strict=True))
    return Objects(found, unread)


def take(server: Server, *, level: Level, jobs: int, limit: timedelta, way: Way | None = None) -> Contents:
    """Fingerprint a database as it is now.

    Args:
        level: `sample` digests some rows, `counts` none, `off` skips everything.
        jobs: sessions that read tables side by side.
        limit: the longest that one table may take.
        way: of the fingerprint with which it is compared.
    Raises:
        SourceError: the server cannot be asked at all.
    """
    if level == "off":
        return Contents(level="off", dialect=DIALECT)
    with session(server, limit=limit) as opened:
        counters = read_counters(opened)
        return read(opened, server, read_objects(opened), counters, level=level, jobs=jobs, limit=limit, way=way)


def read(
    opened: Session,
    server: Server,
    objects: Objects,
    counters: Mapping[str, int],
    *,
    level: Level,
    jobs: int,
    limit: timedelta,
    way: Way | None = None,
    snapshot: str | None = None,
    register: Callable[[Session], None] = lambda opened: None,
) -> Contents:
    """Fingerprint the rows, and put what else is known beside them.

    Args:
        opened: a session in the snapshot, when there is one, that has every table locked.
        objects: read through it.
        counters: where sequences stood before, since they know no snapshot.
        way: of the fingerprint with which it is compared; a new one's when omitted.
        snapshot: an exported snapshot that all sessions look through.
        register: told of every session, so that somebody else can abort it.
    Raises:
        SourceError: the server cannot be asked at all, or, without a snapshot, is not well.
    """
    if level == "off":
        return Contents(level="off", dialect=DIALECT)
    way = digests.known(way) if way is not None else Way(new_seed() if level == "sample" else 0, digests.NEWEST)
    work = _questions(opened, level, way)
    migrations: dict[str, str] = {}
    failed = {f"{kind} definitions": error for kind, error in objects.unread.items()}
    for tool, sql in recognised(name for name, _sql in work):
        try:
            with opened.apart():
                migrations[tool] = str(opened.value(sql))
        except StatementFailed as error:
            failed[f"head of {tool}"] = error
    answers = ask_each(work, server, opened, jobs=jobs, limit=limit, snapshot=snapshot, register=register)
    failed |= answers.refused
    if snapshot is None:
        for each in failed.values():
            _raise_unless_answered(each)
    tables = {
        name: TableFacts(rows=rows, digest=digest, digested=digested if level == "sample" else None)
        for name, (rows, digest, digested) in answers.found.items()
    }
    return Contents(
        level=level,
        dialect=DIALECT,
        objects=dict(objects.found),
        tables=tables,
        counters=dict(counters),
        migrations=migrations,
        unseen=tuple(kind.split()[0] for kind in objects.unread),
        gaps=tuple(_gap(name, error) for name, error in failed.items()),
        seed=way.seed,
        digests=way.digests,
    )


def passed_over(opened: Session) -> list[Gap]:
    """Where the server leaves out what it cannot read, the dump and the fingerprint agree about the rest."""
    return [
        Gap(
            what="damaged pages",
            why=f"{name} is on: rows on a damaged page are left out of the dump, and of what it is compared with",
            cure=f"RESET {name} where it is set: ALTER ROLE …, ALTER DATABASE … or ALTER SYSTEM",
        )
        for (name,) in opened.rows(_PASSES_OVER)
    ]


def doubting(held: Contents, doubts: Sequence[str]) -> Contents:
    """A fingerprint that says nothing about what changed while the dump was begun, but that it was there.

    Args:
        doubts: names of objects, as the fingerprint has them, and of sequences.
    """
    doubted = set(doubts)
    why, cure = "it changed while pg_dump read it", "take a backup while no migration runs"
    return held.model_copy(
        update={
            "objects": {name: EXISTS if name in doubted else text for name, text in held.objects.items()},
            "counters": {name: at for name, at in held.counters.items() if f"sequence {name}" not in doubted},
            "gaps": (*held.gaps, *(Gap(what=name, why=why, cure=cure) for name in doubts)),
        }
    )


def _raise_unless_answered(error: StatementFailed) -> None:
    """A restored database whose server went away, is full or too slow was not looked at: nothing is known of it."""
    if error.sqlstate[:2] in _UNWELL:
        raise error


def _gap(what: str, error: StatementFailed) -> Gap:
    """What a refused query keeps us from knowing."""
    cure = ""
    if error.sqlstate in NOT_FOUND:
        cure = "write schemas in front of names in the function that is named, or ALTER FUNCTION … SET search_path = …"
    elif error.sqlstate == "42501":
        cure = "GRANT what is missing to the role that takes the backup"
    said = [line for line in error.why.splitlines() if not line.startswith(("LINE ", " ", "QUERY:"))]
    return Gap(what=what, why="; ".join(said), cure=cure or error.next)


def _questions(opened: Session, level: Level, way: Way) -> list[tuple[str, str]]:
    """One query per table for its rows, their digest, and how many of them that is of.

    The largest comes first, so that the last worker to finish has a small one.
    """
    work: list[tuple[str, str]] = []
    for name, _size, columns, keyed, readable, only in opened.rows(_TABLES):
        # An unlogged table comes back empty from a standby.
        digest = digests.digest([digests.Column(*each) for each in columns or ()], way.digests)
        key = digests.key(keyed, way.digests) if keyed else None
        asked = _question(f"{only}{name}", digest, key, level, way.seed) if readable else _EMPTY[level in DIGESTED]
        work.append((name, asked))
    if opened.value("select exists (select from pg_catalog.pg_largeobject_metadata)"):
        chosen = _chosen("pg_catalog.pg_largeobject_metadata", "oid::text", way.seed) if level == "sample" else "true"
        counted = "select count(*), null, null from pg_catalog.pg_largeobject_metadata"
        work.append((LARGE_OBJECTS, _LARGE_OBJECTS.format(chosen=chosen) if level in DIGESTED else counted))
    return work


def _question(table: str, digest: str, key: str | None, level: Level, seed: int) -> str:
    if level not in DIGESTED:
        return f"select count(*), null, null from {table}"
    if level == "full" or not key:
        return f"select count(*), coalesce({digest}, 0)::text, count(*) from {table}"
    # A row that the filter leaves out is neither hashed nor fetched from where long values are kept.
    chosen = _chosen(table, key, seed)
    return (
        f"select count(*), coalesce({digest} filter (where {chosen}), 0)::text, count(*) filter (where {chosen})"
        f" from {table}"
    )


def _chosen(table: str, key: str, seed: int) -> str:
    """A condition for rows that belong to the sample; for all rows of a small table."""
    small = f"(select count(*) from (select from {table} limit {WHOLE_UP_TO + 1}) as first) <= {WHOLE_UP_TO}"
    return f'({small} or hashtextextended({key} collate "C", {seed}) % {ONE_IN} = 0)'
