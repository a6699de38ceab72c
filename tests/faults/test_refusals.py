"""A restore cannot touch production: the source itself, however it is spelt, and what is not empty are refused."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from pydantic import TypeAdapter

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.engines.postgres.engine import PostgresEngine
from ops_pipelines.engines.postgres.server import initialise, unprivileged
from ops_pipelines.engines.postgres.settings import PostgresSource
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.process import Limits, running
from tests.faults.conftest import House, Source, wait_until

LIMITS = Limits(stall=timedelta(hours=1), total=timedelta(hours=1))


@pytest.fixture(scope="module")
def reachable_twice() -> Iterator[dict[str, str]]:
    """A server with a socket and a port, with a database `crm`: its spellings."""
    directory = Path(tempfile.mkdtemp(prefix="ops-twice-"))
    programs = clients.for_server(18)
    initialise(programs, directory / "data", superuser="boss", password="secret-word")
    port = free_port()
    argv = [*unprivileged(), programs.path("postgres"), "-D", directory / "data", "-p", port]
    argv += ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={directory}"]
    with running(argv, limits=LIMITS, stdout=2):
        spellings = {
            "socket": make_conninfo("", host=str(directory), port=port, user="boss", dbname="crm"),
            "localhost": f"postgresql://boss@localhost:{port}/crm",
            "address": f"postgresql://boss@127.0.0.1:{port}/crm?application_name=other",
            "hostaddr": f"host=whatever hostaddr=127.0.0.1 port={port} user=boss dbname=crm",
        }
        spellings = {how: make_conninfo(text, password="secret-word") for how, text in spellings.items()}
        admin = Source(Server(spellings["socket"], connect=timedelta(seconds=5)), directory)
        wait_until(lambda: answers(admin))
        admin.run("create database crm", "create database empty", "create database used", database="postgres")
        admin.run("create table t (id int)", database="used")
        yield spellings
    shutil.rmtree(directory, ignore_errors=True)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def answers(source: Source) -> bool:
    try:
        source.run("select 1", database="postgres")
    except OpsError:
        return False
    return True


def engine(url: str) -> PostgresEngine:
    return PostgresEngine("crm", TypeAdapter(PostgresSource).validate_python({"kind": "postgres", "url": url}))


FACTS = {"encoding": "UTF8", "collate": "C", "ctype": "C", "locale_provider": "c", "locale": None}


@pytest.mark.parametrize("target", ["socket", "localhost", "address", "hostaddr"])
def test_the_source_itself_is_refused_however_it_is_spelt(reachable_twice: dict[str, str], target: str) -> None:
    for spelling in reachable_twice.values():
        with pytest.raises(SafetyRefusal, match="is the source crm itself") as caught:
            engine(spelling).create_target(reachable_twice[target], FACTS)
        assert caught.value.exit_status == 3
    with pytest.raises(SafetyRefusal):
        engine(reachable_twice[target]).create_target("crm", FACTS)


def test_a_database_that_holds_something_is_refused_and_an_empty_one_is_not(reachable_twice: dict[str, str]) -> None:
    url = reachable_twice["localhost"]
    with pytest.raises(SafetyRefusal, match="holds 1 objects"):
        engine(url).create_target("used", FACTS)
    with pytest.raises(SafetyRefusal, match="holds 1 objects"):
        engine(url).create_target(url.replace("dbname=crm", "dbname=used"), FACTS)
    assert "dbname=empty" in engine(url).create_target("empty", FACTS).url
    assert "dbname=new" in engine(url).create_target("new", FACTS).url


def test_a_wrong_target_changes_nothing_of_a_backup(house: House, source: Source) -> None:
    manifest = take_backup(house.workspace(), "crm")
    with pytest.raises(SafetyRefusal):
        house.workspace().config.engine("crm").create_target("src", manifest.engine)
    assert house.ids() == [manifest.id]
