"""One CRM server for the session, a configuration and a Dagster instance of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ops_pipelines.config.load import load_config
from ops_pipelines.config.models import Config
from ops_pipelines.engines.postgres.connection import Server
from tests.sample import crm_server, write_config


@pytest.fixture(scope="session")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The protected database."""
    with crm_server(tmp_path_factory.mktemp("source") / "pg") as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, crm: Server) -> Config:
    """A configuration that protects it."""
    return load_config(write_config(tmp_path, crm))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance that remembers nothing of other tests."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral
