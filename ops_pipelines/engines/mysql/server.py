"""Start private MariaDB and MySQL servers: the throwaway one of a verification, and any other of our own."""

import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from pydantic import JsonValue

from ops_pipelines import redact
from ops_pipelines.engines.mysql.clients import MARIADB, MYSQL, Program
from ops_pipelines.engines.mysql.connection import Server, identifier, session
from ops_pipelines.engines.short import short_path
from ops_pipelines.errors import Inconclusive, SourceError
from ops_pipelines.process import CommandFailed, Limits, Running, run, running

_START = Limits(stall=timedelta(minutes=2), total=timedelta(minutes=2))
# It may live as long as a whole verification, or a demo; its limit is its user's.
_LIFE = Limits(stall=timedelta(days=7), total=timedelta(days=7))
_READY_WITHIN = timedelta(seconds=60)
_SOCKET_PATH_MAX = 100  # sun_path holds 107 bytes

_DISPOSABLE: Mapping[str, str] = {
    # A crash costs nothing here, so nothing is made durable.
    "innodb_flush_log_at_trx_commit": "0", "innodb_doublewrite": "0", "sync_binlog": "0", "skip_log_bin": "1",
    "innodb_flush_method": "nosync", "innodb_stats_persistent": "0", "innodb_stats_auto_recalc": "0",
    "innodb_buffer_pool_dump_at_shutdown": "0", "innodb_buffer_pool_load_at_startup": "0",
    "innodb_buffer_pool_size": "256M", "innodb_max_dirty_pages_pct": "90", "innodb_autoinc_lock_mode": "2",
    # A MEMORY table, or an old row format, that the source could hold must not be refused here.
    "max_heap_table_size": "16G", "innodb_strict_mode": "0",
    "log_bin_trust_function_creators": "1", "performance_schema": "0",
}  # fmt: skip
_DISPOSABLE_OF: Mapping[str, Mapping[str, str]] = {
    MARIADB: {
        "innodb_log_file_size": "1G", "aria_checkpoint_interval": "0", "loose_innodb_read_only_compressed": "0",
    },
    # `loose`: a series that does not know the option passes over it.
    MYSQL: {
        "loose_innodb_redo_log_capacity": "1G", "loose_gtid_mode": "0", "loose_enforce_gtid_consistency": "0",
        "loose_restrict_fk_on_non_standard_key": "0", "loose_sql_require_primary_key": "0",
        "loose_sql_generate_invisible_primary_key": "0", "loose_mysql_native_password": "1",
        # Not even a statement could start it. MariaDB would not even list events then; there it is off.
        "event_scheduler": "DISABLED",
    },
}  # fmt: skip
_EVERYWHERE: Mapping[str, str] = {
    "event_scheduler": "0", "local_infile": "0", "max_allowed_packet": "1G", "skip_name_resolve": "1",
    # A container or a small machine often has no room for io_uring's locked memory.
    "innodb_use_native_aio": "0",
    # MySQL's second protocol would listen on the network and beside our socket.
    "loose_mysqlx": "0",
}  # fmt: skip
# What another product or an older series knew, and a newer MySQL refuses to start with.
_MODES_GONE = frozenset(
    [
        "NO_AUTO_CREATE_USER",
        "DB2",
        "MAXDB",
        "MSSQL",
        "MYSQL323",
        "MYSQL40",
        "ORACLE",
        "POSTGRESQL",
        "NO_FIELD_OPTIONS",
        "NO_KEY_OPTIONS",
        "NO_TABLE_OPTIONS",
    ]
)
_AS_THE_SOURCE = (
    "sql_mode", "character_set_server", "collation_server", "innodb_page_size", "innodb_default_row_format",
    "explicit_defaults_for_timestamp", "partial_revokes",
)  # fmt: skip


