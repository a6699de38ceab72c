"""Catalogue queries that describe PostgreSQL's objects: a name first, then the facts of its definition.

Here are tables and what hangs on them; `other_queries` has the kinds that stand by themselves. The names of the
columns are the labels of the facts. What a server prints of an expression has a fact of its own, so that `reload` can
bring it through the server once more.

Only what `pg_dump` promises to bring back is described, and only in terms that survive it: privileges
are expanded and sorted, owners are names, expressions are deparsed. Left out, because a dump does not
bring them back: versions of extensions, changes to members of extensions other than privileges, order of inherited
columns, owner and privileges of a multirange type (they follow its range type in newer servers only), options
of user mappings (not everybody may read them), tablespaces, whether a subscription is enabled, operators
that another one only names.
Catalogue columns are those of
PostgreSQL 13 and newer: https://www.postgresql.org/docs/current/catalogs.html
"""

from ops_pipelines.engines.postgres import other_queries
from ops_pipelines.engines.postgres.described import (
    OURS,
    acl,
    column_options,
    comment,
    granted,
    index_keys,
    ours,
    sorted_text,
)

__all__ = ["OURS", "for_version"]

_RELATIONS = f"""
select format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind, c.relpersistence as persistence,
       pg_get_userbyid(c.relowner) as owner,
       c.relrowsecurity as "row security", c.relforcerowsecurity as "row security forced",
       c.relreplident as "replica identity", am.amname as "access method", c.relispopulated as populated,
       {sorted_text("c.reloptions")} as options,
       (select {sorted_text("t.reloptions")} from pg_class t where t.oid = c.reltoastrelid) as "toast options",
       case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end as "partition by",
       (select string_agg(i.inhparent::regclass::text, ',' order by i.inhseqno)
          from pg_inherits i where i.inhrelid = c.oid) as inherits,
       pg_get_expr(c.relpartbound, c.oid) as "partition bound",
       nullif(c.reloftype, 0)::regtype as "of type",
       case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end as query,
       (select concat_ws(',', s.srvname, {sorted_text("f.ftoptions")}) from pg_foreign_table f
          join pg_foreign_server s on s.oid = f.ftserver where f.ftrelid = c.oid) as "foreign server",
       {acl("c.relacl", "r", "c.relowner")} as privileges, {comment("c.oid", "pg_class")}
  from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_am am on am.oid = c.relam
 where c.relkind in ('r', 'p', 'v', 'm', 'f') and {ours("c.oid", "pg_class")}
"""
_COLUMNS = f"""
select format('%I.%I.%I', n.nspname, c.relname, a.attname) as name,
       format_type(a.atttypid, a.atttypmod) as type,
       case when a.attcollation <> t.typcollation then a.attcollation::regcollation::text end as collation,
       a.attnotnull as "not null", a.attidentity as identity, a.attgenerated as generated,
       pg_get_expr(d.adbin, d.adrelid) as "default",
       a.attstorage as storage, {{compression}}, nullif(a.attstattarget, -1) as "statistics target",
       {column_options("a.attoptions")} as options, {sorted_text("a.attfdwoptions")} as "foreign options",
       case when not exists (select from pg_inherits i where i.inhrelid = c.oid)
            then (select count(*) from pg_attribute b
                   where b.attrelid = c.oid and b.attnum between 1 and a.attnum and not b.attisdropped)
        end as position,
       {granted("a.attacl")} as privileges,
       col_description(c.oid, a.attnum) as comment
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  join pg_type t on t.oid = a.atttypid left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')
   and {ours("c.oid", "pg_class")}
"""
_SEQUENCES = f"""
select format('%I.%I', n.nspname, c.relname) as name, c.relpersistence as persistence,
       pg_get_userbyid(c.relowner) as owner, format_type(s.seqtypid, null) as type, s.seqstart as start,
       s.seqincrement as increment, s.seqmin as minimum, s.seqmax as maximum, s.seqcache as cache, s.seqcycle as cycle,
       (select string_agg(d.refobjid::regclass || '.' || d.refobjsubid, ',') from pg_depend d
         where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
           and not exists (select from pg_inherits i where i.inhrelid = d.refobjid)) as "owned by",
       {acl("c.relacl", "s", "c.relowner")} as privileges, {comment("c.oid", "pg_class")}
  from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
 where {ours("c.oid", "pg_class")}
"""
_CONSTRAINTS = f"""
select format('%s.%I', coalesce(nullif(k.conrelid, 0)::regclass::text, k.contypid::regtype::text), k.conname) as name,
       k.contype as kind, pg_get_constraintdef(k.oid) as definition, k.convalidated as validated,
       {comment("k.oid", "pg_constraint")}
  from pg_constraint k join pg_namespace n on n.oid = k.connamespace
 where k.contype <> 't' and (k.conparentid = 0 and not (k.contype = 'n' and k.coninhcount > 0)
   and not exists (select from pg_constraint p
                     join pg_inherits i on i.inhparent = p.conrelid and i.inhrelid = k.conrelid
                    where p.conname = k.conname and p.contype = k.contype)
   -- What a partition has from its parent is told with the parent, but for a comment of its own.
   or k.contype in ('n', 'p', 'u', 'x') and obj_description(k.oid, 'pg_constraint') is not null)
   and {ours("coalesce(nullif(k.conrelid, 0), k.contypid)", "pg_class")} and {ours("k.contypid", "pg_type")}
"""
_INDEXES = f"""
select format('%I.%I', n.nspname, c.relname) as name, t.oid::regclass as "table", i.indisunique as "unique",
       {index_keys("i", "c", "tn", "t")} as keys,
       (select h.inhparent::regclass from pg_inherits h where h.inhrelid = c.oid) as "attached to",
       i.indisclustered as clustered, i.indisreplident as "replica identity",
       (select string_agg(a.attnum || ':' || a.attstattarget, ',' order by a.attnum) from pg_attribute a
         where a.attrelid = c.oid and a.attstattarget >= 0) as "statistics targets", {comment("c.oid", "pg_class")}
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
  join pg_class t on t.oid = i.indrelid join pg_namespace tn on tn.oid = t.relnamespace
 where (i.indisvalid or c.relkind = 'I') and n.nspname !~ '^pg_toast' and {ours("i.indrelid", "pg_class")}
"""
_TRIGGERS = f"""
select format('%s.%I', g.tgrelid::regclass, g.tgname) as name, pg_get_triggerdef(g.oid) as definition,
       g.tgenabled as enabled, {comment("g.oid", "pg_trigger")}
  from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
 where not g.tgisinternal and g.tgparentid = 0 and {ours("c.oid", "pg_class")}
"""
# A partition has its parent's triggers, and a dump tells only which of them were switched on or off by themselves.
_PARTITION_TRIGGERS = f"""
select format('%s.%I', g.tgrelid::regclass, g.tgname) as name, g.tgenabled as enabled,
       {comment("g.oid", "pg_trigger")}
  from pg_trigger g join pg_trigger p on p.oid = g.tgparentid
  join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
 where g.tgenabled <> p.tgenabled and {ours("c.oid", "pg_class")}
   and not exists (select from pg_constraint k where k.oid = g.tgconstraint and k.contype = 'f')
"""
_RULES = f"""
select format('%s.%I', r.ev_class::regclass, r.rulename) as name, pg_get_ruledef(r.oid) as definition,
       r.ev_enabled as enabled, {comment("r.oid", "pg_rewrite")}
  from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace
 where r.rulename <> '_RETURN' and {ours("c.oid", "pg_class")}
"""
_POLICIES = f"""
select format('%s.%I', p.polrelid::regclass, p.polname) as name, p.polcmd as command, p.polpermissive as permissive,
       (select string_agg(coalesce(r.rolname, 'public'), ',' order by r.rolname collate "C")
          from unnest(p.polroles) u left join pg_roles r on r.oid = u) as roles,
       pg_get_expr(p.polqual, p.polrelid) as "using", pg_get_expr(p.polwithcheck, p.polrelid) as "with check",
       {comment("p.oid", "pg_policy")}
  from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
 where {ours("c.oid", "pg_class")}
"""
_STATISTICS = f"""
select format('%I.%I', n.nspname, s.stxname) as name, pg_get_statisticsobjdef(s.oid) as definition,
       pg_get_userbyid(s.stxowner) as owner, nullif(s.stxstattarget, -1) as target,
       {comment("s.oid", "pg_statistic_ext")}
  from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace where {ours("s.oid", "pg_statistic_ext")}
"""
_PUBLICATIONS = f"""
select quote_ident(p.pubname) as name, p.puballtables as "all tables", p.pubinsert as "insert", p.pubupdate as "update",
       p.pubdelete as "delete", p.pubtruncate as "truncate", p.pubviaroot as "via root",
       to_jsonb(p) ->> 'pubgencols' as "generated columns", pg_get_userbyid(p.pubowner) as owner{{schemas}},
       {comment("p.oid", "pg_publication")}
  from pg_publication p
"""
_PUBLISHED_SCHEMAS = """,
 (select string_agg(s.pnnspid::regnamespace::text, ',' order by s.pnnspid::regnamespace::text collate "C")
    from pg_publication_namespace s where s.pnpubid = p.oid) as schemas"""
