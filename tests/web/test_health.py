"""`/health`: open to all, quick, and 503 when anything is not as it should be."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import func, select

from ops_pipelines import __version__
from ops_pipelines.ledger.models import Evaluation
from ops_pipelines.watch.report import renew_report
from ops_pipelines.watch.snapshots import Seen, look, snapshots
from ops_pipelines.web.services import Service, Services
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.watch.outside import wait_for
from tests.web.conftest import CANARY, House, MakeHouse

VERSION = {"app": "ops_pipelines", "version": __version__}
TOKEN = {"token": {"env": "OPS_WEB_TOKEN"}}


def unwell(found: list[Service]) -> set[str]:
    return {each.service for each in found if not each.healthy}


def after(house: House, passed: timedelta) -> Services:
    return Services(Workspace(house.workspace.config, StoppedClock(house.workspace.clock.now() + passed)))


@contextmanager
def answering(reply: bytes) -> Iterator[int]:
    """A Redis that has one answer to everything; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _peer = server.accept()
                except OSError:
                    return
                with connection:
                    while connection.recv(1024):
                        connection.sendall(reply)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def graphql(answer: object) -> Iterator[str]:
    """A web server that answers every POST with one document; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_all_is_well_and_anybody_may_know(make_house: MakeHouse, ledger_url: str) -> None:
    house = make_house(ledger=ledger_url, web=TOKEN)
    house.holds("crm", "verified")
    look(house.workspace)
    with house.serving(environ={"OPS_WEB_TOKEN": "sesame-open"}) as site:
        answer, one, db = site.get("health"), site.get("health/crm"), site.get("health/db")
    assert (answer.status, answer.json["status"], answer.json["version"]) == (200, "healthy", VERSION)
    assert [each["service"] for each in answer.json["services"]] == ["ledger", "crm", "local", "nas"]
    assert all(set(each) == {"service", "healthy", "latency_ms"} for each in answer.json["services"])
    assert (one.status, [each["service"] for each in one.json["services"]]) == (200, ["crm"])
    assert (db.status, [each["service"] for each in db.json["services"]]) == (200, ["ledger"])
    assert db.json["latency_ms"] == db.json["services"][0]["latency_ms"] > 0


def test_without_a_daemon_what_is_served_is_true_at_once(make_house: MakeHouse) -> None:
    house = make_house()
    house.holds("crm", "verified")
    with house.serving() as site:
        wait_for(lambda: site.get("health").status == 200)
        assert 'ops_last_db_dump_age_minutes{source="crm"} +Inf' not in site.get("metrics").text
    house.holds("crm", "verified")
    renew_report(house.workspace)
    with house.workspace.ledger.session() as session:
        (snapshot,) = snapshots(session, ["crm"], Seen)
    assert snapshot.seen is not None and snapshot.seen.restore_points == 2, "who writes the report keeps what it saw"
    assert snapshot.watched_at is None, "and is no daemon"


def test_one_broken_source_is_503_and_the_others_are_not(make_house: MakeHouse) -> None:
    house = make_house("crm", "forge")
    house.holds("crm", "verified")
    house.holds("forge", "bad", detail=f"password={CANARY}")
    look(house.workspace)
    with house.serving() as site:
        answer = site.get("health")
        assert answer.status == 503
        assert [each["service"] for each in answer.json["services"] if not each["healthy"]] == ["forge"]
        assert (site.get("health/forge").status, site.get("health/crm").status) == (503, 200)
        assert site.get("health/nobody").status == 404
    assert CANARY not in answer.text


def test_what_was_seen_is_not_believed_for_ever(make_house: MakeHouse) -> None:
    house = make_house()
    house.holds("crm", "verified")
    look(house.workspace)
    assert unwell(after(house, timedelta(minutes=9)).check()) == set()
    assert unwell(after(house, timedelta(minutes=11)).check()) == {"crm", "local", "nas"}


def test_an_rpo_that_breaks_between_two_looks_is_noticed(make_house: MakeHouse) -> None:
    house = make_house(web={"stale_after": "48h"})
    house.holds("crm", "verified")
    look(house.workspace)
    assert unwell(after(house, timedelta(hours=23)).check()) == set()
    assert unwell(after(house, timedelta(hours=25)).check()) == {"crm"}


def test_a_store_that_could_not_be_read_is_unwell(make_house: MakeHouse) -> None:
    house = make_house()
    house.holds("crm", "verified")
    (house.folder / "nas").rename(house.folder / "away")
    (house.folder / "nas").write_text("not a directory", encoding="utf-8")
    look(house.workspace)
    assert "nas" in unwell(after(house, timedelta(0)).check())


def watchman_was_here(house: House) -> bool:
    """Whether `ops serve` has looked around once."""
    with house.workspace.ledger.session() as session:
        return session.scalar(select(func.count()).where(Evaluation.part == "daemon")) == 1


def test_without_its_ledger_nothing_is_known_and_it_answers_all_the_same(make_house: MakeHouse) -> None:
    house = make_house()
    house.holds("crm", "verified")
    look(house.workspace)
    with house.serving() as site:
        assert site.get("health").status == 200
        wait_for(lambda: watchman_was_here(house))  # who writes at this moment would die of it, or mend it
        for path in (house.folder / "base").glob("ledger.sqlite*"):
            path.write_bytes(b"no database at all, and long enough for somebody to look at" * 100)
        answer = site.get("health")
        metrics = site.get("metrics")
    assert answer.status == 503
    assert not any(each["healthy"] for each in answer.json["services"])
    assert metrics.status == 503
    assert "ledger" in metrics.text


@pytest.mark.parametrize(("reply", "well"), [(b"+PONG\r\n", True), (b"-NOAUTH Authentication required.\r\n", False)])
def test_redis_is_asked_when_it_is_configured(make_house: MakeHouse, reply: bytes, well: bool) -> None:
    with answering(reply) as port:
        house = make_house(web={"redis": f"redis://127.0.0.1:{port}/0"})
        (found,) = Services(house.workspace).check("redis")
    assert found.healthy is well


def test_redis_that_takes_the_connection_and_is_silent_costs_seconds_and_no_more(make_house: MakeHouse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        house = make_house(web={"redis": f"redis://127.0.0.1:{silent.getsockname()[1]}/0"})
        (found,) = Services(house.workspace).check("redis")
    assert not found.healthy
    assert found.latency_ms > 1000


@pytest.mark.parametrize(
    ("answer", "well"), [({"data": {"version": "1.13"}}, True), ({"errors": []}, False), ([1], False)]
)
def test_dagster_is_asked_over_graphql(make_house: MakeHouse, answer: object, well: bool) -> None:
    with graphql(answer) as url:
        house = make_house(alerts={"dagster_url": url})
        assert Services(house.workspace).check("dagster")[0].healthy is well
    assert unwell(Services(house.workspace).check("dagster")) == {"dagster"}
