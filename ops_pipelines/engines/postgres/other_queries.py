"""Catalogue queries for what stands beside tables: functions, types, rarer kinds, the database and its privileges.

See `object_queries`, which has the rules and the tables.
"""

from collections.abc import Sequence

from ops_pipelines.engines.postgres.described import acl, comment, granted, ours, sorted_text

# Under one name, whatever it is called: a restored database may have another.
_DATABASE = f"""
select 'itself' as name, pg_get_userbyid(d.datdba) as owner, d.datconnlimit as "connection limit",
       {acl("d.datacl", "d", "d.datdba")} as privileges, shobj_description(d.oid, 'pg_database') as comment
  from pg_database d where d.datname = current_database()
"""
_SCHEMAS = f"""
select quote_ident(n.nspname) as name, pg_get_userbyid(n.nspowner) as owner,
       {acl("n.nspacl", "n", "n.nspowner")} as privileges, {comment("n.oid", "pg_namespace")}
  from pg_namespace n where {ours("n.oid", "pg_namespace")}
"""
_FUNCTIONS = f"""
select format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as name, p.prokind as kind,
       case when p.prokind <> 'a' then pg_get_functiondef(p.oid) end as definition,
       pg_get_userbyid(p.proowner) as owner, p.proparallel as parallel,
       g.aggkind as "aggregate kind", g.aggnumdirectargs as "direct arguments",
       g.aggtransfn as transition, g.aggtranstype::regtype as "state type", nullif(g.aggtransspace, 0) as "state size",
       g.agginitval as "first value", g.aggfinalfn as final, g.aggfinalextra as "final extra",
       g.aggfinalmodify as "final modify", g.aggcombinefn as combine, g.aggserialfn as serial,
       g.aggdeserialfn as deserial, g.aggmtransfn as "moving transition", g.aggminvtransfn as "moving inverse",
       nullif(g.aggmtranstype, 0)::regtype as "moving state type", nullif(g.aggmtransspace, 0) as "moving state size",
       g.aggminitval as "moving first value", g.aggmfinalfn as "moving final", g.aggmfinalextra as "moving final extra",
       g.aggmfinalmodify as "moving final modify", nullif(g.aggsortop, 0)::regoperator as "sort operator",
       {acl("p.proacl", "f", "p.proowner")} as privileges, {comment("p.oid", "pg_proc")}
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace left join pg_aggregate g on g.aggfnoid = p.oid
 where {ours("p.oid", "pg_proc")}
   and not exists (select from pg_depend i
                    where i.objid = p.oid and i.classid = 'pg_proc'::regclass and i.deptype = 'i')
"""
_TYPES = f"""
select format('%I.%I', n.nspname, t.typname) as name, t.typtype as kind,
       case when t.typtype <> 'm' then pg_get_userbyid(t.typowner) end as owner,
       case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end as "base type",
       case when t.typcollation <> 0 then t.typcollation::regcollation::text end as collation,
       t.typnotnull as "not null", coalesce(pg_get_expr(t.typdefaultbin, 0), t.typdefault) as "default",
       case when t.typtype = 'b' then concat_ws(',', t.typlen, t.typbyval, t.typalign, t.typstorage, t.typcategory,
            t.typispreferred, t.typdelim, t.typelem::regtype) end as layout,
       case when t.typtype = 'b' then concat_ws(',', t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin,
            t.typmodout, t.typanalyze, to_jsonb(t) ->> 'typsubscript') end as functions,
       (select string_agg(e.enumlabel, ',' order by e.enumsortorder)
          from pg_enum e where e.enumtypid = t.oid) as labels,
       (select concat_ws(',', r.rngsubtype::regtype, r.rngcollation::regcollation, r.rngcanonical, r.rngsubdiff,
                         (select o.opcnamespace::regnamespace || '.' || o.opcname
                            from pg_opclass o where o.oid = r.rngsubopc))
          from pg_range r where r.rngtypid = t.oid) as range,
       case when t.typtype <> 'm' then {acl("t.typacl", "T", "t.typowner")} end as privileges,
       {comment("t.oid", "pg_type")}
  from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
 where t.typcategory <> 'A' and (t.typrelid = 0 or c.relkind = 'c') and {ours("t.oid", "pg_type")}
"""
_COLLATIONS = f"""
select format('%I.%I', n.nspname, c.collname) as name, c.collprovider as provider,
       c.collisdeterministic as deterministic, c.collcollate as collate, c.collctype as ctype,
       coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale') as locale,
       to_jsonb(c) ->> 'collicurules' as rules,
       pg_get_userbyid(c.collowner) as owner, {comment("c.oid", "pg_collation")}
  from pg_collation c join pg_namespace n on n.oid = c.collnamespace where {ours("c.oid", "pg_collation")}
"""
# pg_dump names no version: a restored extension has the newest one that is installed. It says nothing of plpgsql.
_EXTENSIONS = """
select quote_ident(e.extname) as name, n.nspname as schema,
       case when e.oid >= 16384 then obj_description(e.oid, 'pg_extension') end as comment
  from pg_extension e join pg_namespace n on n.oid = e.extnamespace
"""
_EVENT_TRIGGERS = f"""
select quote_ident(v.evtname) as name, v.evtevent as event, v.evtfoid::regprocedure::text as function,
       v.evtenabled as enabled, array_to_string(v.evttags, ',') as tags, pg_get_userbyid(v.evtowner) as owner,
       {comment("v.oid", "pg_event_trigger")}
  from pg_event_trigger v
 where not exists (select from pg_depend e
                    where e.objid = v.oid and e.classid = 'pg_event_trigger'::regclass and e.deptype = 'e')
"""
# Others than a superuser may read these columns only, and pg_dump leaves subscriptions out for them.
_SUBSCRIBED = {
    140000: 's.subbinary as "binary", s.substream as streaming',
    150000: 's.subtwophasestate <> \'d\' as "two phase", s.subdisableonerr as "disable on error"',
    160000: 's.subpasswordrequired as "password required", s.subrunasowner as "run as owner", s.suborigin as origin',
    170000: "s.subfailover as failover",
}
_SUBSCRIPTIONS = """
select quote_ident(s.subname) as name, pg_get_userbyid(s.subowner) as owner, s.subslotname as slot,
       array_to_string(s.subpublications, ',') as publications, s.subsynccommit as "synchronous commit",
       obj_description(s.oid, 'pg_subscription') as comment{more}
  from pg_subscription s
 where s.subdbid = (select oid from pg_database where datname = current_database())
   and (select rolsuper from pg_roles where rolname = current_user)
"""
_FOREIGN_SERVERS = f"""
select quote_ident(s.srvname) as name, w.fdwname as wrapper, s.srvtype as type, s.srvversion as version,
       {sorted_text("s.srvoptions")} as options, pg_get_userbyid(s.srvowner) as owner,
       (select string_agg(coalesce(r.rolname, 'public'), ',' order by r.rolname collate "C")
          from pg_user_mappings m left join pg_roles r on r.oid = m.umuser where m.srvid = s.oid) as "mapped users",
       {acl("s.srvacl", "S", "s.srvowner")} as privileges, {comment("s.oid", "pg_foreign_server")}
  from pg_foreign_server s join pg_foreign_data_wrapper w on w.oid = s.srvfdw
"""
_DEFAULT_PRIVILEGES = f"""
select format('%s:%s:%s', pg_get_userbyid(d.defaclrole), coalesce(n.nspname, ''), d.defaclobjtype) as name,
       {granted("d.defaclacl")} as privileges
  from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace
"""
_SETTINGS = """
select coalesce(r.rolname, '(all)') || '.' || split_part(c, '=', 1) as name, c as setting
  from pg_db_role_setting s cross join unnest(s.setconfig) c left join pg_roles r on r.oid = s.setrole
 where s.setdatabase = (select oid from pg_database where datname = current_database())
"""
_LARGE_OBJECTS = f"""
select m.oid::text as name, pg_get_userbyid(m.lomowner) as owner, {acl("m.lomacl", "L", "m.lomowner")} as privileges,
       {comment("m.oid", "pg_largeobject")}
  from pg_largeobject_metadata m
"""
_SECURITY_LABELS = """
select l.provider || ' ' || i.type || ' ' || i.identity as name, l.label as label
  from pg_seclabel l, lateral pg_identify_object(l.classoid, l.objoid, l.objsubid) i
 where not exists (select from pg_depend e
                    where e.objid = l.objoid and e.classid = l.classoid and e.deptype = 'e')
"""


