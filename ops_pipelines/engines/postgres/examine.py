"""What PostgreSQL lets the source's role do, and with which programs it is dumped and proved."""

import re
from collections.abc import Sequence
from datetime import datetime

from ops_pipelines.engines.examiner import Lack
from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.connection import Server, Session, session
from ops_pipelines.engines.postgres.settings import PostgresSource

_NAMED = 3
_READS_ALL = 140000
# What pg_dump locks and copies; partitioned tables and views are locked, too. Members of extensions are not dumped.
_UNREADABLE = """
select c.oid::regclass::text, n.nspname, c.relkind
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
   and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                      and d.deptype = 'e')
   and not (has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'))
 order by 1
"""
_CLOSED = """
select quote_ident(nspname) from pg_namespace
 where nspname !~ '^pg_' and nspname <> 'information_schema' and not has_schema_privilege(oid, 'usage') order by 1
"""
_FILTERED = (
    "select oid::regclass::text from pg_class where relkind in ('r', 'p') and row_security_active(oid) order by 1"
)
_LARGE = """
select oid from pg_largeobject_metadata
 where not (pg_has_role(lomowner, 'usage')
            or exists (select from aclexplode(lomacl) a
                        where a.privilege_type = 'SELECT' and (a.grantee = 0 or pg_has_role(a.grantee, 'usage'))))
   and not (select rolsuper from pg_roles where rolname = current_user) order by 1
"""


class PostgresExaminer:
    """Questions about one PostgreSQL database; see `Examiner`."""

    def __init__(self, name: str, source: PostgresSource) -> None:
        self._name, self._source = name, source

    def programs(self) -> str:
        """pg_dump, pg_restore, and a scratch server unless one is lent to us."""
        with session(self._server(), limit=self._source.limits.connect) as opened:
            version = int(opened.value("show server_version_num"))
        dump = clients.for_dump(version // 10000, self._source.bin_dirs)
        if self._source.verify.server is not None:
            lent = Server(
                self._source.verify.server.url.reveal(purpose=f"source {self._name}, verify.server.url"),
                connect=self._source.limits.connect,
            )
            with session(lent.at(dbname="postgres"), limit=self._source.limits.connect) as opened:
                proved = f"verify.server {_short(str(opened.value('show server_version')))}"
        else:
            proved = f"scratch server {clients.for_server(version // 10000, self._source.bin_dirs).version}"
        return f"pg_dump {dump.version}, {proved}"

    def lacks(self) -> Sequence[Lack]:
        """Tables, sequences and large objects the role cannot read, rows it would not see, passwords it cannot have.

        A superuser lacks nothing, and that is the trouble; see `_all_powerful`.
        """
        with session(self._server(), limit=self._source.limits.connect) as opened:
            role = str(opened.value("select quote_ident(current_user)"))
            found = [*_unreadable(opened, role), *_filtered(opened, role), *_large_objects(opened, role)]
            superuser = bool(opened.value("select rolsuper from pg_roles where rolname = current_user"))
            if self._source.role_passwords and not superuser:
                found.append(Lack("role_passwords needs a superuser", f"ALTER ROLE {role} SUPERUSER;"))
            if superuser:
                found.append(_all_powerful(opened, role))
        return found

    def clock(self) -> datetime | None:
        """The server's."""
        with session(self._server(), limit=self._source.limits.connect) as opened:
            now: datetime = opened.value("select clock_timestamp()")
        return now

    def _server(self) -> Server:
        url = self._source.url.reveal(purpose=f"source {self._name}, url")
        return Server(url, connect=self._source.limits.connect)


def _all_powerful(opened: Session, role: str) -> Lack:
    """To plan a query on a table, the server runs functions of its indexes' expressions with the rights of who asks."""
    database = opened.value("select quote_ident(current_database())")
    reads_all = int(opened.value("show server_version_num")) >= _READS_ALL
    grants = [
        "CREATE ROLE ops_backup LOGIN PASSWORD '…' BYPASSRLS;",
        f"GRANT CONNECT ON DATABASE {database} TO ops_backup;",
        *(["GRANT pg_read_all_data TO ops_backup;"] if reads_all else []),
        "GRANT pg_monitor TO ops_backup;",
    ]
    what = f"{role} is a superuser: whoever may make an index there can act as one while we read"
    return Lack(f"{what}; use an account that only reads", "\n".join(grants), needed=False)


def _unreadable(opened: Session, role: str) -> list[Lack]:
    closed = [row[0] for row in opened.rows(_CLOSED)]
    found = opened.rows(_UNREADABLE)
    if not found and not closed:
        return []
    tables = [str(name) for name, _, _ in found]
    what = [*(f"schema {each}" for each in closed), *tables]
    if len(what) > _NAMED and int(opened.value("show server_version_num")) >= _READS_ALL:
        return [Lack(f"cannot read {_some(what)}", f"GRANT pg_read_all_data TO {role};")]
    grants = [f"GRANT USAGE ON SCHEMA {each} TO {role};" for each in closed]
    for name, _, kind in found:
        grants.append(f"GRANT SELECT ON {'SEQUENCE ' if kind == 'S' else ''}{name} TO {role};")
    return [Lack(f"cannot read {_some(what)}", "\n".join(grants))]


def _filtered(opened: Session, role: str) -> list[Lack]:
    tables = [str(row[0]) for row in opened.rows(_FILTERED)]
    if not tables:
        return []
    return [Lack(f"row-level security hides rows of {_some(tables)}", f"ALTER ROLE {role} BYPASSRLS;")]


def _large_objects(opened: Session, role: str) -> list[Lack]:
    found = [str(row[0]) for row in opened.rows(_LARGE)]
    if not found:
        return []
    some = ", ".join(found[:_NAMED])
    grants = [f"GRANT SELECT ON LARGE OBJECT {some} TO {role};"]
    if len(found) > _NAMED:
        grants = [
            "DO $$ DECLARE o oid; BEGIN FOR o IN SELECT oid FROM pg_largeobject_metadata LOOP "
            f"EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO {role}', o); END LOOP; END $$;"
        ]
    return [Lack(f"cannot read {len(found)} large objects", grants[0])]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _short(version: str) -> str:
    found = re.match(r"[\d.]+", version)
    return found[0] if found else version
