"""A private SecantusDB for the tests of the MongoDB engine, and backups of what it holds."""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.mongodb.connection import with_credentials
from ops_pipelines.engines.mongodb.server import find_secantus, private_secantus
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.verdict import Verdict
from tests.conftest import Made, MakeWorkspace

USER, PASSWORD = "boss", "canary-pw/with:@ &7"

Mongo = Database[dict[str, Any]]


@dataclass(frozen=True)
class TestServer:
    """A running server of our own."""

    __test__ = False

    directory: Path
    port: int
    client: MongoClient[dict[str, Any]] = field(repr=False)

    def url(self, database: str) -> str:
        """The URL of a database, as its superuser."""
        return with_credentials("127.0.0.1", self.port, database, USER, PASSWORD)

    def new_database(self) -> Mongo:
        """A database of a new name; it is there once something is in it."""
        return self.client[f"db_{secrets.token_hex(4)}"]


@pytest.fixture(scope="session")
def mongo() -> Iterator[TestServer]:
    """A MongoDB-protocol server with a password."""
    if find_secantus() is None:
        pytest.skip("SecantusDB is not installed (Python 3.11 or newer)")
    directory = Path(tempfile.mkdtemp(prefix="ops-mongo-"))
    try:
        with private_secantus(directory, user=USER, password=PASSWORD) as port:
            url = with_credentials("127.0.0.1", port, "admin", USER, PASSWORD)
            with MongoClient[dict[str, Any]](url, tz_aware=True) as client:
                yield TestServer(directory, port, client)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True)
class Backups:
    """A workspace whose source `crm` is a MongoDB database."""

    made: Made

    def take(self) -> Manifest:
        """Back it up and copy the backup off-site."""
        manifest = take_backup(self.made.workspace, "crm")
        copy_to(self.made.workspace, self.newest(), "nas")
        return manifest

    def newest(self) -> Any:
        """The newest restore point."""
        point = self.made.workspace.catalogue("crm").newest
        assert point is not None
        return point

    def verify(self) -> Verdict:
        """Prove the newest restore point."""
        return verify(self.made.workspace, self.newest())


Protect = Callable[..., Backups]


@pytest.fixture
def protect(make_workspace: MakeWorkspace) -> Protect:
    """Makes a workspace that protects the database of a URL."""

    def make(url: str, **source: Any) -> Backups:
        return Backups(make_workspace(url, kind="mongodb", **source))

    return make
