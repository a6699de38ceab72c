"""A CRM whose backups the clock says were taken over days."""

from collections.abc import Iterator

import pytest

from ops_pipelines.engines.postgres.connection import Server
from tests.sample import crm_server


@pytest.fixture
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The protected database."""
    with crm_server(tmp_path_factory.mktemp("recovery") / "pg") as server:
        yield server
