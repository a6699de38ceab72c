"""Fixtures of the MySQL tests: a MariaDB server of our own, and workspaces that protect what it holds."""

import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from ops_pipelines.engines.mysql import clients
from ops_pipelines.engines.mysql.connection import Server, identifier, options_for_programs, session
from ops_pipelines.engines.mysql.server import private_server
from ops_pipelines.errors import ToolMissing
from tests.conftest import PASSWORD, Made, MakeWorkspace
from tests.servers import newer

EVERYTHING = {
    clients.MARIADB: Path(__file__).with_name("everything_mariadb.sql"),
    clients.MYSQL: Path(__file__).with_name("everything_mysql.sql"),
}
# An apostrophe in a database's name breaks the dump client itself as soon as there are events.
NAME = "Every `thing` ünï=çödé"
CANARY = PASSWORD + '"#\\ end'


@dataclass(frozen=True)
class TestServer:
    """A running server of our own, and a way to ask it things."""

    __test__ = False

    directory: Path
    root: Server
    bin_dirs: tuple[Path, ...] = ()

    def sql(self, *statements: str, database: str = "", parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run statements as superuser, each by itself; the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        with session(self.root.at(database), limit=timedelta(minutes=1), settings=False) as opened:
            for statement in statements:
                rows = opened.rows(statement, parameters)
        return rows

    def new_database(self, name: str = "", options: str = "character set utf8mb4") -> str:
        """Create a database; returns its name."""
        name = name or f"db_{secrets.token_hex(4)}"
        self.sql(f"create database {identifier(name)} {options}")
        return name

    def url(self, database: str) -> str:
        """The whole URL of a database, as the superuser through the socket."""
        return self.root.at(database).url()

    def account(self, *grants: str, password: str = CANARY) -> Server:
        """A new account with these grants, through the socket."""
        name = f"u_{secrets.token_hex(4)}"
        self.sql(f"create user {name}@localhost identified by %s", parameters=[password])
        for grant in grants:
            self.sql(f"grant {grant} to {name}@localhost")
        return replace(self.root, user=name, password=password)

    def client(self, database: str, script: Path) -> None:
        """Feed a script to the command-line client."""
        with options_for_programs(self.root) as options, script.open("rb") as fed:
            program = clients.for_restore(self.product, (8, 0), self.bin_dirs)
            argv = [program.path, options, "--default-character-set=utf8mb4", f"--database={database}"]
            done = subprocess.run(argv, stdin=fed, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    @property
    def product(self) -> str:
        """Whose server it is."""
        return clients.MARIADB if "MariaDB" in str(self.sql("select version()")[0][0]) else clients.MYSQL

    def source(self, **more: Any) -> dict[str, Any]:
        """What a source on this server has beside its URL."""
        return {"bin_dirs": [str(each) for each in self.bin_dirs], **more}

    def process(self) -> psutil.Process:
        """The server's process."""
        return psutil.Process(int((self.directory / "pid").read_text()))


@contextmanager
def start_server(
    product: str, oldest: clients.Series, bin_dirs: Sequence[Path] = (), port: int | None = None, **more: str
) -> Iterator[TestServer]:
    """A server of our own with a binary log, for the length of the block; skips the test where there is none.

    Args:
        more: settings of the server.
    """
    settings = {
        "log_bin": "binlog", "server_id": "1", "innodb_flush_log_at_trx_commit": "0", "innodb_doublewrite": "0",
        "sync_binlog": "0", "log_bin_trust_function_creators": "1", **more,
    }  # fmt: skip
    try:
        program = clients.for_server(product, oldest, bin_dirs)
    except ToolMissing as error:
        pytest.skip(error.what)
    # A socket's path is short: not below pytest's directory.
    with (
        tempfile.TemporaryDirectory(prefix="ops-my-") as name,
        private_server(program, Path(name), user="boss", password=CANARY, settings=settings, port=port) as server,
    ):
        yield TestServer(Path(name), server, tuple(bin_dirs))


@pytest.fixture(scope="session")
def mariadb() -> Iterator[TestServer]:
    """A MariaDB server with a binary log."""
    # From 11.4 on a server makes itself a certificate; this one is without in every version.
    with start_server(clients.MARIADB, (10, 3), ssl="0") as server:
        yield server


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def mysqld() -> Iterator[TestServer]:
    """A MySQL server, which Debian 12 does not have."""
    with start_server(clients.MYSQL, (8, 0), newer.bin_dirs("mysql", "mysqld")) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb11() -> Iterator[TestServer]:
    """A MariaDB server of a newer series."""
    with start_server(clients.MARIADB, (11, 0), newer.bin_dirs("mariadb", "mariadbd")) as server:
        yield server


@pytest.fixture(scope="session", params=["mariadb", "mysqld", "mariadb11"])
def any_server(request: pytest.FixtureRequest) -> TestServer:
    """Every server in turn."""
    server: TestServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="session")
def everything(mariadb: TestServer) -> str:
    """A database that holds everything its server can hold; returns its name."""
    return with_everything(mariadb)


def with_everything(server: TestServer) -> str:
    """The same on any server, where it is made once."""
    if not server.sql("select 1 from information_schema.schemata where schema_name = %s", parameters=[NAME]):
        server.new_database(NAME, "character set latin1 collate latin1_german1_ci")
        server.client(NAME, EVERYTHING[server.product])
        # Routines and views were made under another character set of the database.
        server.sql(f"alter database {identifier(NAME)} character set utf8mb4 collate utf8mb4_czech_ci")
    return NAME


@pytest.fixture
def protect(make_workspace: MakeWorkspace) -> Callable[..., Made]:
    """As `make_workspace`, for a MySQL source."""

    def made(url: str, **source: Any) -> Made:
        return make_workspace(url, kind="mysql", **source)

    return made


def wrapped_client(directory: Path, script: str, **variables: str | Path) -> Path:
    """A directory for `bin_dirs` whose dump client is this shell script; `$REAL` is the true one."""
    real = shutil.which("mariadb-dump")
    folder = directory / "bin"
    folder.mkdir()
    lines = ["#!/bin/bash", "set -o pipefail", f"REAL={real}", *(f"{k}='{v}'" for k, v in variables.items())]
    lines += [f'case "$*" in *--version*|*--help*) exec {real} "$@";; esac', script, ""]
    (folder / "mariadb-dump").write_text("\n".join(lines), encoding="utf-8")
    (folder / "mariadb-dump").chmod(0o755)
    return folder


def wait_until(condition: Callable[[], bool], within_s: float = 120) -> None:
    """Poll until it is so."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
