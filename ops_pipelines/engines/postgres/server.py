"""Start private PostgreSQL servers: the throwaway one of a verification, and any other of our own.

PostgreSQL refuses to run as root. As root we run it in a user namespace where we have another name
(`unshare --user`): no account is created, no file changes its owner.
"""

import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path

from ops_pipelines import redact
from ops_pipelines.engines.postgres.clients import Programs
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.engines.short import short_path
from ops_pipelines.errors import Inconclusive, SourceError
from ops_pipelines.process import CommandFailed, Limits, Running, run, running

SUPERUSER = "ops_scratch"
CLUSTER_NAME = "ops_pipelines scratch server"
"""By which a server is known to be disposable, whoever asks it."""
_START = Limits(stall=timedelta(minutes=2), total=timedelta(minutes=2))
_READY_WITHIN = timedelta(seconds=60)
_PORT = 5432  # of the socket's name only: there is no other server in the directory

_DISPOSABLE: Mapping[str, str] = {
    # A crash costs nothing here, so nothing is made durable.
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "wal_level": "minimal",
    "max_wal_senders": "0", "archive_mode": "off", "max_wal_size": "16GB", "checkpoint_timeout": "1d",
    "autovacuum": "off", "bgwriter_lru_maxpages": "0", "track_activities": "off", "jit": "off",
    "max_locks_per_transaction": "1024", "password_encryption": "scram-sha-256",
    # Shared memory inside the data directory leaves with it, even after kill -9.
    "dynamic_shared_memory_type": "mmap", "cluster_name": CLUSTER_NAME,
    # The server works in its data directory: a path relative to that is never too long for a socket.
    "listen_addresses": "", "port": str(_PORT), "unix_socket_directories": "..",
}  # fmt: skip


def unprivileged() -> list[str]:
    """The prefix that lets a server run although we are root; empty when we are not."""
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534"] if os.geteuid() == 0 else []


def _alone() -> list[str]:
    """The prefix with which a server cannot dial out, as a foreign server of the source or a job would have it do.

    Its socket is reached from outside of its network. A machine without network namespaces goes without.
    """
    alone = [*(unprivileged() or ["unshare", "--user", "--map-current-user"]), "--net"]
    return alone if _works(tuple(alone)) else unprivileged()


@cache
def _works(prefix: Sequence[str]) -> bool:
    try:
        run([*prefix, "true"], limits=_START)
    except CommandFailed:
        return False
    return True


def initialise(programs: Programs, data: Path, *, superuser: str, password: str) -> None:
    """Create a cluster in `data` that only `superuser` with `password` may enter.

    Raises:
        CommandFailed: initdb refused.
    """
    password_file = data.with_name(data.name + ".pw")
    password_file.touch(mode=0o600)
    password_file.write_text(password, encoding="utf-8")
    checksums = ["--no-data-checksums"] if programs.major >= 18 else []
    try:
        run(
            [*unprivileged(), programs.path("initdb"), "--pgdata", data, f"--username={superuser}", "--no-sync",
             "--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C", *checksums],
            limits=_START,
        )  # fmt: skip
    finally:
        password_file.unlink()


@contextmanager
def scratch_server(
    programs: Programs, directory: Path, *, superuser: str = SUPERUSER, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A disposable server in `directory`, reachable by its socket and a random password only.

    Args:
        superuser: the role that initdb makes; grants made by it in the source can be made by nobody else.
        settings: what the source's extensions need.
    Raises:
        Inconclusive: it cannot be started; nothing is known about any backup.
    """
    password = redact.register(secrets.token_urlsafe(24))
    data = directory / "data"
    with _starting():
        initialise(programs, data, superuser=superuser, password=password)
    chosen = {**_DISPOSABLE, **_MEMORY, **(settings or {})}
    if programs.major >= 17:
        chosen["event_triggers"] = "off"
    argv: list[str | Path] = [*_alone(), programs.path("postgres"), "-D", data]
    argv += [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
    # It may live as long as a whole verification; its limit is the verification's.
    forever = Limits(timedelta(days=7), timedelta(days=7))
    with short_path(directory) as host, running(argv, limits=forever, stdout=2, stop=signal.SIGQUIT) as process:
        server = Server(
            f"dbname=postgres host={host} hostaddr='' port={_PORT} sslmode=disable", connect=timedelta(seconds=5)
        ).at(user=superuser, password=password)
        # What is restored here may have settings that hurry every session, from its first statement on.
        server = server.with_settings(
            {**server.without_timeouts(programs.major * 10000), "default_transaction_read_only": "off"}
        )
        with _starting():
            _wait_ready(server, process)
        yield server


@contextmanager
def _starting() -> Iterator[None]:
    """A server that does not come up says nothing about any backup."""
    try:
        yield
    except CommandFailed as error:
        no_namespaces = "unshare" in f"{error.what} {error.why}"
        raise Inconclusive(
            "the scratch PostgreSQL server could not be started",
            why=f"{error.what}: {error.why}",
            safe="the backup was not touched and is not marked bad",
            next=_NO_NAMESPACES if no_namespaces else "read the cause above; then: ops verify",
        ) from None


_NO_NAMESPACES = "run ops as a user other than root: user namespaces are switched off on this machine"


_MEMORY: Mapping[str, str] = {
    # A restore writes every page once: large buffers cost more than they give, since the kernel clears each
    # page at its first touch and caches the files anyway. Measured over 2 GB on two cores: 12.5 s with these,
    # 15.2 s with an eighth of the machine.
    "shared_buffers": "128MB", "maintenance_work_mem": "32MB", "work_mem": "32MB",
    "max_parallel_maintenance_workers": "1", "wal_buffers": "16MB",
}  # fmt: skip


def _wait_ready(server: Server, process: Running) -> None:
    """Until it answers. Its own exit, or a minute, ends the wait."""
    deadline = time.monotonic() + _READY_WITHIN.total_seconds()
    while True:
        try:
            with session(server, limit=timedelta(seconds=5), settings=False) as opened:
                opened.rows("select 1")
                return
        except SourceError as error:
            if process.exited() or time.monotonic() > deadline:
                raise CommandFailed("postgres did not come up", why=process.stderr_tail() or error.why) from None
            time.sleep(0.02)


def forget_shared_memory(data: Path) -> None:
    """Remove the System V segment a killed server left behind; its id is in `postmaster.pid`, line 7.

    That of a sandbox is gone with it, and whoever was in there may have written any number: only a file of ours counts.
    """
    path = data / "postmaster.pid"
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_uid != os.geteuid():
            return
        identifier = str(int(path.read_text(encoding="utf-8").splitlines()[6].split()[1]))
    except (OSError, IndexError, ValueError):
        return
    if shutil.which("ipcrm"):
        run(["ipcrm", "-m", identifier], limits=_START, accept=(0, 1))
