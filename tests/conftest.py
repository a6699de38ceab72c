"""Fixtures that every test may use: real PostgreSQL servers, and workspaces that protect what they hold.

Servers start once per run, on the first request: PostgreSQL 18 from the embedded wheel, and the distribution's (15 on
Debian 12, 17 on Debian 13). Each listens on its socket and on loopback, with a password.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import pyrage
import pytest

from ops_pipelines import redact
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.clients import Programs
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.engines.postgres.server import initialise, unprivileged
from ops_pipelines.errors import SourceError, ToolMissing
from ops_pipelines.process import Limits, running
from ops_pipelines.workspace import Workspace
from tests.servers.ceph import Ceph, start_ceph

pytest.register_assert_rewrite("tests.oracle.rounds")
# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("ours", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("ours")
# Tests have files of their own; whoever runs them may have named another.
os.environ.pop("OPS_CONFIG", None)
# They type `ops`, and are advised to. Last: the programs of the machine are the ones that it has.
os.environ["PATH"] += f"{os.pathsep}{Path(sys.executable).parent}"
if "COVERAGE_PROCESS_CONFIG" in os.environ:
    import tests.inside  # noqa: F401 (what runs in a sandbox is measured as well)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test that is marked `daily(n)`, n of its cases are played; with OPS_LONG=1, or when it is named, all."""
    if os.environ.get("OPS_LONG") or any("::" in each for each in config.args):
        return
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("daily") is not None:
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    left: set[pytest.Item] = set()
    for some in cases.values():
        marker = some[0].get_closest_marker("daily")
        count = marker.args[0] if marker is not None else 0
        # Spread over them all, the same ones every day.
        left |= set(some) - {some[number * len(some) // count] for number in range(min(count, len(some)))}
    config.hook.pytest_deselected(items=[item for item in items if item in left])
    items[:] = [item for item in items if item not in left]


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name what fails at once: a run that is ended from outside never comes to its summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        crash = getattr(report.longrepr, "reprcrash", None)
        first, *_ = getattr(crash, "message", str(report.longrepr)).strip().splitlines() or [""]
        print(f"\nfailed after {report.duration:.0f} s: {report.nodeid} ({report.when}): {first[:300]}", flush=True)


PASSWORD = "a 'canary' pass:word@/%"
# The newest PostgreSQL that the distribution has; of a machine without one, the name of what is missing.
DEBIAN = max(
    (int(path.name) for path in Path("/usr/lib/postgresql").glob("*") if (path / "bin/postgres").exists()), default=15
)
_LONG = Limits(stall=timedelta(hours=2), total=timedelta(hours=2))
_QUICK = {"fsync": "off", "autovacuum": "off", "max_connections": "60", "dynamic_shared_memory_type": "mmap"}


@dataclass(frozen=True)
class TestServer:
    """A running server of our own: its programs, its address, and a way to ask it things."""

    __test__ = False

    programs: Programs
    directory: Path
    port: int
    superuser: Server

    @property
    def major(self) -> int:
        """Its major version."""
        return self.programs.major

    def sql(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as superuser, each by itself; the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        with session(self.superuser.at(dbname=database), limit=timedelta(minutes=1), settings=False) as opened:
            for statement in statements:
                rows = opened.rows(statement)
        return rows

    def new_database(self, name: str = "", options: str = "") -> str:
        """Create a database; returns its name."""
        name = name or f"db_{secrets.token_hex(4)}"
        self.sql(f'create database "{name}" {options}')
        return name

    def url(self, database: str, **changes: str) -> str:
        """The whole connection string of a database, as the superuser through the socket."""
        return self.superuser.at(dbname=database, **changes).url()

    def psql(self, database: str, *options: str) -> str:
        """Run psql; returns what it printed."""
        server = self.superuser.at(dbname=database)
        argv = [self.programs.path("psql"), "-XqAt", f"--dbname={server.argument()}", *options]
        done = subprocess.run(argv, env=server.environment(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode(errors="replace")


@contextmanager
def start_server(
    major: int,
    directory: Path,
    settings: Mapping[str, str] | None = None,
    bin_dirs: Sequence[Path] = (),
    env: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
) -> Iterator[TestServer]:
    """A server of our own for the length of the block; skips the test where the version is missing.

    Args:
        before: words before its command: of another machine, which reaches it as the port says.
    """
    try:
        programs = clients.for_server(major, bin_dirs)
    except ToolMissing as error:
        pytest.skip(error.what)
    initialise(programs, directory / "data", superuser="boss", password=PASSWORD)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int((settings or {}).get("port") or probe.getsockname()[1])
    where = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": str(directory)}
    argv: list[str | Path] = [*before, *unprivileged(), programs.path("postgres"), "-D", directory / "data"]
    for name, value in {**_QUICK, **where, **(settings or {})}.items():
        argv += ["-c", f"{name}={value}"]
    superuser = Server(f"host={directory} port={port} user=boss dbname=postgres", connect=timedelta(seconds=5))
    server = TestServer(programs, directory, port, superuser.at(password=PASSWORD))
    with running(argv, limits=_LONG, stdout=2, env=env) as process:
        deadline = time.monotonic() + 60
        while True:
            try:
                server.sql("select 1")
                break
            except SourceError as error:
                assert not process.exited() and time.monotonic() < deadline, process.stderr_tail() or str(error)
                time.sleep(0.02)
        yield server
    shutil.rmtree(directory / "data", ignore_errors=True)


@pytest.fixture(autouse=True)
def _its_own_secrets() -> Iterator[None]:
    """What one test makes a secret is none in the next, whose messages would be masked by it."""
    before = set(redact._values)
    yield
    redact._values.clear()
    redact._values.update(before)


@pytest.fixture(scope="session")
def pg18(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """A PostgreSQL 18 server."""
    with start_server(18, tmp_path_factory.mktemp("pg18")) as server:
        yield server


@pytest.fixture(scope="session")
def pg_debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """A server of the distribution's own PostgreSQL: unlike the embedded one, it has TLS, ICU and more."""
    with start_server(DEBIAN, tmp_path_factory.mktemp("pg")) as server:
        yield server


@pytest.fixture(scope="session", params=sorted({DEBIAN, 18}))
def pg(request: pytest.FixtureRequest) -> TestServer:
    """Every server in turn."""
    server: TestServer = request.getfixturevalue("pg18" if request.param == 18 else "pg_debian")
    return server


@pytest.fixture(scope="session")
def ceph() -> Iterator[Ceph]:
    """A Ceph gateway, for what only a real S3 server does. Sockets want a short path: not below pytest's."""
    with TemporaryDirectory(prefix="ceph-") as directory, start_ceph(Path(directory)) as started:
        yield started


@dataclass(frozen=True)
class Made:
    """A workspace with one source, `crm`, and the directory its `ops.yaml` lies in."""

    workspace: Workspace
    path: Path


MakeWorkspace = Callable[..., Made]


@pytest.fixture
def make_workspace(tmp_path: Path) -> MakeWorkspace:
    """Write an `ops.yaml` with an age key and a second store; returns the workspace and where it is.

    The made function takes the source's URL and any other key of the source, as in `ops.yaml`.
    """

    def make(url: str, *, directory: str = "ops", **source: Any) -> Made:
        path = tmp_path / directory
        path.mkdir(mode=0o700)
        identity = pyrage.x25519.Identity.generate()
        for name, secret in {"age.key": str(identity), "url": url}.items():
            (path / name).touch(mode=0o600)
            (path / name).write_text(secret, encoding="utf-8")
        document = {
            "base": "base",
            "defaults": {
                "encrypt": {"age": [str(identity.to_public())], "identity": {"file": "age.key"}},
                "copies": ["nas"],
            },
            "stores": {"nas": {"kind": "directory", "path": "nas", "offsite": True}},
            "sources": {"crm": {"kind": "postgres", "url": {"file": "url"}, **source}},
        }
        # JSON is YAML.
        (path / "ops.yaml").write_text(json.dumps(document, indent=1), encoding="utf-8")
        return Made(Workspace(load_config(path / "ops.yaml", environ={})), path)

    return make
