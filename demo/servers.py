"""The demo's world: a PostgreSQL server that outlives this command, a sample CRM in it, and an ops.yaml.

    python -m demo.servers start|stop|status

Everything is below `var/demo` and made once: a second start only starts what is not running, also
after a reboot. The server listens on loopback, on a port that was free when it was chosen, and lets
in nobody without the password in `crm.url`. Backups are not made here; that is what `ops` is for.
"""

import argparse
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyrage

from ops_pipelines import lease, process
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.engines.postgres.server import initialise, unprivileged
from ops_pipelines.errors import OpsError
from ops_pipelines.process import CommandFailed, Limits

HERE = Path(__file__).resolve().parent
DEFAULT_DIRECTORY = HERE.parent / "var" / "demo"
USER, DATABASE, MAJOR = "demo", "crm", 18
_MINUTES = Limits(stall=timedelta(minutes=5), total=timedelta(minutes=5))
_SOCKET_PATH_MAX = 90
_STOPPED = 3  # exit status of `pg_ctl status`


@dataclass(frozen=True)
class Demo:
    """Where the demo's things are."""

    directory: Path

    @property
    def data(self) -> Path:
        """The cluster."""
        return self.directory / "postgres"

    @property
    def url(self) -> Path:
        """The file with the CRM's whole URL, password included."""
        return self.directory / "crm.url"

    def server(self) -> Server:
        """The server as the URL names it. Raises OpsError when there is no URL yet."""
        return Server(self.url.read_text(encoding="utf-8").strip(), connect=timedelta(seconds=5))


def start(demo: Demo) -> None:
    """Make whatever is missing and start whatever is not running."""
    with _step("age key"):
        recipient = _age_key(demo)
    with _step("ops.yaml"):
        _ops_yaml(demo, recipient)
    programs = clients.for_server(MAJOR)
    if not demo.data.is_dir():
        with _step(f"PostgreSQL {programs.version}: new cluster"):
            _new_cluster(demo, programs)
    elif not demo.url.exists():
        raise OpsError(
            f"{demo.url} is gone, and the server's password with it",
            next=f"python -m demo.servers stop; rm -r {demo.directory}; then start again",
        )
    if not _running(demo):
        with _step(f"PostgreSQL {programs.version}: start"):
            _start_server(demo, programs)
    with session(demo.server().at(dbname="postgres"), limit=timedelta(minutes=1), settings=False) as opened:
        known = opened.rows("select 1 from pg_database where datname = %s", [DATABASE])
    if not known:
        with _step("sample CRM"):
            _load_crm(demo, programs)
    with session(demo.server(), limit=timedelta(minutes=1), settings=False) as opened, _step("new contacts"):
        opened.rows("call catch_up()")


def stop(demo: Demo) -> None:
    """Stop the server; its data stays."""
    if not demo.data.is_dir():
        _say("PostgreSQL was never started")
        return
    programs = clients.for_server(MAJOR)
    _forget_dead_server(demo)
    if _pg_ctl(demo, programs, "status", accept=(0, _STOPPED)).status == _STOPPED:
        _say("PostgreSQL is not running")
        return
    with _step("PostgreSQL: stop"):
        _pg_ctl(demo, programs, "-w", "-m", "fast", "stop")


def status(demo: Demo) -> bool:
    """Say whether the server answers, and where."""
    running = _running(demo)
    _say(f"PostgreSQL {'answers: ' + str(demo.server()) if running else 'is not running'}")
    return running


def _age_key(demo: Demo) -> str:
    """The demo's age identity, made once; returns its recipient."""
    path = demo.directory / "age.key"
    if not path.exists():
        identity = pyrage.x25519.Identity.generate()
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        _write_private(path, f"# created: {now}\n# public key: {identity.to_public()}\n{identity}\n")
    secret = path.read_text(encoding="utf-8").splitlines()[-1]
    return str(pyrage.x25519.Identity.from_str(secret).to_public())


def _ops_yaml(demo: Demo, recipient: str) -> None:
    """The template with the recipient filled in; one that somebody has edited stays as it is."""
    path = demo.directory / "ops.yaml"
    if not path.exists():
        template = (HERE / "ops.yaml").read_text(encoding="utf-8")
        _write_private(path, template.replace("{recipient}", recipient))
    load_config(path)