_PUBLISHED = """
select format('%I.%s', p.pubname, r.prrelid::regclass) as name{details}
  from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
"""
_PUBLISHED_DETAILS = """,
    (select string_agg(quote_ident(a.attname), ',' order by a.attname collate "C")
       from pg_attribute a where a.attrelid = r.prrelid and a.attnum = any (r.prattrs)) as columns,
    pg_get_expr(r.prqual, r.prrelid) as "where\""""


def for_version(server_version_num: int) -> list[tuple[str, str]]:
    """The queries by kind of object for a server, oldest supported first.

    Raises:
        ValueError: the server is older than PostgreSQL 13.
    """
    if server_version_num < 130000:
        raise ValueError("PostgreSQL 13 or newer is needed")
    compression = "a.attcompression as compression" if server_version_num >= 140000 else "null as compression"
    filtered = server_version_num >= 150000
    return [
        ("relation", _RELATIONS),
        ("column", _COLUMNS.format(compression=compression)),
        ("sequence", _SEQUENCES),
        ("constraint", _CONSTRAINTS),
        ("index", _INDEXES),
        ("trigger", _TRIGGERS),
        ("trigger of partition", _PARTITION_TRIGGERS),
        ("rule", _RULES),
        ("policy", _POLICIES),
        ("statistics", _STATISTICS),
        ("publication", _PUBLICATIONS.format(schemas=_PUBLISHED_SCHEMAS if filtered else "")),
        ("publication table", _PUBLISHED.format(details=_PUBLISHED_DETAILS if filtered else "")),
        *other_queries.for_version(server_version_num),
    ]