def _other(catalog: str, owner: str, facts: str) -> str:
    """A rarer kind, under the name that the server gives its objects.

    Args:
        owner: the catalogue's column; empty where such an object has none.
        facts: columns with their labels, of the row `o`.
    """
    owned = f"pg_get_userbyid(o.{owner}) as owner, " if owner else ""
    return f"""
select i.type || ' ' || i.identity as name, {owned}{facts}{"," if facts else ""} {comment("o.oid", catalog)}
  from {catalog} o, lateral pg_identify_object('{catalog}'::regclass, o.oid, 0) i
 where o.oid >= 16384
   and not exists (select from pg_depend e
                    where e.objid = o.oid and e.classid = '{catalog}'::regclass and e.deptype in ('e', 'i'))
"""


_OTHERS: Sequence[str] = (
    _other("pg_cast", "", "o.castcontext as context, o.castmethod as method, o.castfunc::regprocedure as function"),
    # An operator that is only named by another one has no function, and no dump has it.
    _other(
        "pg_operator",
        "oprowner",
        "o.oprcode::regprocedure as function, o.oprrest as restriction, o.oprjoin as join, o.oprcanmerge as merges,"
        " o.oprcanhash as hashes,"
        " (select c.oid::regoperator from pg_operator c where c.oid = o.oprcom and c.oprcode <> 0) as commutator,"
        " (select c.oid::regoperator from pg_operator c where c.oid = o.oprnegate and c.oprcode <> 0)"
        " as negator",
    )
    + " and o.oprcode <> 0",
    _other(
        "pg_opclass",
        "opcowner",
        'o.opcdefault as "default", o.opcintype::regtype as type, nullif(o.opckeytype, 0)::regtype as storage,'
        " (select f.opfnamespace::regnamespace || '.' || f.opfname from pg_opfamily f where f.oid = o.opcfamily)"
        " as family",
    ),
    _other(
        "pg_opfamily",
        "opfowner",
        """(select string_agg(concat_ws(':', a.amopstrategy, a.amoppurpose, a.amopopr::regoperator,
                    (select f.opfnamespace::regnamespace || '.' || f.opfname
                       from pg_opfamily f where f.oid = a.amopsortfamily)), ','
                order by a.amopstrategy, a.amopopr::regoperator::text collate "C")
           from pg_amop a where a.amopfamily = o.oid) as operators,
         (select string_agg(concat_ws(':', a.amprocnum, a.amproc::regprocedure), ','
                order by a.amprocnum, a.amproc::regprocedure::text collate "C")
           from pg_amproc a where a.amprocfamily = o.oid) as functions""",
    ),
    _other(
        "pg_conversion",
        "conowner",
        'pg_encoding_to_char(o.conforencoding) as "from", pg_encoding_to_char(o.contoencoding) as "to",'
        ' o.conproc as function, o.condefault as "default"',
    ),
    _other(
        "pg_language",
        "lanowner",
        "nullif(o.lanplcallfoid, 0)::regprocedure as handler, nullif(o.laninline, 0)::regprocedure as inline,"
        " nullif(o.lanvalidator, 0)::regprocedure as validator, o.lanpltrusted as trusted,"
        f" {acl('o.lanacl', 'l', 'o.lanowner')} as privileges",
    ),
    _other("pg_transform", "", 'o.trffromsql as "from", o.trftosql as "to"'),
    _other(
        "pg_ts_config",
        "cfgowner",
        """(select p.prsnamespace::regnamespace || '.' || p.prsname from pg_ts_parser p where p.oid = o.cfgparser)
             as parser,
           (select string_agg(concat_ws(':', maptokentype, mapseqno, mapdict::regdictionary), ','
                order by maptokentype, mapseqno) from pg_ts_config_map where mapcfg = o.oid) as mapping""",
    ),
    _other(
        "pg_ts_dict",
        "dictowner",
        """(select t.tmplnamespace::regnamespace || '.' || t.tmplname
             from pg_ts_template t where t.oid = o.dicttemplate) as template, o.dictinitoption as options""",
    ),
    _other(
        "pg_ts_parser",
        "",
        'o.prsstart as start, o.prstoken as token, o.prsend as "end", o.prsheadline as headline, o.prslextype as types',
    ),
    _other("pg_ts_template", "", "o.tmplinit as init, o.tmpllexize as lexize"),
    _other("pg_am", "", "o.amhandler as handler, o.amtype as type"),
    _other(
        "pg_foreign_data_wrapper",
        "fdwowner",
        "nullif(o.fdwhandler, 0)::regprocedure as handler, nullif(o.fdwvalidator, 0)::regprocedure as validator,"
        f" {sorted_text('o.fdwoptions')} as options, {acl('o.fdwacl', 'F', 'o.fdwowner')} as privileges",
    ),
)

