"""Extensions: which a database has, what they need of a server, and which Debian package has one."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import JsonValue

from ops_pipelines.engines.postgres.clients import Programs
from ops_pipelines.engines.postgres.connection import Server, Session
from ops_pipelines.errors import OpsError, SourceError

# Where the package is not called after the extension.
_PACKAGES = {
    "pg_cron": "cron", "vector": "pgvector", "pgq": "pgq3", "postgis": "postgis-3", "postgis_raster": "postgis-3",
    "postgis_topology": "postgis-3", "postgis_tiger_geocoder": "postgis-3", "postgis_sfcgal": "postgis-3",
    "address_standardizer": "postgis-3", "h3_postgis": "h3", "pg_partman": "partman", "pg_repack": "repack",
    "pgtap": "pgtap", "hll": "hll", "pg_stat_kcache": "pg-stat-kcache", "pg_qualstats": "pg-qualstats",
    "timescaledb": "timescaledb", "orafce": "orafce", "ip4r": "ip4r", "rum": "rum", "age": "age",
}  # fmt: skip
_CONTRIB = (
    "amcheck", "bloom", "btree_gin", "btree_gist", "citext", "cube", "dblink", "dict_int", "earthdistance", "file_fdw",
    "fuzzystrmatch", "hstore", "intarray", "isn", "lo", "ltree", "pg_buffercache", "pg_stat_statements", "pg_trgm",
    "pgcrypto", "pgrowlocks", "pgstattuple", "postgres_fdw", "seg", "sslinfo", "tablefunc", "unaccent", "uuid-ossp",
    "xml2",
)  # fmt: skip


def package_of(extension: str, major: int) -> str:
    """The Debian package that most probably has an extension, or a library of that name."""
    if extension in _CONTRIB:
        return f"postgresql-{major}"
    return f"postgresql-{major}-{_PACKAGES.get(extension, extension.replace('_', '-').lower())}"


# These refuse to be created on a server that has not loaded their library when it started.
_LIBRARY = re.compile(r"\w[\w$-]*")
_PRELOADED = (
    "pg_cron",
    "pglogical",
    "pgaudit",
    "timescaledb",
    "citus",
    "pg_squeeze",
    "pg_wait_sampling",
    "pg_stat_kcache",
)
_READABLE = "select setting from pg_settings where name = 'shared_preload_libraries'"
# Roles of managed services that may create what only a superuser may elsewhere.
_POWERFUL = "('rds_superuser', 'cloudsqlsuperuser', 'alloydbsuperuser', 'azure_pg_admin', 'neon_superuser', 'doadmin')"
_REFUSED = f"""
select w.name, a.name is not null,
       coalesce(v.superuser and not v.trusted, false)
       and not (select rolsuper from pg_roles where rolname = current_user)
       and not exists (select from pg_roles r where r.rolname in {_POWERFUL} and pg_has_role(r.oid, 'member'))
  from unnest(%s::text[]) as w(name) left join pg_available_extensions a on a.name = w.name
  left join pg_available_extension_versions v on v.name = a.name and v.version = a.default_version
"""


def describe(opened: Session) -> dict[str, JsonValue]:
    """The database's extensions, and which of them have a library that the server loads when it starts."""
    present = [
        str(name) for (name,) in opened.rows("select extname from pg_extension where extname <> 'plpgsql' order by 1")
    ]
    seen = opened.rows(_READABLE)  # not every role may see it
    loaded = [each.strip().strip('"').rsplit("/", 1)[-1] for each in str(seen[0][0]).split(",")] if seen else _PRELOADED
    return {"extensions": list(present), "preload": [name for name in present if name in loaded]}


def preloading(programs: Programs, wanted: JsonValue, database: str) -> dict[str, str]:
    """The settings of a scratch server that loads what this machine has of the libraries wanted.

    No worker of theirs runs there: no job, no replication.
    """
    names = [str(name) for name in wanted] if isinstance(wanted, list) else []
    found = [name for name in names if _LIBRARY.fullmatch(name) and _has_library(programs, name)]
    if not found:
        return {}
    settings = {"shared_preload_libraries": ",".join(found), "max_worker_processes": "0"}
    return settings | ({"cron.database_name": database} if "pg_cron" in found else {})


def _has_library(programs: Programs, name: str) -> bool:
    top: Path = programs.directory.parent
    return any(any(top.glob(f"{place}/{name}.so")) for place in ("lib*", "lib*/postgresql*", "lib*/pgsql*"))


def refused(opened: Session, target: Server, names: JsonValue, major: int) -> Iterator[OpsError]:
    """What a target's server would not create, with the cure; `opened` is any session on that server."""
    wanted: Sequence[str] = [str(name) for name in names] if isinstance(names, list) else []
    leave_out = "or restore without it: --only 'SCHEMA.*'"
    for name, available, forbidden in opened.rows(_REFUSED, [list(wanted)]) if wanted else ():
        if not available:
            yield SourceError(
                f"the target's server has no extension {name}",
                why="the database uses it",
                next=f"install it there (Debian: apt-get install {package_of(name, major)}), {leave_out}",
            )
        elif forbidden:
            yield SourceError(
                f"the extension {name} may be created by a superuser only",
                why="the database uses it, and the role that restores is no superuser",
                next=f"as a superuser: CREATE DATABASE {_identifier(target.database)} TEMPLATE template0 OWNER …; "
                f"and in it: CREATE EXTENSION {_identifier(name)}; then try again, {leave_out}",
            )


def _identifier(name: str) -> str:
    """A name as SQL that somebody will paste."""
    return '"' + name.replace('"', '""') + '"'
