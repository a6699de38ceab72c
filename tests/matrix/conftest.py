"""The rigs: one per engine, made on the first request, kept for the run."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_pipelines.recovery.verify import verify
from tests.engines.mongodb.conftest import mongo  # noqa: F401 (a fixture)
from tests.engines.mysql.conftest import mariadb, mysqld  # noqa: F401 (fixtures)
from tests.matrix import files, mongodb, mysql, postgres
from tests.matrix.rig import Rig, notable, opened


@pytest.fixture(scope="session")
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rigs-") as name:
        yield Path(name)


def _made(path: Path) -> Path:
    path.mkdir(mode=0o700)
    return path


def _proved(rig: Rig) -> Rig:
    """Both restore points are good before anything is done to them; the drift checks compare with them."""
    workspace = opened(rig.path)
    for backup_id in (rig.older, rig.newer):
        point = workspace.catalogue("crm").find(backup_id)
        assert point is not None
        verdict = verify(workspace, point, store="nas")
        assert (verdict.outcome, notable(verdict)) == ("verified", []), verdict.checks
    return rig


@pytest.fixture(scope="session")
def postgres_rig(_place: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """PostgreSQL."""
    server = request.getfixturevalue("pg18")
    with postgres.scratch_databases(server, _made(_place / "pg")) as scratch:
        yield _proved(postgres.build(_made(_place / "postgres"), server, scratch))


@pytest.fixture(scope="session")
def mysql_rig(_place: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """MariaDB."""
    server = request.getfixturevalue("mariadb")
    with mysql.scratch_databases(_made(_place / "my"), server) as scratch:
        yield _proved(mysql.build(_made(_place / "mysql"), server, scratch))


@pytest.fixture(scope="session")
def mysqld_rig(_place: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """MySQL."""
    server = request.getfixturevalue("mysqld")
    with mysql.scratch_databases(_made(_place / "md"), server) as scratch:
        yield _proved(mysql.build(_made(_place / "mysqld"), server, scratch))


@pytest.fixture(scope="session")
def mongodb_rig(_place: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """MongoDB's protocol."""
    server = request.getfixturevalue("mongo")
    with mongodb.scratch_databases(_made(_place / "mo")) as scratch:
        yield _proved(mongodb.build(_made(_place / "mongodb"), server, scratch))


@pytest.fixture(scope="session")
def files_rig(_place: Path, request: pytest.FixtureRequest) -> Rig:
    """Folders, and a database that names files in them."""
    return _proved(files.build(_made(_place / "files"), request.getfixturevalue("pg18")))
