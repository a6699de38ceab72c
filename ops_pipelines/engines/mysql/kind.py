"""The kind `mysql`: MySQL and MariaDB."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from pydantic import JsonValue

from ops_pipelines.engines.kind import Kind, Measure, ScriptLogin
from ops_pipelines.engines.mysql.clues import CLUES
from ops_pipelines.engines.mysql.settings import MySQLSource
from ops_pipelines.extras import needed
from ops_pipelines.text import shell

# MySQL's own dumps set what belongs to replication, which a restore beside the source must not.
_WITHOUT_GTIDS = (
    r"sed -E -e '/^SET @@GLOBAL\.GTID_PURGED.*;$/d' -e '/^SET @@GLOBAL\.GTID_PURGED/,/;$/d'"
    r" -e '/^SET (@MYSQLDUMP_TEMP_LOG_BIN|@@SESSION\.SQL_LOG_BIN *=)/d'"
)
_CONNECT = timedelta(seconds=10)


class MySQLKind(Kind):
    """MySQL and MariaDB."""

    name = "mysql"
    settings = MySQLSource
    clues = CLUES
    words = ("mysql", "maria", "trilogy")
    programs = ("mariadbd", "mysqld")
    clients = ("mariadb|mysql",)
    to_install = "MariaDB's or MySQL's client (Debian: `apt-get install mariadb-client`)"
    kit_options = ("-i opened/keys", "--login login.cnf")
    log_hint = "systemctl status 'mariadb*' 'mysql*'; journalctl -n 50 -u 'mariadb*' -u 'mysql*'"
    dump_heads = (b"-- MariaDB dump", b"-- MySQL dump", b"/*M!999999", b"/*!999999")
    json_list = "json_arrayagg"

    def by_hand(self, facts: Mapping[str, JsonValue], roles: Collection[str]) -> Sequence[str]:
        """See `Kind.by_hand`."""
        with needed("mysql"):
            from ops_pipelines.engines.mysql.database import statement  # noqa: PLC0415

        client = client_name(facts)
        commands = [f"{client} -e {shell(statement(facts))}"]
        load_data = f"{client} --default-character-set=utf8mb4 --max-allowed-packet=1G --binary-mode"
        load_data += f" --database={shell(str(facts['database']))}"
        without_gtids = facts.get("sets_gtids") is True
        commands.append(f"{_WITHOUT_GTIDS} dump.sql | {load_data}" if without_gtids else f"{load_data} < dump.sql")
        if "globals" in roles:
            load = f"{client} --binary-mode --force < accounts.sql"
            commands.append(f"{load}  # accounts that are there already stay as they are")
        return commands

    def load(self) -> None:
        """See `Kind.load`."""
        with needed("mysql"):
            from ops_pipelines.engines.mysql import engine, examine, measure  # noqa: F401, PLC0415

    def tools(self, facts: Mapping[str, JsonValue]) -> Sequence[str]:
        """See `Kind.tools`."""
        return ("mysql|mariadb",) if client_name(facts) == "mysql" else self.clients

    def kit_target(self, password_variable: str) -> Iterator[str]:
        """See `Kind.kit_target`."""
        yield "(umask 077; printf '[client]\\nhost=NEW_SERVER\\nuser=root\\npassword=...\\n' > login.cnf)"

    def script_login(self, target: str, home: Path) -> ScriptLogin:
        """See `Kind.script_login`."""
        with needed("mysql"):
            from ops_pipelines.engines.mysql.connection import parse  # noqa: PLC0415

        login, server = home / "login.cnf", parse(target, connect=_CONNECT)
        login.touch(mode=0o600)
        login.write_text(server.option_file(), encoding="utf-8")
        return ScriptLogin(("--login", str(login), "--with-roles"), local=bool(server.socket))

    def at(self, target: str, database: str) -> str:
        """See `Kind.at`."""
        with needed("mysql"):
            from ops_pipelines.engines.mysql.connection import parse  # noqa: PLC0415

        return parse(target, connect=_CONNECT).at(database).url()

    def measure(self) -> Measure:
        """See `Kind.measure`."""
        with needed("mysql"):
            from ops_pipelines.engines.mysql.measure import measure  # noqa: PLC0415

        return measure


def client_name(facts: Mapping[str, JsonValue]) -> str:
    """The client program that fits the dump."""
    return "mysql" if facts.get("client_product") == "MySQL" else "mariadb"
