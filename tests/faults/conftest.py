"""A real PostgreSQL server to break, and a house (ops.yaml, base, key) whose backups must survive it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
import pyrage
import pytest
from psycopg.conninfo import conninfo_to_dict

from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.engines.postgres.server import scratch_server
from ops_pipelines.workspace import Workspace, open_workspace

REPOSITORY = Path(__file__).parents[2]
LIMIT = timedelta(seconds=60)
ROWS = """
create table big (id bigint primary key, at timestamptz default now(), body text);
insert into big(id, body) select i, md5(i::text) || md5((i * 7)::text) || md5((i * 13)::text)
  from generate_series(1, 250000) i;
create table small (id serial primary key, v text);
insert into small(v) select 'row ' || i from generate_series(1, 100) i
"""


def wait_until(condition: Callable[[], bool], within_s: float = 120) -> None:
    """Poll until it is so."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


@dataclass(frozen=True)
class Source:
    """A server to be protected, and to be mistreated."""

    server: Server
    directory: Path

    def processes(self) -> list[psutil.Process]:
        """The postmaster and everything below it."""
        lines = (self.directory / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        postmaster = psutil.Process(int(lines[0]))
        return [postmaster, *postmaster.children(recursive=True)]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the server."""
        for process in self.processes():
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Nothing of the server moves during the block."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def run(self, *statements: str, database: str = "src") -> None:
        """Run statements as superuser."""
        with session(self.server.at(dbname=database), limit=LIMIT, settings=False) as opened:
            for statement in statements:
                opened.rows(statement)


@pytest.fixture(scope="session")
def source() -> Iterator[Source]:
    """A PostgreSQL server with a database `src` whose dump takes a moment."""
    directory = Path(tempfile.mkdtemp(prefix="ops-faults-"))
    try:
        with scratch_server(clients.for_server(18), directory) as server:
            found = Source(server.at(dbname="src"), directory)
            found.run("create database src", database="postgres")
            found.run(*ROWS.split(";"))
            yield found
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True)
class House:
    """An `ops.yaml` and what belongs to it."""

    path: Path
    url: str

    @property
    def base(self) -> Path:
        """Its `base`."""
        return self.path / "base"

    def write(self, **limits: str) -> None:
        """Write `ops.yaml` with these limits."""
        limits = {"connect": "5s", "stall": "30s", "total": "90s", "lock": "60s", **limits}
        listed = ", ".join(f"{name}: {value}" for name, value in limits.items())
        recipient = (self.path / "age.pub").read_text(encoding="utf-8")
        (self.path / "ops.yaml").write_text(
            f"base: base\ndefaults: {{encrypt: {{age: [{recipient}], identity: {{file: age.key}}}}}}\n"
            f"sources:\n  crm: {{kind: postgres, url: {{file: url}}, limits: {{{listed}}}}}\n",
            encoding="utf-8",
        )

    def workspace(self) -> Workspace:
        """It, opened anew."""
        return open_workspace(load_config(self.path / "ops.yaml", environ={}))

    def ids(self) -> list[str]:
        """What the catalogue lists."""
        catalogue = self.workspace().catalogue("crm")
        assert not catalogue.problems
        return [point.id for point in catalogue.points]

    @contextmanager
    def worker(self, verb: str) -> Iterator["subprocess.Popen[str]"]:
        """A process that does `verb`, from the moment it begins; killed at the end of the block."""
        argv = [sys.executable, "-m", "tests.faults.worker", verb, str(self.path / "ops.yaml")]
        with subprocess.Popen(
            argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "begun\n"
                yield process
            finally:
                process.kill()

    def leftovers(self) -> list[str]:
        """Whatever a finished house must not have: unfinished directories, processes, open activities."""
        left = [str(path) for path in self.base.glob("restore-points/.staging/*") if path.is_dir()]
        left += [str(path) for path in self.base.glob("scratch/*") if path.is_dir()]
        left += [f"activity {row.id}" for row in self.workspace().ledger.recent() if row.status == "running"]
        return left + [f"process {process}" for process in ours(str(self.path), self.url)]


def ours(path: str, url: str) -> list[psutil.Process]:
    """Living clients of this server, and processes with this path in their command line or directory."""
    found = []
    host = str(conninfo_to_dict(url)["host"])
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            words = " ".join(process.cmdline())
            inside = path in words or process.cwd().startswith(path)
            if inside or (host in words and process.name() in ("pg_dump", "pg_dumpall")):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def child_named(name: str, parent: int) -> psutil.Process | None:
    """A living descendant of `parent` that runs this program."""
    for process in psutil.Process(parent).children(recursive=True):
        try:
            if process.name() == name and process.status() != psutil.STATUS_ZOMBIE:
                return process
        except psutil.NoSuchProcess:
            continue
    return None


@contextmanager
def meanwhile(action: Callable[[], None]) -> Iterator[None]:
    """Do something in another thread during the block; its failure is the test's."""
    failures: list[BaseException] = []

    def act() -> None:
        try:
            action()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failures:
        raise failures[0]


@pytest.fixture
def house(source: Source) -> Iterator[House]:
    """A fresh house that protects `src`."""
    path = Path(tempfile.mkdtemp(prefix="ops-house-"))
    key = pyrage.x25519.Identity.generate()
    (path / "age.key").write_text(str(key), encoding="utf-8")
    (path / "age.pub").write_text(str(key.to_public()), encoding="utf-8")
    (path / "url").write_text(source.server.url(), encoding="utf-8")
    built = House(path, source.server.url())
    built.write()
    try:
        yield built
    finally:
        shutil.rmtree(path, ignore_errors=True)