def initialise(program: Program, data: Path, settings: Mapping[str, str]) -> None:
    """Create the system tables in `data`.

    Args:
        settings: server settings that must be right from the first page on (`innodb_page_size`).
    Raises:
        CommandFailed: the installer refused.
    """
    # Not in the system's own: installers name their temporary tables by process, and may see each other there.
    temporary = data.parent / "tmp"
    temporary.mkdir(mode=0o700, exist_ok=True)
    options = [f"--tmpdir={temporary}", *(f"--{name}={value}" for name, value in settings.items())]
    if program.product == MARIADB:
        # Without names of hosts: a server that resolves none could not even drop such an account.
        login = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        argv: list[str | Path] = [_installer(program.path), "--no-defaults", *_as_root(), f"--datadir={data}", *login]
    else:
        argv = [program.path, "--no-defaults", *_as_root(), "--initialize-insecure", f"--datadir={data}"]
    run([*argv, *_messages(program), *options], limits=_START)


@contextmanager
def private_server(
    program: Program,
    directory: Path,
    *,
    user: str,
    password: str,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[Server]:
    """A server in `directory` for the length of the block, which only `user` may enter; its data stays.

    Args:
        directory: private to us; made ready at the first start, used again at the next.
        port: listen on loopback, too.
        settings: more server settings.
        stop: the signal that ends it.
    Returns:
        The server without a database, by its socket; by loopback when that path would be too long and it has a port.
    Raises:
        CommandFailed: it cannot be started.
    """
    given = dict(settings or {})
    data = directory / "data"
    if not (data / "mysql").is_dir():
        fixed = (
            "innodb_page_size",
            "lower_case_table_names",
            "skip_log_bin",
            "innodb_flush_method",
            "innodb_use_native_aio",
        )
        initialise(program, data, {name: value for name, value in {**_EVERYWHERE, **given}.items() if name in fixed})
    long = len(str(directory)) > _SOCKET_PATH_MAX
    network = ["--skip-networking"] if port is None else ["--bind-address=127.0.0.1", f"--port={port}"]
    script = directory / "login.sql"
    script.unlink(missing_ok=True)
    script.touch(mode=0o600)
    script.write_text(_login(program, user, password), encoding="utf-8")
    temporary = directory / "tmp"
    temporary.mkdir(mode=0o700, exist_ok=True)
    argv: list[str | Path] = [
        program.path, "--no-defaults", *_as_root(), *_messages(program), f"--datadir={data}",
        f"--socket={'sock' if long else directory / 'sock'}", *network,
        f"--pid-file={directory / 'pid'}", f"--init-file={script}", f"--tmpdir={temporary}",
        f"--secure-file-priv={temporary}", f"--log-error={directory / 'log.err'}",
        *(f"--{name}={value}" for name, value in {**_EVERYWHERE, **given}.items()),
    ]  # fmt: skip
    with ExitStack() as stack:
        stack.callback(script.unlink, missing_ok=True)
        # A relative name is one in the data's directory.
        where = stack.enter_context(short_path(data)) if long else str(directory)
        server = Server(
            user=user, password=password, host="127.0.0.1", port=port or 3306, database="", tls=None,
            socket="" if long and port is not None else f"{where}/sock", connect=timedelta(seconds=5),
        )  # fmt: skip
        with running(argv, limits=_LIFE, stdout=2, stop=stop) as process:
            _wait_ready(server, process, directory / "log.err")
            script.unlink()
            yield server


@contextmanager
def scratch_server(program: Program, directory: Path, facts: Mapping[str, JsonValue]) -> Iterator[Server]:
    """A disposable server in `directory` with the source's settings, reachable with a random password only.

    Raises:
        Inconclusive: it cannot be started; nothing is known about any backup.
    """
    recorded = facts.get("settings")
    theirs = recorded if isinstance(recorded, dict) else {}
    settings = {name: str(theirs[name]) for name in _AS_THE_SOURCE if name in theirs}
    # 2 is a file system's doing that Linux does not have.
    if program.product == MYSQL and "sql_mode" in settings:
        modes = settings["sql_mode"].split(",")
        settings["sql_mode"] = ",".join(mode for mode in modes if mode not in _MODES_GONE)
    settings["lower_case_table_names"] = "1" if str(theirs.get("lower_case_table_names", "0")) != "0" else "0"
    password = redact.register(secrets.token_urlsafe(24))
    user = f"ops_scratch_{secrets.token_hex(3)}"
    wanted = {**_DISPOSABLE, **_DISPOSABLE_OF[program.product], **settings}
    # Nobody needs its pages any more when it ends.
    server = private_server(program, directory, user=user, password=password, settings=wanted, stop=signal.SIGKILL)
    with ExitStack() as started:
        try:
            opened = started.enter_context(server)
        except (CommandFailed, SourceError) as error:
            raise Inconclusive(
                "the scratch server could not be started",
                why=f"{error.what}: {error.why}",
                safe="the backup was not touched and is not marked bad",
                next="read the cause above; then: ops verify",
            ) from None
        yield opened


def _installer(server: Path) -> Path:
    """The script that belongs to this server."""
    home = server.parent.parent
    places = [server.parent, home / "bin", home / "scripts"]
    found = [place / name for place in places for name in ("mariadb-install-db", "mysql_install_db")]
    return next((path for path in found if path.exists()), Path("mariadb-install-db"))


def _as_root() -> list[str]:
    """What makes a server run although we are root."""
    return ["--user=root"] if os.geteuid() == 0 else []


def _messages(program: Program) -> list[str]:
    """Where a MySQL server that was not installed in its usual place finds its error messages."""
    home = program.path.parent.parent / "share" / "mysql"
    elsewhere = program.product == MYSQL and (home / "english").is_dir()
    return [f"--lc-messages-dir={home}"] if elsewhere else []


def _login(program: Program, user: str, password: str) -> str:
    """Statements, each on its line, that leave one account which can log in."""
    quoted = "'" + password.replace("\\", "\\\\").replace("'", "''") + "'"
    accounts = [f"{identifier(user)}@{identifier(host)}" for host in ("localhost", "127.0.0.1")]
    lines = []
    for account in accounts:
        lines += [f"create user if not exists {account} identified by {quoted};"]
        lines += [f"alter user {account} identified by {quoted};"]
        lines += [f"grant all privileges on *.* to {account} with grant option;"]
        lines += _granting_proxies(program, account)
    if user != "root":
        # The installer leaves these without a password.
        lines += _dropping_the_installers(program)
    return "\n".join(["set sql_mode = '';", *lines]) + "\n"


def _granting_proxies(program: Program, account: str) -> list[str]:
    """Who may grant PROXY is no part of all privileges; the accounts of a source may have it."""
    if program.product == MYSQL:
        return [f"grant proxy on ''@'' to {account} with grant option;"]
    # Nobody at all is logged in here, and MariaDB lets only somebody grant it.
    user, host = (f"'{part}'" for part in account.replace("`", "").split("@"))
    return [
        "replace into mysql.proxies_priv (host, user, proxied_host, proxied_user, with_grant, grantor)"
        f" values ({host}, {user}, '%', '', 1, '');",
        "flush privileges;",
    ]


def _dropping_the_installers(program: Program) -> list[str]:
    if program.product == MYSQL:
        return ["drop user if exists root@localhost;"]
    found = "select group_concat(quote(user), '@', quote(host)) from mysql.user where user in ('root', '')"
    return [f"set @drop = ifnull(concat('drop user ', ({found})), 'do 0');", "execute immediate @drop;"]


def _wait_ready(server: Server, process: Running, log: Path) -> None:
    """Until it answers. Its own exit, or a minute, ends the wait."""
    deadline = time.monotonic() + _READY_WITHIN.total_seconds()
    while True:
        try:
            with session(server, limit=timedelta(seconds=5), settings=False) as opened:
                opened.rows("select 1")
                return
        except SourceError as error:
            if process.exited() or time.monotonic() > deadline:
                said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else process.stderr_tail()
                errors = [line for line in said.splitlines() if "[ERROR]" in line]
                why = "\n".join(errors[-5:]) or error.why
                raise CommandFailed("the database server did not come up", why=why) from None
            time.sleep(0.02)