# The role that initdb made has another name on another server.
_ROLE = "case r.oid when 10 then '(bootstrap)' else r.rolname end"


def _changed_privileges(word: str, catalog: str, column: str, kind: str, owner: str, name: str, ours: str) -> str:
    """Privileges of objects of the server and of extensions that are not as they came: a dump has the difference.

    Args:
        ours: a condition for those of the server. No dump has those of information_schema.
    """

    def or_default(source: str) -> str:
        return granted(f"coalesce({source}, acldefault('{kind}', o.{owner}))", _ROLE)

    return f"""
select '{word} ' || {name} as name, {or_default(f"o.{column}")} as privileges
  from {catalog} o left join pg_init_privs p
       on p.objoid = o.oid and p.classoid = '{catalog}'::regclass and p.objsubid = 0
 where (o.{column} is not null or p.initprivs is not null)
   and (o.oid < 16384 and {ours} or exists (select from pg_depend e where e.objid = o.oid
                    and e.classid = '{catalog}'::regclass and e.deptype = 'e'))
   and {or_default(f"o.{column}")} is distinct from {or_default("p.initprivs")}
"""


_SYSTEM_COLUMNS = f"""
select format('column %s.%I', a.attrelid::regclass, a.attname) as name, {granted("a.attacl", _ROLE)} as privileges
  from pg_attribute a join pg_class c on c.oid = a.attrelid
  left join pg_init_privs p on p.objoid = a.attrelid and p.classoid = 'pg_class'::regclass and p.objsubid = a.attnum
 where (a.attacl is not null or p.initprivs is not null)
   and (c.oid < 16384 and c.relnamespace = 'pg_catalog'::regnamespace
        or exists (select from pg_depend e where e.objid = c.oid
                    and e.classid = 'pg_class'::regclass and e.deptype = 'e'))
   and {granted("a.attacl", _ROLE)} is distinct from {granted("p.initprivs", _ROLE)}
"""

