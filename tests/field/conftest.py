"""Where the applications are, and databases for them to be installed in."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import DEBIAN, PASSWORD
from tests.conftest import TestServer as PostgresServer
from tests.engines.mysql.conftest import CANARY, mariadb, mariadb11, mysqld  # noqa: F401 (fixtures)
from tests.engines.mysql.conftest import TestServer as MysqlServer

HERE = Path(__file__).parent
PYTHON = Path(__file__).parents[2] / "var/field/venv/bin/python"


# How many random schemas of each engine: a few beside the other tests, many when they are asked for.
SCHEMAS = int(os.environ.get("OPS_FIELD_SCHEMAS", "15"))


@pytest.fixture(scope="session", params=[DEBIAN] if SCHEMAS < 100 else sorted({DEBIAN, 18}))
def field_pg(request: pytest.FixtureRequest) -> PostgresServer:
    """The distribution's PostgreSQL; every one when much is asked for."""
    server: PostgresServer = request.getfixturevalue("pg18" if request.param == 18 else "pg_debian")
    return server


MYSQLS = ["mariadb", "mysqld"] if SCHEMAS < 100 else ["mariadb", "mysqld", "mariadb11"]


@pytest.fixture(scope="session", params=MYSQLS)
def field_mysql(request: pytest.FixtureRequest) -> MysqlServer:
    """The distribution's MariaDB and a MySQL; a newer MariaDB too when much is asked for."""
    server: MysqlServer = request.getfixturevalue(request.param)
    return server


@dataclass(frozen=True)
class Login:
    """What an application is told of its database. `socket` is empty on PostgreSQL, `port` on MySQL."""

    engine: str
    host: str
    port: str
    socket: str
    user: str
    password: str
    database: str

    def environment(self) -> dict[str, str]:
        """The same as variables, for programs that read them."""
        return {f"FIELD_{name.upper()}": str(value) for name, value in vars(self).items()}


def postgres_login(server: PostgresServer) -> Login:
    """A new database for an application, as the superuser through loopback."""
    return Login("postgresql", "127.0.0.1", str(server.port), "", "boss", PASSWORD, server.new_database())


def mysql_login(server: MysqlServer) -> Login:
    """A new database for an application, as the superuser through the socket."""
    root = server.root
    return Login("mysql", "localhost", "", root.socket, root.user, CANARY, server.new_database())


def application(argv: Sequence[str | Path], directory: Path, variables: Mapping[str, str], fed: str = "") -> str:
    """Run a program of an application in a directory; returns what it printed."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "LANG": "C.UTF-8", **variables}
    done = subprocess.run(
        argv, cwd=directory, env=environment, input=fed, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def needed(path: Path) -> Path:
    """A file of an application; the test is skipped without it, and fails where everything is required."""
    if not path.exists():
        why = f"{path} is missing: run make field-applications"
        if os.environ.get("OPS_NEWER_REQUIRED"):
            pytest.fail(why)
        pytest.skip(why)
    return path
