"""Catalogue queries that describe every kind of PostgreSQL object: name first, then its definition.

Only what `pg_dump` promises to bring back is described, and only in terms that survive it: privileges
are expanded and sorted, owners are names, expressions are deparsed. Left out, because a dump does not
bring them back: versions of extensions, changes to members of extensions, order of inherited columns,
owner and privileges of a multirange type (they follow its range type in newer servers only), options
of user mappings (not everybody may read them), tablespaces, whether a subscription is enabled.
Catalogue columns are those of
PostgreSQL 13 and newer: https://www.postgresql.org/docs/current/catalogs.html
"""

OURS = """
 n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
 and not exists (select from pg_catalog.pg_depend e
                  where e.objid = {oid} and e.classid = 'pg_catalog.{catalog}'::regclass and e.deptype = 'e')
"""


def _ours(oid: str, catalog: str) -> str:
    return OURS.format(oid=oid, catalog=catalog)


def _granted(acl: str) -> str:
    """Privileges as sorted text."""
    return f"""(select string_agg(format('%s:%s:%s', coalesce(r.rolname, 'public'), x.privilege_type, x.is_grantable),
               ',' order by r.rolname collate "C" nulls first, x.privilege_type collate "C", x.is_grantable)
          from aclexplode({acl}) x left join pg_roles r on r.oid = x.grantee)"""


def _acl(column: str, kind: str, owner: str) -> str:
    """Privileges as sorted text; an empty ACL column means the default ones."""
    return _granted(f"coalesce({column}, acldefault('{kind}', {owner}))")


def _sorted(options: str) -> str:
    """Options as sorted text: pg_dump writes them by name."""
    return f"""(select string_agg(o, ',' order by o collate "C") from unnest({options}) o)"""


def _column_options(options: str) -> str:
    """The options that a column can be given (ALTER COLUMN … SET), as sorted text.

    A server may keep notes of its own in the same place: 15.20 and 17.12 put `pg_attver=<number>` on every column,
    which no dump carries. https://www.postgresql.org/docs/current/sql-altertable.html
    """
    return f"""(select string_agg(o, ',' order by o collate "C") from unnest({options}) o
          where split_part(o, '=', 1) in ('n_distinct', 'n_distinct_inherited'))"""


def _comment(oid: str, catalog: str) -> str:
    return f"obj_description({oid}, '{catalog}')"


