"""Database servers of a test's own, which may be killed and are started again on the same data."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil

from ops_pipelines.engines.mongodb.connection import with_credentials
from ops_pipelines.engines.mongodb.server import private_secantus
from ops_pipelines.engines.mysql import clients
from ops_pipelines.engines.postgres.server import unprivileged
from ops_pipelines.errors import OpsError
from ops_pipelines.process import Limits, running
from tests.conftest import TestServer as PostgresServer
from tests.conftest import start_server as start_postgres
from tests.engines.mongodb.conftest import PASSWORD, USER
from tests.engines.mongodb.conftest import TestServer as MongoServer
from tests.engines.mysql.conftest import TestServer as MySQLServer
from tests.engines.mysql.conftest import start_server as start_mysql
from tests.faults.conftest import wait_until
from tests.faults.house import House, build
from tests.faults.protected import protect
from tests.watch.receivers import webhook

AnyServer = PostgresServer | MySQLServer | MongoServer
_HOURS = Limits(stall=timedelta(hours=2), total=timedelta(hours=2))
# It was read, and removed, when the server was started first.
_READ_ONCE = "--init-file="


@dataclass(frozen=True)
class Own:
    """A server, where it lies, and a house that protects something on it; in place of pytest's request."""

    server: AnyServer
    directory: Path
    started: ExitStack

    def getfixturevalue(self, _name: str) -> AnyServer:
        """The server, whatever fixture is asked for."""
        return self.server

    def restart(self, house: House) -> None:
        """Kill every process of the server at once, and start it again. It is back when it answers."""
        root = next(each for each in psutil.Process().children(recursive=True) if self._runs(each))
        argv = [word for word in root.cmdline() if not word.startswith(_READ_ONCE)]
        where, below = root.cwd(), root.children(recursive=True)
        root.kill()
        psutil.wait_procs([root, *below], timeout=60)
        prefix = unprivileged() if house.protected.kind == "postgres" else []
        self.started.enter_context(running([*prefix, *argv], limits=_HOURS, stdout=2, cwd=Path(where)))
        wait_until(lambda: _answers(house))

    def _runs(self, process: psutil.Process) -> bool:
        """Whether a process is the server itself. Its programs for us run elsewhere."""
        try:
            words = process.cmdline()
            return str(self.directory) in " ".join(words) and "unshare" not in words[0] and process.name() != "sh"
        except psutil.NoSuchProcess:
            return False


def _answers(house: House) -> bool:
    from pymongo.errors import PyMongoError

    try:
        house.protected.state()
    except (OpsError, PyMongoError):
        return False
    return True


@contextmanager
def restartable(engine: str) -> Iterator[tuple[Own, House]]:
    """A server of its own with something in it that a house protects."""
    with ExitStack() as stack:
        # A socket's path is short: not below pytest's directory.
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"ops-{what}-"))) for what in "sh"]
        server = stack.enter_context(_SERVERS[engine](folders[0]))
        own = Own(server, server.directory, stack)
        house = build(folders[1], protect(engine, own, folders[1] / "data"), stack.enter_context(webhook()))
        yield own, house


@contextmanager
def _mysql(directory: Path) -> Iterator[MySQLServer]:
    with start_mysql(clients.MARIADB, (10, 3), ssl="0") as server:
        yield server


@contextmanager
def _mongodb(directory: Path) -> Iterator[MongoServer]:
    from pymongo import MongoClient

    with (
        private_secantus(directory, user=USER, password=PASSWORD) as port,
        MongoClient(with_credentials("127.0.0.1", port, "admin", USER, PASSWORD), tz_aware=True) as client,
    ):
        yield MongoServer(directory, port, client)


_SERVERS: dict[str, Callable[[Path], AbstractContextManager[AnyServer]]] = {
    "postgres": lambda directory: start_postgres(18, directory),
    "mysql": _mysql,
    "mongodb": _mongodb,
}
