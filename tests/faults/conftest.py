"""A real PostgreSQL server to break, and houses (ops.yaml, base, key) whose backups must survive it."""

import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.engines.postgres.server import scratch_server
from tests.conftest import PASSWORD, TestServer
from tests.engines.mongodb.conftest import mongo  # noqa: F401 (a fixture)
from tests.engines.mysql.conftest import mariadb  # noqa: F401 (a fixture)
from tests.faults.house import House, build
from tests.faults.protected import Protected, protect
from tests.faults.tries import long_run
from tests.watch.receivers import webhook

MakeHouse = Callable[[str], House]
LIMIT = timedelta(seconds=60)
ROWS = """
create table big (id bigint primary key, at timestamptz default now(), body text);
insert into big(id, body) select i, md5(i::text) || md5((i * 7)::text) || md5((i * 13)::text)
  from generate_series(1, 250000) i;
create table small (id serial primary key, v text);
insert into small(v) select 'row ' || i from generate_series(1, 100) i
"""


def wait_until(condition: Callable[[], bool], within_s: float = 120, *, every_s: float = 0.005) -> None:
    """Poll until it is so."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(every_s)


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
    """A fresh house that protects `src`, in one store alone."""
    url = source.server.url()
    protected = Protected("postgres", {"kind": "postgres", "url": {"file": "url"}}, lambda: None, secrets={"url": url})
    path = Path(tempfile.mkdtemp(prefix="ops-house-"))
    try:
        yield build(path, protected, copies=False)
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_house(request: pytest.FixtureRequest) -> Iterator[MakeHouse]:
    """Makes a house that protects something of an engine, with a second store and a channel for alerts."""
    with ExitStack() as stack:

        def make(engine: str) -> House:
            # A socket's path is short: not below pytest's directory.
            path = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="ops-house-", ignore_cleanup_errors=True))
            )
            return build(path, protect(engine, request, path / "data"), stack.enter_context(webhook()))

        yield make


LEDGERS = ("sqlite", "postgres")


def give_ledger(house: House, kind: str, request: pytest.FixtureRequest) -> None:
    """Give a house an empty ledger in SQLite, as it has anyway, or in PostgreSQL; then `ledger.url` is its own file."""
    if kind == "postgres":
        server: TestServer = request.getfixturevalue("pg18")
        url = f"postgresql://boss:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/{server.new_database()}"
        (house.path / "ledger.url").touch(mode=0o600)
        (house.path / "ledger.url").write_text(url, encoding="utf-8")
        house.change(ledger={"file": "ledger.url"})


@pytest.fixture(params=LEDGERS if long_run() else LEDGERS[:1])
def new_ledger(request: pytest.FixtureRequest) -> Callable[[House], None]:
    """Gives a house an empty ledger: in SQLite, in the long run in PostgreSQL as well."""
    return lambda house: give_ledger(house, request.param, request)


@pytest.fixture(params=LEDGERS)
def busy_house(request: pytest.FixtureRequest, make_house: MakeHouse) -> House:
    """A house with two sources, and its ledger in either database."""
    house = make_house("sqlite")
    house.change(sources={name: {**house.protected.source} for name in ("crm", "shop")})
    give_ledger(house, request.param, request)
    return house