_IN_CATALOG = "o.{} = 'pg_catalog'::regnamespace"
_SYSTEM_PRIVILEGES: Sequence[str] = (
    _changed_privileges(
        "function", "pg_proc", "proacl", "f", "proowner", "o.oid::regprocedure", _IN_CATALOG.format("pronamespace")
    ),
    _changed_privileges(
        "relation", "pg_class", "relacl", "r", "relowner", "o.oid::regclass", _IN_CATALOG.format("relnamespace")
    ).replace("\n where (", "\n where o.relkind <> 'S' and ("),
    _SYSTEM_COLUMNS,
    _changed_privileges("language", "pg_language", "lanacl", "l", "lanowner", "quote_ident(o.lanname)", "true"),
    _changed_privileges(
        "type", "pg_type", "typacl", "T", "typowner", "o.oid::regtype", _IN_CATALOG.format("typnamespace")
    ),
    _changed_privileges(
        "schema", "pg_namespace", "nspacl", "n", "nspowner", "quote_ident(o.nspname)", "o.nspname = 'pg_catalog'"
    ),
)

_ALWAYS: Sequence[tuple[str, str]] = (
    ("database", _DATABASE),
    ("schema", _SCHEMAS),
    ("function", _FUNCTIONS),
    ("type", _TYPES),
    ("collation", _COLLATIONS),
    ("extension", _EXTENSIONS),
    ("event trigger", _EVENT_TRIGGERS),
    ("foreign server", _FOREIGN_SERVERS),
    ("default privileges", _DEFAULT_PRIVILEGES),
    ("setting", _SETTINGS),
    ("large object", _LARGE_OBJECTS),
    ("security label", _SECURITY_LABELS),
    *(("other", query) for query in _OTHERS),
    *(("privileges of system", query) for query in _SYSTEM_PRIVILEGES),
)


def for_version(server_version_num: int) -> list[tuple[str, str]]:
    """The queries by kind of object for a server."""
    more = "".join(f", {columns}" for since, columns in _SUBSCRIBED.items() if server_version_num >= since)
    return [*_ALWAYS, ("subscription", _SUBSCRIPTIONS.format(more=more))]