_SCHEMAS = f"""
select quote_ident(n.nspname), pg_get_userbyid(n.nspowner), {_acl("n.nspacl", "n", "n.nspowner")},
       {_comment("n.oid", "pg_namespace")}
  from pg_namespace n where {_ours("n.oid", "pg_namespace")}
"""
_RELATIONS = f"""
select format('%I.%I', n.nspname, c.relname), c.relkind, c.relpersistence, pg_get_userbyid(c.relowner),
       c.relrowsecurity, c.relforcerowsecurity, c.relreplident, am.amname, c.relispopulated,
       {_sorted("c.reloptions")},
       case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end, pg_get_expr(c.relpartbound, c.oid),
       (select string_agg(i.inhparent::regclass::text, ',' order by i.inhseqno)
          from pg_inherits i where i.inhrelid = c.oid),
       case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end,
       (select concat_ws(',', s.srvname, {_sorted("f.ftoptions")}) from pg_foreign_table f
          join pg_foreign_server s on s.oid = f.ftserver where f.ftrelid = c.oid),
       {_acl("c.relacl", "r", "c.relowner")}, {_comment("c.oid", "pg_class")}
  from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_am am on am.oid = c.relam
 where c.relkind in ('r', 'p', 'v', 'm', 'f') and {_ours("c.oid", "pg_class")}
"""
_COLUMNS = f"""
select format('%I.%I.%I', n.nspname, c.relname, a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attstorage, nullif(a.attstattarget, -1),
       case when a.attcollation <> t.typcollation then a.attcollation::regcollation::text end,
       {_column_options("a.attoptions")}, {_sorted("a.attfdwoptions")},
       case when not exists (select from pg_inherits i where i.inhrelid = c.oid)
            then (select count(*) from pg_attribute b
                   where b.attrelid = c.oid and b.attnum between 1 and a.attnum and not b.attisdropped) end,
       {_granted("a.attacl")},
       col_description(c.oid, a.attnum)
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  join pg_type t on t.oid = a.atttypid left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')
   and {_ours("c.oid", "pg_class")}
"""
_SEQUENCES = f"""
select format('%I.%I', n.nspname, c.relname), pg_get_userbyid(c.relowner), format_type(s.seqtypid, null), s.seqstart,
       s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle, {_acl("c.relacl", "s", "c.relowner")},
       (select string_agg(d.refobjid::regclass || '.' || d.refobjsubid, ',') from pg_depend d
         where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
           and not exists (select from pg_inherits i where i.inhrelid = d.refobjid)),
       {_comment("c.oid", "pg_class")}
  from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
 where {_ours("c.oid", "pg_class")}
"""
_CONSTRAINTS = f"""
select format('%s.%I', coalesce(nullif(k.conrelid, 0)::regclass::text, k.contypid::regtype::text), k.conname),
       k.contype, pg_get_constraintdef(k.oid), k.convalidated, {_comment("k.oid", "pg_constraint")}
  from pg_constraint k join pg_namespace n on n.oid = k.connamespace
 where k.contype <> 't' and k.conparentid = 0 and not (k.contype = 'n' and k.coninhcount > 0)
   and not exists (select from pg_constraint p
                     join pg_inherits i on i.inhparent = p.conrelid and i.inhrelid = k.conrelid
                    where p.conname = k.conname and p.contype = k.contype)
   and {_ours("coalesce(nullif(k.conrelid, 0), k.contypid)", "pg_class")} and {_ours("k.contypid", "pg_type")}
"""
_INDEXES = f"""
select format('%I.%I', n.nspname, c.relname), pg_get_indexdef(c.oid), i.indisclustered, i.indisreplident,
       (select string_agg(a.attnum || ':' || a.attstattarget, ',' order by a.attnum) from pg_attribute a
         where a.attrelid = c.oid and a.attstattarget >= 0), {_comment("c.oid", "pg_class")}
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
 where (i.indisvalid or c.relkind = 'I') and n.nspname !~ '^pg_toast' and {_ours("i.indrelid", "pg_class")}
"""
_FUNCTIONS = f"""
select format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), p.prokind,
       case when p.prokind <> 'a' then pg_get_functiondef(p.oid) end, pg_get_userbyid(p.proowner),
       (select concat_ws(',', g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggserialfn, g.aggdeserialfn,
                         g.aggmtransfn,
                         g.agginitval, g.aggtranstype::regtype, g.aggkind, g.aggsortop::regoperator, p.proparallel)
          from pg_aggregate g where g.aggfnoid = p.oid),
       {_acl("p.proacl", "f", "p.proowner")}, {_comment("p.oid", "pg_proc")}
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {_ours("p.oid", "pg_proc")}
   and not exists (select from pg_depend i
                    where i.objid = p.oid and i.classid = 'pg_proc'::regclass and i.deptype = 'i')
"""
_TYPES = f"""
select format('%I.%I', n.nspname, t.typname), t.typtype,
       case when t.typtype <> 'm' then pg_get_userbyid(t.typowner) end, t.typnotnull, t.typdefault,
       case when t.typtype = 'b' then concat_ws(',', t.typlen, t.typinput, t.typoutput, t.typreceive, t.typsend) end,
       case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end,
       case when t.typcollation <> 0 then t.typcollation::regcollation::text end,
       (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid),
       (select concat_ws(',', r.rngsubtype::regtype, r.rngcollation::regcollation, r.rngcanonical, r.rngsubdiff)
          from pg_range r where r.rngtypid = t.oid),
       case when t.typtype <> 'm' then {_acl("t.typacl", "T", "t.typowner")} end,
       {_comment("t.oid", "pg_type")}
  from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
 where t.typcategory <> 'A' and (t.typrelid = 0 or c.relkind = 'c') and {_ours("t.oid", "pg_type")}
"""
_TRIGGERS = f"""
select format('%s.%I', g.tgrelid::regclass, g.tgname), pg_get_triggerdef(g.oid), g.tgenabled,
       {_comment("g.oid", "pg_trigger")}
  from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
 where not g.tgisinternal and g.tgparentid = 0 and {_ours("c.oid", "pg_class")}
"""
_RULES = f"""
select format('%s.%I', r.ev_class::regclass, r.rulename), pg_get_ruledef(r.oid), r.ev_enabled,
       {_comment("r.oid", "pg_rewrite")}
  from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace
 where r.rulename <> '_RETURN' and {_ours("c.oid", "pg_class")}
"""
_POLICIES = f"""
select format('%s.%I', p.polrelid::regclass, p.polname), p.polcmd, p.polpermissive,
       (select string_agg(coalesce(r.rolname, 'public'), ',' order by r.rolname collate "C")
          from unnest(p.polroles) u left join pg_roles r on r.oid = u),
       pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), {_comment("p.oid", "pg_policy")}
  from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
 where {_ours("c.oid", "pg_class")}
"""
_STATISTICS = f"""
select format('%I.%I', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid), pg_get_userbyid(s.stxowner),
       nullif(s.stxstattarget, -1), {_comment("s.oid", "pg_statistic_ext")}
  from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace where {_ours("s.oid", "pg_statistic_ext")}
"""
_COLLATIONS = f"""
select format('%I.%I', n.nspname, c.collname), c.collprovider, c.collisdeterministic, c.collcollate, c.collctype,
       pg_get_userbyid(c.collowner), {_comment("c.oid", "pg_collation")}
  from pg_collation c join pg_namespace n on n.oid = c.collnamespace where {_ours("c.oid", "pg_collation")}
"""
# pg_dump names no version: a restored extension has the newest one that is installed.
_EXTENSIONS = f"""
select quote_ident(e.extname), n.nspname, {_comment("e.oid", "pg_extension")}
  from pg_extension e join pg_namespace n on n.oid = e.extnamespace
"""
_EVENT_TRIGGERS = f"""
select quote_ident(v.evtname), v.evtevent, v.evtfoid::regprocedure::text, v.evtenabled, array_to_string(v.evttags, ','),
       pg_get_userbyid(v.evtowner), {_comment("v.oid", "pg_event_trigger")}
  from pg_event_trigger v, pg_namespace n where n.nspname = 'public' and {_ours("v.oid", "pg_event_trigger")}
"""
_PUBLICATIONS = f"""
select quote_ident(p.pubname), p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot,
       pg_get_userbyid(p.pubowner), {{members}}, {_comment("p.oid", "pg_publication")}
  from pg_publication p
"""
_PUBLISHED = """
 (select string_agg(concat_ws(' ', r.prrelid::regclass{details}), ',' order by r.prrelid::regclass::text collate "C")
    from pg_publication_rel r where r.prpubid = p.oid)
"""
_PUBLISHED_DETAILS = """,
    (select string_agg(quote_ident(a.attname), ',' order by a.attname collate "C")
       from pg_attribute a where a.attrelid = r.prrelid and a.attnum = any (r.prattrs)),
    pg_get_expr(r.prqual, r.prrelid)"""
