"""A house to watch: an `ops.yaml` with sources nobody can reach, a ledger of either kind, and receivers."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import URL

from ops_pipelines.config.load import load_config
from ops_pipelines.ledger.ledger import sqlite_url
from ops_pipelines.workspace import Workspace
from tests.conftest import PASSWORD, TestServer
from tests.sample import StoppedClock
from tests.unit.vaults import AT
from tests.watch.receivers import Mailbox, Webhook, mailbox, webhook

MakeHouse = Callable[..., Workspace]


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """A webhook that answers "ok"."""
    with webhook() as found:
        yield found


@pytest.fixture
def post() -> Iterator[Mailbox]:
    """A mail server without encryption, on this machine."""
    with mailbox() as found:
        yield found


@pytest.fixture
def clock() -> StoppedClock:
    """Time stands still until the test moves it."""
    return StoppedClock(AT)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A ledger of its own, in a file and on a real server."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "ledger" / "ledger.sqlite")
        return
    server: TestServer = request.getfixturevalue("pg18")
    database = server.new_database()
    where = {"host": "127.0.0.1", "port": server.port, "username": "boss", "password": PASSWORD}
    yield URL.create("postgresql+psycopg", database=database, **where).render_as_string(hide_password=False)
    # An open ledger keeps connections, and a server that stops waits for them.
    server.sql(f"drop database {database} with (force)")


def house_in(
    folder: Path,
    clock: StoppedClock,
    channels: dict[str, str],
    *,
    ledger: str = "",
    sources: tuple[str, ...] = ("crm",),
    top: Mapping[str, Any] = MappingProxyType({}),
    **alerts: Any,
) -> Workspace:
    """Write an `ops.yaml`; returns the workspace, whose clock is the test's.

    Args:
        channels: their URLs by name.
        ledger: its URL.
        top: further keys of the file.
        alerts: further keys of `alerts:`.
    """
    for name, secret in {**channels, "ledger": ledger, "source": "postgresql://127.0.0.1:1/crm"}.items():
        (folder / f"{name}.secret").touch(mode=0o600)
        (folder / f"{name}.secret").write_text(secret, encoding="utf-8")
    named = {name: {"file": f"{name}.secret"} for name in channels}
    document: dict[str, Any] = {
        "base": "base",
        "stores": {"nas": {"kind": "directory", "path": "nas"}},
        "sources": {
            name: {"kind": "postgres", "url": {"file": "source.secret"}, "copies": ["nas"]} for name in sources
        },
        "alerts": {"channels": named, **alerts},
        **top,
    }
    if ledger:
        document["ledger"] = {"file": "ledger.secret"}
    (folder / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    return Workspace(load_config(folder / "ops.yaml", environ={}), clock)


@pytest.fixture
def make_house(tmp_path: Path, clock: StoppedClock) -> MakeHouse:
    """`house_in` a folder of the test's own."""
    return partial(house_in, tmp_path, clock)
