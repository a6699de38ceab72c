"""The database around the tables: its encoding and locale, its settings, and making a new one."""

from collections.abc import Mapping
from datetime import timedelta

from psycopg import sql
from pydantic import JsonValue

from ops_pipelines.engines.postgres import extensions
from ops_pipelines.engines.postgres.connection import Server, Session, session
from ops_pipelines.engines.postgres.targets import maintenance
from ops_pipelines.errors import Inconclusive, SafetyRefusal, SourceError

_LIMIT = timedelta(minutes=5)
# Settings whose stored value is already a quoted list; pg_dump keeps the same list (dumputils.c).
_QUOTED_LISTS = (
    "('local_preload_libraries','search_path','session_preload_libraries','shared_preload_libraries',"
    "'temp_tablespaces','unix_socket_directories')"
)

_SETTINGS = f"""
select format('ALTER %s SET %I TO %s;',
         case when r.rolname is null then 'DATABASE :"db"' else format('ROLE %I IN DATABASE :"db"', r.rolname) end,
         split_part(c, '=', 1),
         case when split_part(c, '=', 1) in {_QUOTED_LISTS}
              -- An empty element is stored as "", which can be written as a string only.
              then regexp_replace(substr(c, strpos(c, '=') + 1), '(^|, )""(?=,|$)', '\\1''''', 'g')
              else quote_literal(substr(c, strpos(c, '=') + 1)) end)
  from pg_db_role_setting s cross join unnest(s.setconfig) c left join pg_roles r on r.oid = s.setrole
 where s.setdatabase = (select oid from pg_database where datname = current_database())
 order by 1
"""
_PRIVILEGES = """
select format('GRANT %s ON DATABASE :"db" TO %s%s;', x.privilege_type,
              case when x.grantee = 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(x.grantee)) end,
              case when x.is_grantable then ' WITH GRANT OPTION' else '' end)
  from pg_database d, aclexplode(d.datacl) x
 where d.datname = current_database() and x.grantee <> d.datdba order by 1
"""
# How money reads depends on the locale, which the restoring server may not have: a dump with any is written in C.
_MONEY = """
select exists (select from pg_attribute a join pg_class c on c.oid = a.attrelid
                where c.oid >= 16384 and a.atttypid in ('money'::regtype, 'money[]'::regtype))
    or exists (select from pg_type where typbasetype in ('money'::regtype, 'money[]'::regtype))
    or exists (select from pg_range where rngsubtype = 'money'::regtype)
"""
# A new database belongs to whoever restores it, and anybody may connect to it. First and last of the script: only its
# owner may give rights on it, and a limit is not to be in the way of what comes before.
_OWNER = """
select format('ALTER DATABASE :"db" OWNER TO %I;', pg_get_userbyid(datdba))
  from pg_database where datname = current_database()
"""
_CLOSED = """
select 'REVOKE ALL ON DATABASE :"db" FROM PUBLIC;'
  from pg_database where datname = current_database() and datacl is not null
"""
_LIMITED = """
select format('ALTER DATABASE :"db" CONNECTION LIMIT %s;', datconnlimit)
  from pg_database where datname = current_database() and datconnlimit > -1
"""
_COMMENT = """
select format('COMMENT ON DATABASE :"db" IS %L;', shobj_description(oid, 'pg_database'))
  from pg_database where datname = current_database() and shobj_description(oid, 'pg_database') is not null
"""
# A new database has these; pg_dump does not say when the source had them dropped.
_DROPPED = """
select 'DROP SCHEMA IF EXISTS public;' where not exists (select from pg_namespace where nspname = 'public') union all
select 'DROP EXTENSION IF EXISTS plpgsql;' where not exists (select from pg_extension where extname = 'plpgsql')
"""

# Whoever restores may have these set otherwise, and would store other values.
_HOW_IT_IS_READ = (
    "SET standard_conforming_strings = on;",
    "SET quote_all_identifiers = off;",
    "SET default_transaction_read_only = off;",
)


def describe(opened: Session) -> dict[str, JsonValue]:
    """What a restore must know about the database and its server."""
    name, encoding, collate, ctype, row = opened.rows(
        "select datname, pg_encoding_to_char(encoding), datcollate, datctype, to_jsonb(d) from pg_database d"
        " where datname = current_database()"
    )[0]
    return {
        "server_version": str(opened.value("show server_version")),
        "database": name,
        "encoding": encoding,
        "collate": collate,
        "ctype": ctype,
        "locale_provider": row.get("datlocprovider", "c"),
        "locale": row.get("datlocale") or row.get("daticulocale"),
        "owner": str(
            opened.value("select pg_get_userbyid(datdba) from pg_database where datname = current_database()")
        ),
        **({"lc_monetary": "C"} if opened.value(_MONEY) else {}),
        "bootstrap_user": str(opened.value("select pg_get_userbyid(10)")),
        **extensions.describe(opened),
        "unlogged_tables": [
            name
            for (name,) in opened.rows(
                "select oid::regclass::text from pg_class where relpersistence = 'u' and relkind = 'r' order by 1"
            )
        ],
    }


def identity(opened: Session) -> dict[str, str]:
    """What tells this database from every other, whatever it is called and wherever it is reached."""
    name, oid, may_ask = opened.rows(
        "select datname, oid::text, has_function_privilege('pg_catalog.pg_control_system()', 'execute')"
        "  from pg_database where datname = current_database()"
    )[0]
    number = str(opened.value("select system_identifier from pg_catalog.pg_control_system()")) if may_ask else ""
    return {"database": str(name), "oid": str(oid), **({"system_identifier": number} if number else {})}