_PUBLISHED_SCHEMAS = """,
 (select string_agg(s.pnnspid::regnamespace::text, ',' order by s.pnnspid::regnamespace::text collate "C")
    from pg_publication_namespace s where s.pnpubid = p.oid)
"""
# Others than a superuser may not read the whole catalogue, and pg_dump leaves subscriptions out for them.
_SUBSCRIPTIONS = """
select quote_ident(s.subname), pg_get_userbyid(s.subowner), s.subslotname, array_to_string(s.subpublications, ','),
       obj_description(s.oid, 'pg_subscription')
  from pg_subscription s
 where s.subdbid = (select oid from pg_database where datname = current_database())
   and (select rolsuper from pg_roles where rolname = current_user)
"""
_FOREIGN_SERVERS = f"""
select quote_ident(s.srvname), w.fdwname, s.srvtype, s.srvversion, {_sorted("s.srvoptions")},
       pg_get_userbyid(s.srvowner),
       {_acl("s.srvacl", "S", "s.srvowner")}, {_comment("s.oid", "pg_foreign_server")},
       (select string_agg(coalesce(r.rolname, 'public'), ',' order by r.rolname collate "C")
          from pg_user_mappings m left join pg_roles r on r.oid = m.umuser where m.srvid = s.oid)
  from pg_foreign_server s join pg_foreign_data_wrapper w on w.oid = s.srvfdw
"""
_DEFAULT_PRIVILEGES = f"""
select format('%s:%s:%s', pg_get_userbyid(d.defaclrole), coalesce(n.nspname, ''), d.defaclobjtype),
       {_granted("d.defaclacl")}
  from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace
"""
_SETTINGS = """
select coalesce(r.rolname, '(all)') || '.' || split_part(c, '=', 1), c
  from pg_db_role_setting s cross join unnest(s.setconfig) c left join pg_roles r on r.oid = s.setrole
 where s.setdatabase = (select oid from pg_database where datname = current_database())
"""
_LARGE_OBJECTS = f"""
select m.oid::text, pg_get_userbyid(m.lomowner), {_acl("m.lomacl", "L", "m.lomowner")},
       {_comment("m.oid", "pg_largeobject")}
  from pg_largeobject_metadata m
"""
# Rarer kinds, under the name the server gives them.
_OTHERS = """
select i.type || ' ' || i.identity, pg_get_userbyid(o.owner), o.definition, obj_description(o.oid, o.class::text)
  from (
  select 'pg_cast'::regclass as class, c.oid, null::oid as owner,
         concat_ws(' ', castcontext, castmethod, castfunc::regprocedure) as definition from pg_cast c union all
  select 'pg_operator'::regclass, oid, oprowner,
         concat_ws(' ', oprcode::regprocedure, oprcom::regoperator, oprnegate::regoperator, oprrest, oprjoin,
                   oprcanmerge, oprcanhash) from pg_operator union all
  select 'pg_opclass'::regclass, oid, opcowner, concat_ws(' ', opcdefault, opckeytype::regtype)
    from pg_opclass union all
  select 'pg_opfamily'::regclass, f.oid, opfowner, concat_ws(' ',
         (select string_agg(concat_ws(':', amopstrategy, amoppurpose, amopopr::regoperator), ','
                 order by amopstrategy, amopopr::regoperator::text collate "C") from pg_amop where amopfamily = f.oid),
         (select string_agg(concat_ws(':', amprocnum, amproc::regprocedure), ','
                 order by amprocnum, amproc::regprocedure::text collate "C") from pg_amproc where amprocfamily = f.oid))
    from pg_opfamily f union all
  select 'pg_conversion'::regclass, oid, conowner, concat_ws(' ', conproc, condefault) from pg_conversion union all
  select 'pg_language'::regclass, oid, lanowner, concat_ws(' ', lanplcallfoid::regprocedure, lanpltrusted, lanacl)
    from pg_language union all
  select 'pg_transform'::regclass, oid, null, concat_ws(' ', trffromsql, trftosql) from pg_transform union all
  select 'pg_ts_config'::regclass, c.oid, cfgowner,
         (select string_agg(concat_ws(':', maptokentype, mapseqno, mapdict::regdictionary), ','
                 order by maptokentype, mapseqno) from pg_ts_config_map where mapcfg = c.oid)
    from pg_ts_config c union all
  select 'pg_ts_dict'::regclass, oid, dictowner, dictinitoption from pg_ts_dict union all
  select 'pg_ts_parser'::regclass, oid, null, null from pg_ts_parser union all
  select 'pg_ts_template'::regclass, oid, null, null from pg_ts_template union all
  select 'pg_am'::regclass, oid, null, amhandler::text from pg_am union all
  select 'pg_foreign_data_wrapper'::regclass, oid, fdwowner,
         concat_ws(' ', fdwhandler::regprocedure, fdwvalidator::regprocedure, {fdw_options},
                   {fdw_privileges}) from pg_foreign_data_wrapper) o,
  lateral pg_identify_object(o.class, o.oid, 0) i
 where o.oid >= 16384
   and not exists (select from pg_depend e
                    where e.objid = o.oid and e.classid = o.class and e.deptype in ('e', 'i'))
""".format(fdw_options=_sorted("fdwoptions"), fdw_privileges=_acl("fdwacl", "F", "fdwowner"))

