"""Servers and services are asked how they are: real ones, within their time; what they say is counted and told."""

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from ops_pipelines.config.errors import ConfigError
from ops_pipelines.config.load import load_config
from ops_pipelines.config.probes import Probes
from ops_pipelines.engines.mongodb import measure as mongodb
from ops_pipelines.probes.measured import Measured, kept
from ops_pipelines.probes.probe import probe_all
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.metrics import exposition
from ops_pipelines.workspace import Workspace
from tests.conftest import TestServer
from tests.engines.mongodb.conftest import TestServer as MongoServer
from tests.engines.mongodb.conftest import mongo  # noqa: F401 - a fixture
from tests.engines.mysql.conftest import TestServer as MariaServer
from tests.engines.mysql.conftest import mariadb  # noqa: F401 - a fixture
from tests.sample import StoppedClock
from tests.watch.conftest import MakeHouse
from tests.watch.receivers import Webhook, certificate
from tests.web.test_metrics import at

PASSWORD = "canary word@of:redis"


def house(tmp_path: Path, url: str, kind: str = "postgres", **probes: Any) -> Workspace:
    """A workspace whose source `crm` is at `url`, with these probes."""
    (tmp_path / "url").write_text(url, encoding="utf-8")
    document = {
        "base": "base",
        "sources": {"crm": {"kind": kind, "url": {"file": "url"}}},
        "probes": {"timeout": "5s", **probes},
    }
    (tmp_path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    return Workspace(load_config(tmp_path / "ops.yaml", environ={}))


def asked(workspace: Workspace) -> dict[str, Measured]:
    """One round, as it is kept."""
    probe_all(workspace.config, workspace.clock, workspace.ledger)
    with workspace.ledger.session() as session:
        return {each.target: each for each in kept(session)}


@contextmanager
def website(status: int = 200, *, pem: Path | None = None) -> Iterator[str]:
    """A web server that answers every request alike; returns its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if pem is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http{'s' if pem else ''}://127.0.0.1:{server.server_address[1]}/health"
        server.shutdown()


@contextmanager
def redis(directory: Path) -> Iterator[int]:
    """A Redis server with a password; returns its port."""
    found = shutil.which("redis-server")
    assert found, "apt-get install redis-server"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    config = directory / "redis.conf"
    config.write_text(f'bind 127.0.0.1\nport {port}\nrequirepass "{PASSWORD}"\nsave ""\n', encoding="utf-8")
    server = subprocess.Popen([found, config], cwd=directory, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert any("Ready to accept connections" in line for line in server.stdout)
        yield port
    finally:
        server.kill()
        server.communicate()


def test_a_postgresql_server_says_how_it_is_and_who_is_slow(pg: TestServer, tmp_path: Path) -> None:
    database = pg.new_database()
    workspace = house(tmp_path, pg.url(database), slow_query="1s")
    quiet = asked(workspace)["crm"]
    assert quiet.is_up
    assert quiet.latency_s is not None
    assert quiet.figures.connections_allowed == 60
    assert quiet.figures.slow_queries == 0
    assert (quiet.figures.size_bytes or 0) > 1_000_000
    with psycopg.connect(pg.url(database, application_name="app"), autocommit=True) as other:

        def sleep() -> None:
            with suppress(psycopg.Error):  # it is ended by force
                other.execute("select pg_sleep(60)")

        sleeping = threading.Thread(target=sleep, daemon=True)
        sleeping.start()
        deadline = time.monotonic() + 30
        while (slow := asked(workspace)["crm"]).figures.slow_queries != 1:
            assert time.monotonic() < deadline, slow
        assert (slow.figures.connections or 0) > 1
        pg.sql("select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)'")
        sleeping.join(10)


def test_a_mariadb_server_says_how_it_is(mariadb: MariaServer, tmp_path: Path) -> None:  # noqa: F811
    database = mariadb.new_database()
    mariadb.sql("create table t (a text)", "insert into t values ('x')", database=database)
    found = asked(house(tmp_path, mariadb.url(database), "mysql"))["crm"]
    assert found.is_up, found.cause
    assert (found.figures.connections or 0) >= 1
    assert (found.figures.connections_allowed or 0) > 1
    assert found.figures.slow_queries == 0
    assert (found.figures.size_bytes or 0) > 0


def test_a_mongodb_server_answers_and_its_idle_connections_are_no_slow_queries(
    mongo: MongoServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    database = mongo.new_database()
    database["things"].insert_one({"a": 1})
    found = asked(house(tmp_path, mongo.url(database.name), "mongodb"))["crm"]
    assert found.is_up, found.cause
    assert found.latency_s is not None
    assert found.figures.slow_queries == 0


def test_a_server_that_is_gone_and_one_that_hangs_are_down_within_their_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        services = {"hung": f"http://127.0.0.1:{port}/", "hung_cache": f"redis://127.0.0.1:{port}"}
        workspace = house(tmp_path, "postgresql://u@127.0.0.1:1/crm", timeout="1s", services=services)
        found = asked(workspace)
    assert {name: each.is_up for name, each in found.items()} == {"crm": False, "hung": False, "hung_cache": False}
    assert "refused" in found["crm"].cause
    assert "timed out" in found["hung"].cause


@pytest.mark.parametrize(("status", "up"), [(200, True), (302, True), (404, False), (500, False)])
def test_a_web_server_is_up_when_its_answer_is_no_error(tmp_path: Path, status: int, up: bool) -> None:
    with website(status) as url:
        found = asked(house(tmp_path, "postgresql://u@127.0.0.1:1/x", sources=False, services={"portal": url}))
    assert list(found) == ["portal"], "sources: false asks no databases"
    assert found["portal"].is_up is up
    assert up or str(status) in found["portal"].cause


def test_a_certificate_that_ends_soon_is_read_and_one_that_nobody_signed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(tmp_path)
    with website(pem=pem) as url:
        workspace = house(tmp_path, "postgresql://u@127.0.0.1:1/x", sources=False, services={"portal": url})
        assert "CERTIFICATE_VERIFY_FAILED" in asked(workspace)["portal"].cause
        bucket = url.replace("https:", "tls:")
        both = house(
            tmp_path, "postgresql://u@127.0.0.1:1/x", sources=False, services={"portal": url, "bucket": bucket}
        )
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        found = asked(both)["portal"]
        assert asked(both)["bucket"].figures.certificate_ends_at == found.figures.certificate_ends_at
    assert found.is_up, found.cause
    ends = found.figures.certificate_ends_at
    assert ends is not None
    assert ends - both.clock.now() < timedelta(days=1)
    watch_once(both)
    page = exposition(both)
    assert at(page, "ops_incidents_open", source="portal", rule="certificate_ends", severity="error") == 1
    assert at(page, "ops_probe_certificate_end_timestamp_seconds", target="portal", kind="http") == ends.timestamp()


def test_a_redis_server_is_up_for_whoever_knows_its_password(tmp_path: Path) -> None:
    with redis(tmp_path) as port:
        services = {
            "cache": f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{port}",
            "stranger": f"redis://127.0.0.1:{port}",
        }
        found = asked(house(tmp_path, "postgresql://u@127.0.0.1:1/x", sources=False, services=services))
    assert found["cache"].is_up, found["cache"].cause
    assert not found["stranger"].is_up


def test_a_server_that_is_down_is_told_and_counted_and_so_is_its_return(
    pg18: TestServer, make_house: MakeHouse, hook: Webhook, tmp_path: Path, clock: StoppedClock
) -> None:
    config = make_house({"slack": hook.url}).config
    workspace = Workspace(config.model_copy(update={"probes": Probes()}), clock)
    probe_all(workspace.config, workspace.clock, workspace.ledger)
    watch_once(workspace)
    assert "[OPS] CRITICAL crm: postgres does not answer" in hook.texts
    page = exposition(workspace)
    assert at(page, "ops_probe_up", target="crm", kind="postgres") == 0
    assert at(page, "ops_probe_latency_seconds", target="crm", kind="postgres") is None
    clock.at += timedelta(minutes=30)
    watch_once(workspace)
    assert not any("OK crm: postgres" in text for text in hook.texts), "what is old proves nothing"
    (tmp_path / "source.secret").write_text(pg18.url("postgres"), encoding="utf-8")
    probe_all(workspace.config, workspace.clock, workspace.ledger)
    watch_once(workspace)
    assert any("OK crm: postgres does not answer: recovered" in text for text in hook.texts)
    assert at(exposition(workspace), "ops_probe_up", target="crm", kind="postgres") == 1


def test_a_service_may_not_have_the_name_of_a_source(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"probes\.services\.crm.*a source has this name"):
        house(tmp_path, "postgresql://u@127.0.0.1:1/x", services={"crm": "http://127.0.0.1:1/"})


@pytest.mark.parametrize(
    ("reported", "allowed"),
    [({"current": 3, "available": 0}, None), ({}, None), ({"current": 60, "available": 4}, 64)],
)
def test_a_mongodb_that_knows_no_limit_is_not_crowded(reported: dict[str, int], allowed: int | None) -> None:
    assert mongodb._allowed(reported) == allowed