def as_dumped(server: Server, facts: Mapping[str, JsonValue]) -> Server:
    """The same database, for programs that write or read its dump: what the dump's text depends on is set."""
    if "lc_monetary" not in facts:
        return server
    return server.with_settings({"lc_monetary": str(facts["lc_monetary"])})


def warnings(facts: Mapping[str, JsonValue]) -> list[str]:
    """What a human should know about a dump of this database."""
    unlogged = facts["unlogged_tables"]
    if isinstance(unlogged, list) and unlogged:
        return [f"unlogged tables are dumped, but a crash of the source empties them: {', '.join(map(str, unlogged))}"]
    return []


def settings_script(opened: Session) -> bytes:
    """A psql script that puts the database's own settings on the database named by `-v db=…`."""
    queries = (_OWNER, _DROPPED, _SETTINGS, _COMMENT, _CLOSED, _PRIVILEGES, _LIMITED)
    statements = [row[0] for query in queries for row in opened.rows(query)]
    header = "-- Owner, settings and rights of the database. Run: psql -X -v db=NAME -d NAME -f database.sql"
    encoding = f"SET client_encoding = '{'UTF8' if opened.codec == 'utf-8' else 'SQL_ASCII'}';"
    return ("\n".join([header, encoding, *_HOW_IT_IS_READ, *statements]) + "\n").encode(opened.codec)


def same(one: Server, other: Server) -> bool:
    """Whether two connection strings lead to the same database, asked from the servers themselves."""
    identity = (
        "select (select system_identifier from pg_control_system())::text || '/' || oid"
        " from pg_database where datname = current_database()"
    )
    try:
        with session(one, limit=_LIMIT) as first, session(other, limit=_LIMIT) as second:
            return bool(first.value(identity) == second.value(identity))
    except SourceError:
        # One of them is not there or will not say: compare what the strings say instead.
        where = ("host", "hostaddr", "port", "service")
        return one.database == other.database and all(
            one.parameters.get(key) == other.parameters.get(key) for key in where
        )


def create(server: Server, name: str, facts: Mapping[str, JsonValue]) -> tuple[Server, bool]:
    """Create database `name` with the recorded encoding and locale.

    Args:
        server: a database of the server, there or not.
    Returns:
        Where it is, and whether it was made now: one that was there, and is empty, is not ours to drop.
    Raises:
        SafetyRefusal: it exists and is not empty.
        Inconclusive: the server lacks the locale.
    """
    target = server.at(dbname=name)
    try:
        with maintenance(server) as opened:
            if opened.rows("select 1 from pg_database where datname = %s", [name]):
                _refuse_unless_empty(target)
                return target, False
            opened.rows(_create_statement(name, facts))
    except SourceError as error:
        if "locale" in error.why.lower():
            raise Inconclusive(
                f"the server cannot create a database with locale {facts['collate']}",
                why=error.why,
                safe="the backup is not marked bad",
                next="install the locale on this machine (Debian: locale-gen), then try again",
            ) from None
        raise
    return target, True


def recreate(server: Server, name: str, facts: Mapping[str, JsonValue]) -> Server:
    """Drop a database that we made, and make it anew; on a server of our own also an empty `postgres` in the way."""
    beside = server.at(dbname="template1")
    with session(beside, limit=_LIMIT, settings=False) as opened:
        opened.take_time()
        dropped = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        opened.rows(dropped.as_string(None))
    return create(beside, name, facts)[0]


def empty(target: Server, facts: Mapping[str, JsonValue]) -> None:
    """Make a database that we made anew, beside which we may stand anywhere. Raises SourceError."""
    with maintenance(target) as opened:
        opened.rows(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(target.database)).as_string(None)
        )
    create(target, target.database, facts)


def createdb_options(facts: Mapping[str, JsonValue]) -> list[str]:
    """The options with which `createdb` makes the same kind of database."""
    options = {"encoding": facts["encoding"], "lc-collate": facts["collate"], "lc-ctype": facts["ctype"]}
    if facts["locale_provider"] == "i":
        options |= {"locale-provider": "icu", "icu-locale": facts["locale"]}
    elif facts["locale_provider"] == "b":
        options |= {"locale-provider": "builtin", "builtin-locale": facts["locale"]}
    return [f"--{name}={value}" for name, value in options.items()]


def _create_statement(name: str, facts: Mapping[str, JsonValue]) -> str:
    options = [sql.SQL("encoding = {}").format(sql.Literal(facts["encoding"]))]
    provider = facts["locale_provider"]
    if provider == "i":
        options += [sql.SQL("locale_provider = icu icu_locale = {}").format(sql.Literal(facts["locale"]))]
    elif provider == "b":
        options += [sql.SQL("locale_provider = builtin builtin_locale = {}").format(sql.Literal(facts["locale"]))]
    options += [sql.SQL("lc_collate = {}").format(sql.Literal(facts["collate"]))]
    options += [sql.SQL("lc_ctype = {}").format(sql.Literal(facts["ctype"]))]
    statement = sql.SQL("create database {} template template0 {}").format(
        sql.Identifier(name), sql.SQL(" ").join(options)
    )
    return statement.as_string(None)


def _refuse_unless_empty(target: Server) -> None:
    with session(target, limit=_LIMIT) as opened:
        held = opened.value(
            "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and not exists (select from pg_depend e"
            " where e.objid = c.oid and e.classid = 'pg_class'::regclass and e.deptype = 'e')"
        )
    if held:
        raise SafetyRefusal(
            f"database {target} exists and holds {held} objects",
            safe="nothing was changed",
            next="name a new database, or drop that one first if you are sure",
        )