_QUERIES = (
    ("schema", _SCHEMAS),
    ("relation", _RELATIONS),
    ("column", _COLUMNS),
    ("sequence", _SEQUENCES),
    ("constraint", _CONSTRAINTS),
    ("index", _INDEXES),
    ("function", _FUNCTIONS),
    ("type", _TYPES),
    ("trigger", _TRIGGERS),
    ("rule", _RULES),
    ("policy", _POLICIES),
    ("statistics", _STATISTICS),
    ("collation", _COLLATIONS),
    ("extension", _EXTENSIONS),
    ("event trigger", _EVENT_TRIGGERS),
    ("subscription", _SUBSCRIPTIONS),
    ("foreign server", _FOREIGN_SERVERS),
    ("default privileges", _DEFAULT_PRIVILEGES),
    ("setting", _SETTINGS),
    ("large object", _LARGE_OBJECTS),
    ("other", _OTHERS),
)


def for_version(server_version_num: int) -> list[tuple[str, str]]:
    """The queries by kind of object for a server, oldest supported first.

    Raises:
        ValueError: the server is older than PostgreSQL 13.
    """
    if server_version_num < 130000:
        raise ValueError("PostgreSQL 13 or newer is needed")
    if server_version_num < 150000:
        members = _PUBLISHED.format(details="")
    else:
        members = _PUBLISHED.format(details=_PUBLISHED_DETAILS) + _PUBLISHED_SCHEMAS
    # The session's search_path is empty, which still finds pg_catalog; nothing needs qualifying.
    return [*_QUERIES, ("publication", _PUBLICATIONS.format(members=members))]
