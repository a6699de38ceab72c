"""The kind `postgres`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

from pydantic import JsonValue

from ops_pipelines.engines.kind import Kind, Measure, ScriptLogin
from ops_pipelines.engines.postgres.clues import CLUES
from ops_pipelines.engines.postgres.settings import PostgresSource
from ops_pipelines.errors import OpsError
from ops_pipelines.extras import needed
from ops_pipelines.text import shell

_VARIABLES = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password"}


class PostgresKind(Kind):
    """PostgreSQL."""

    name = "postgres"
    settings = PostgresSource
    clues = CLUES
    words = ("postg", "pgsql")
    programs = ("postgres",)
    clients = ("psql", "pg_restore", "createdb")
    to_install = "PostgreSQL's client (Debian: `apt-get install postgresql-client`)"
    kit_options = ("-i opened/keys", "--with-roles")
    log_hint = "systemctl status 'postgresql*'; journalctl -n 50 -u 'postgresql*'"
    dump_heads = (b"PGDMP", b"--\n-- PostgreSQL database", b"-- PostgreSQL database")
    json_list = "json_agg"

    def by_hand(self, facts: Mapping[str, JsonValue], roles: Collection[str]) -> Sequence[str]:
        """See `Kind.by_hand`."""
        with needed("postgres"):
            from psycopg.conninfo import make_conninfo  # noqa: PLC0415

            from ops_pipelines.engines.postgres.database import createdb_options  # noqa: PLC0415

        name = str(facts["database"])
        # A connection string, because a bare name with a "=" in it would be taken for one.
        at, quoted = shell(make_conninfo("", dbname=name)), shell(name)
        options = " ".join(shell(option) for option in createdb_options(facts))
        settings = f"psql -X -v db={quoted} -d {at} -f database.sql"
        first = ["psql -X -d postgres -f globals.sql", f"createdb -T template0 {options} -- {quoted}"]
        load_commands = {
            # One session: several are quicker, and not every database can be loaded by them.
            "custom": [f"pg_restore -d {at} dump.pgc"],
            "directory": ["tar -xf dump.tar", f"pg_restore -d {at} dump"],
            "sql": [f"psql -X -d {at} -f dump.sql"],
        }
        first += ["export PGOPTIONS='-c lc_monetary=C'"] if "lc_monetary" in facts else []
        return [*first, *load_commands[str(facts["format"])], settings]

    def load(self) -> None:
        """See `Kind.load`."""
        with needed("postgres"):
            from ops_pipelines.engines.postgres import engine, examine, measure  # noqa: F401, PLC0415

    def reap(self, directory: Path) -> None:
        """See `Kind.reap`."""
        with needed("postgres"):
            from ops_pipelines.engines.postgres.server import forget_shared_memory  # noqa: PLC0415

        forget_shared_memory(directory / "data")

    def program(self, wanted: str) -> Path | None:
        """The newest of the clients that Debian installs beside each other."""
        with needed("postgres"):
            from ops_pipelines.engines.postgres import clients  # noqa: PLC0415

        for major in (*range(20, 12, -1),) if wanted in self.clients else ():
            try:
                return clients.for_server(major).path(wanted)
            except OpsError:
                continue
        return None

    def kit_target(self, password_variable: str) -> Iterator[str]:
        """See `Kind.kit_target`."""
        yield "export PGHOST=NEW_SERVER PGPORT=5432 PGUSER=postgres  # and PGPASSWORD; a new server"

    def script_login(self, target: str, home: Path) -> ScriptLogin:
        """See `Kind.script_login`."""
        known = _known(target)
        environment = {name: known[key] for name, key in _VARIABLES.items() if key in known}
        return ScriptLogin(("--with-roles",), environment, local="/" in known.get("host", ""))

    def at(self, target: str, database: str) -> str:
        """See `Kind.at`."""
        return " ".join([*(part for part in target.split(" ") if not part.startswith("dbname=")), f"dbname={database}"])

    def for_applications(self, target: str) -> str:
        """A URL; libpq's own form is `key=value`."""
        known = _known(target)
        login = quote(known.get("user", ""), safe="")
        password = f":{quote(known['password'], safe='')}" if "password" in known else ""
        where = urlencode([(key, known[key]) for key in ("host", "port") if key in known])
        return f"postgresql://{login}{password}@/{quote(known.get('dbname', ''), safe='')}?{where}"

    def measure(self) -> Measure:
        """See `Kind.measure`."""
        with needed("postgres"):
            from ops_pipelines.engines.postgres.measure import measure  # noqa: PLC0415

        return measure


def _known(target: str) -> dict[str, str]:
    with needed("postgres"):
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    return {key: str(value) for key, value in conninfo_to_dict(target).items() if value}