def _new_cluster(demo: Demo, programs: clients.Programs) -> None:
    """A cluster under its final name is a whole one: it is made beside it and renamed."""
    password = secrets.token_urlsafe(24)
    _write_url(demo, password, _free_port())
    making = demo.directory / "postgres.new"
    shutil.rmtree(making, ignore_errors=True)
    initialise(programs, making, superuser=USER, password=password)
    with (making / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("\ninclude_if_exists '../postgres.conf'\n")
    making.rename(demo.data)


def _start_server(demo: Demo, programs: clients.Programs) -> None:
    """Start on the remembered port, or on another when somebody has taken it meanwhile."""
    parameters = demo.server().parameters
    port = int(parameters["port"])
    if not _is_free(port):
        port = _free_port()
        _write_url(demo, parameters["password"], port)
    sockets = demo.directory if len(str(demo.directory)) <= _SOCKET_PATH_MAX else ""
    quoted = str(sockets).replace("'", "''")
    settings = (
        f"listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{quoted}'\n"
        "unix_socket_permissions = 0700\npassword_encryption = 'scram-sha-256'\nmax_wal_size = 2GB\n"
    )
    _write_private(demo.directory / "postgres.conf", settings)
    _forget_dead_server(demo)
    log = demo.directory / "postgres.log"
    try:
        _pg_ctl(demo, programs, "-w", "-t", "60", "-l", str(log), "start")
    except CommandFailed as error:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]) if log.exists() else ""
        raise OpsError("the demo's PostgreSQL does not start", why=tail or error.why, next=f"read {log}") from None


def _forget_dead_server(demo: Demo) -> None:
    """After a kill or a reboot, the process that the lock files name is a zombie, or anybody."""
    pid_file = demo.data / "postmaster.pid"
    try:
        pid = pid_file.read_text(encoding="utf-8").split()[0]
        if Path(f"/proc/{pid}/cwd").readlink() == demo.data:
            return
    except (OSError, IndexError):
        pass  # nobody works there any more
    for left in (pid_file, *demo.directory.glob(".s.PGSQL.*")):
        left.unlink(missing_ok=True)


def _load_crm(demo: Demo, programs: clients.Programs) -> None:
    """Fill a database under another name and rename it: `crm` is there whole or not at all."""
    admin = demo.server().at(dbname="postgres")
    making = admin.at(dbname=f"{DATABASE}_new")
    with session(admin, limit=timedelta(minutes=1), settings=False) as opened:
        opened.rows(f"drop database if exists {making.database} with (force)")
        opened.rows(f"create database {making.database} template template0")
    process.run(
        [programs.path("psql"), "--no-psqlrc", "--quiet", "--no-password", f"--dbname={making.argument()}",
         "--output=/dev/null", f"--file={HERE / 'crm.sql'}"],
        env=making.environment(),
        limits=_MINUTES,
    )  # fmt: skip
    with session(admin, limit=timedelta(minutes=1), settings=False) as opened:
        opened.rows(f"alter database {making.database} rename to {DATABASE}")


def _running(demo: Demo) -> bool:
    if not demo.url.exists() or not demo.data.is_dir():
        return False
    try:
        with session(demo.server().at(dbname="postgres"), limit=timedelta(seconds=5), settings=False) as opened:
            return Path(str(opened.value("show data_directory"))) == demo.data
    except OpsError:
        return False


def _pg_ctl(demo: Demo, programs: clients.Programs, *words: str, accept: tuple[int, ...] = (0,)) -> process.Completed:
    argv: list[str | Path] = [*unprivileged(), programs.path("pg_ctl"), "-D", demo.data, *words]
    return process.run(argv, limits=_MINUTES, accept=accept)


def _write_url(demo: Demo, password: str, port: int) -> None:
    _write_private(demo.url, f"postgresql://{USER}:{password}@127.0.0.1:{port}/{DATABASE}\n")


def _write_private(path: Path, text: str) -> None:
    """Replace a file that only we may read, in one step."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    beside.touch(mode=0o600)
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _step(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    _say(f"{what:<36} {time.monotonic() - started:6.2f} s")


def _say(line: str) -> None:
    print(f"demo: {line}", flush=True)


def main() -> int:
    """Run one of the three verbs; returns the exit status."""
    parser = argparse.ArgumentParser(description="The demo's servers.", epilog="example: python -m demo.servers start")
    parser.add_argument("verb", choices=["start", "stop", "status"])
    parser.add_argument("--directory", type=Path, default=DEFAULT_DIRECTORY, help="where it lives (var/demo)")
    arguments = parser.parse_args()
    os.umask(0o077)
    demo = Demo(arguments.directory.resolve())
    try:
        if arguments.verb == "status":
            return 0 if status(demo) else 1
        demo.directory.mkdir(parents=True, exist_ok=True)
        lock = demo.directory / ".lock"
        with lease.exclusive(lock, holder=arguments.verb, wait=timedelta(minutes=5), what="the demo"):
            (start if arguments.verb == "start" else stop)(demo)
    except OpsError as error:
        print(f"demo: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
