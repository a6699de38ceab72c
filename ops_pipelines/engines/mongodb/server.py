"""Start private MongoDB servers: the throwaway one of a verification, and any other of our own.

A real `mongod` where one is installed. Otherwise SecantusDB, a small server that speaks MongoDB's protocol:
a stand-in that proves documents, options and most indexes, but is not MongoDB. It is a program of its own
(GPL), found on PATH or beside our Python, and never imported.
"""

import re
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from ops_pipelines import redact
from ops_pipelines.engines.mongodb import tools
from ops_pipelines.engines.mongodb.connection import Client, Server, with_credentials
from ops_pipelines.errors import Inconclusive
from ops_pipelines.process import CommandFailed, Limits, Running, run, running

USER = "ops_scratch"
_READY_WITHIN_S = 60.0
_LIVES = Limits(timedelta(days=7), timedelta(days=7))
_QUICK = Limits(stall=timedelta(seconds=30), total=timedelta(seconds=30))
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Program:
    """A server that can be started here; `major` is 0 for one that stands in for every version."""

    path: Path
    major: int


def choose(dumped_version: str, bin_dirs: Sequence[Path]) -> Program:
    """The best server here for a restore: mongod of the same major version, of the next newer one, a stand-in.

    MongoDB's documents, options and indexes restore into newer versions as they are, which mongorestore
    supports; so a newer mongod proves a backup, and the verdict notes the difference. An older one does not.

    Args:
        dumped_version: the version that was dumped; empty when nobody knows.
    Raises:
        Inconclusive: there is none.
    """
    wanted = int(number[0]) if (number := re.match(r"\d+", dumped_version)) else 0
    found = None
    if path := tools.find("mongod", bin_dirs):
        printed = run([path, "--version"], limits=_QUICK).stdout.decode(errors="replace")
        version = re.search(r"v(\d+)\.", printed)
        found = int(version[1]) if version else 0
        if found >= wanted:
            return Program(path, found)
    if stand_in := find_secantus(bin_dirs):
        return Program(stand_in, 0)
    raise Inconclusive(
        f"no MongoDB {wanted or ''} server for a scratch server".replace("  ", " "),
        why=f"mongod on this machine: {'none' if found is None else f'version {found}, which is older'}",
        safe="the backup is not marked bad",
        next="install mongod of that version, or pip install secantusdb, then: ops verify",
    )


def find_secantus(bin_dirs: Sequence[Path] = ()) -> Path | None:
    """Where SecantusDB's server is; None when it is not installed."""
    beside = Path(sys.executable).with_name("secantusd-py")
    return tools.find("secantusd-py", bin_dirs) or (beside if beside.is_file() else None)


@contextmanager
def scratch_server(program: Program, directory: Path, *, database: str) -> Iterator[str]:
    """A disposable server in `directory`, on loopback, with a random password; yields the URL of a database.

    Raises:
        Inconclusive: it cannot be started; nothing is known about any backup.
    """
    password = redact.register(secrets.token_urlsafe(24))
    try:
        with _started(program, directory, user=USER, password=password, port=_free_port(), quick=True) as port:
            yield with_credentials(_HOST, port, database, USER, password)
    except CommandFailed as error:
        raise Inconclusive(
            "the scratch MongoDB server could not be started",
            why=f"{error.what}: {error.why}",
            safe="the backup was not touched and is not marked bad",
            next="read the cause above; then: ops verify",
        ) from None


def is_scratch(server: Server) -> bool:
    """Whether a server is a disposable one of ours, where everything may be made: nobody else logs in as we do."""
    return server.user == USER and server.hosts.rpartition(":")[0] == _HOST


@contextmanager
def private_secantus(directory: Path, *, user: str, password: str, port: int = 0) -> Iterator[int]:
    """A SecantusDB of our own whose data outlives the block, for a demo and for tests.

    Args:
        directory: private; its data are below, and are used again when they are there.
        user, password: made on the first start, with the role root.
        port: on loopback; any free one for 0.
    Yields:
        The port it listens on.
    Raises:
        CommandFailed: it is not installed or does not start.
    """
    path = find_secantus()
    if path is None:
        raise CommandFailed("SecantusDB is not installed", why="no secantusd-py on PATH or beside Python")
    program = Program(path, 0)
    with _started(program, directory, user=user, password=password, port=port or _free_port(), quick=False) as where:
        yield where


@contextmanager
def _started(program: Program, directory: Path, *, user: str, password: str, port: int, quick: bool) -> Iterator[int]:
    """The program at work, its one user made."""
    data = directory / "data"
    new = not data.is_dir()
    data.mkdir(mode=0o700, exist_ok=True)
    if program.major:
        with _running(_mongod(program.path, data, port), directory, quick) as process:
            _wait_ready(process, port)
            if new:
                _make_user(port, user, password)  # its localhost exception allows this once
            yield port
        return
    if new:
        # It has no such exception: the user is made before anything is in it, in a server that asks nobody.
        argv = [*_secantus(program.path, directory, port), "--sync-on-commit"]
        with _running(argv, directory, True) as process:
            _wait_ready(process, port)
            _make_user(port, user, password)
    with _running([*_secantus(program.path, directory, port), "--auth"], directory, quick) as process:
        _wait_ready(process, port)
        yield port


@contextmanager
def _running(argv: list[str | Path], directory: Path, quick: bool) -> Iterator[Running]:
    # It takes seconds to end in good order; what is thrown away need not.
    stop = signal.SIGKILL if quick else signal.SIGTERM
    with running(argv, limits=_LIVES, stdout=2, cwd=directory, stop=stop) as process:
        yield process


def _secantus(program: Path, directory: Path, port: int) -> list[str | Path]:
    config = directory / "secantusd.toml"
    config.touch(mode=0o600)  # named, so that it looks for no other
    return [
        program, "--config", config, "--host", _HOST, "--port", str(port), "--storage-path", directory / "data",
        "--cache-size", "256M", "--log-level", "ERROR",
    ]  # fmt: skip


def _mongod(program: Path, data: Path, port: int) -> list[str | Path]:
    return [
        program, "--dbpath", data, "--bind_ip", _HOST, "--port", str(port), "--auth", "--nounixsocket", "--quiet",
        "--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false",
        # What has expired since the dump must still be there when it is compared.
        "--setParameter", "ttlMonitorEnabled=false",
    ]  # fmt: skip


def _make_user(port: int, user: str, password: str) -> None:
    client: Client = MongoClient(_HOST, port, directConnection=True, serverSelectionTimeoutMS=5000)
    try:
        client.admin.command("createUser", user, pwd=password, roles=["root"])
    except PyMongoError as error:
        raise CommandFailed("the server would not make its first user", why=str(error)) from None
    finally:
        client.close()


def _wait_ready(process: Running, port: int) -> None:
    """Until it answers. Its own exit, or a minute, ends the wait."""
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        if process.exited() or time.monotonic() > deadline:
            raise CommandFailed(f"{process.name} did not come up", why=process.stderr_tail())
        try:
            socket.create_connection((_HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
            continue
        client: Client = MongoClient(_HOST, port, directConnection=True, serverSelectionTimeoutMS=1000)
        try:
            client.admin.command("hello")
            return
        except PyMongoError:
            time.sleep(0.02)
        finally:
            client.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
