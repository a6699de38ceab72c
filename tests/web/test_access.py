"""Nobody reads what is not theirs, and a server that cannot start says why."""

import base64
import socket

import pytest

from ops_pipelines import redact
from ops_pipelines.watch.snapshots import look
from tests.web.conftest import CANARY, MakeHouse

TOKEN = "sesame-open-42"
WEB = {"token": {"env": "OPS_WEB_TOKEN"}, "basic": {"user": "ops", "password": {"env": "OPS_WEB_PASSWORD"}}}
SECRETS = {"OPS_WEB_TOKEN": TOKEN, "OPS_WEB_PASSWORD": "pass:word é"}


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def test_a_token_or_a_password_opens_everything_and_nothing_else_does(make_house: MakeHouse) -> None:
    limits = {"failed_logins": 1000}
    house = make_house(web={**WEB, "legacy_metrics": [{"path": "/old", "prefix": "old_"}], "limits": limits})
    look(house.workspace)
    with house.serving("--host", "0.0.0.0", environ=SECRETS) as site:
        site.url = site.url.replace("0.0.0.0", "127.0.0.1")
        for path in ("", "metrics", "old", "nothing"):
            expected = 404 if path == "nothing" else 200
            for good in (f"Bearer {TOKEN}", f"bearer {TOKEN}", basic("ops", "pass:word é")):
                assert site.get(path, Authorization=good).status == expected, (path, good)
            for wrong in (
                "", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}",
                basic("ops", TOKEN), basic("", "pass:word é"), basic("ops", ""), "Basic !!!", "Basic é",
            ):  # fmt: skip
                answer = site.get(path, Authorization=wrong)
                assert answer.status == 401, (path, wrong)
                assert "WWW-Authenticate".lower() in answer.headers or "WWW-Authenticate" in answer.headers
                assert "crm" not in answer.text
        assert site.get("health", Authorization="").status in (200, 503)
        site.get("metrics?token=canary-in-the-query", Authorization=f"Bearer {TOKEN}")
        assert site.stop() == 0
    logged = "\n".join(site.log)
    assert TOKEN not in logged
    assert "pass:word" not in logged
    assert "canary-in-the-query" not in logged


def test_credentials_are_asked_for_on_loopback_too_once_there_are_any(make_house: MakeHouse) -> None:
    with make_house(web=WEB).serving(environ=SECRETS) as site:
        assert site.get("metrics").status == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "ops.example"])
def test_it_refuses_to_be_open_to_others_without_credentials(make_house: MakeHouse, host: str) -> None:
    status, said = make_house().refused("--host", host)
    assert status == 3
    assert "web.token" in said


def test_a_missing_secret_is_named(make_house: MakeHouse) -> None:
    status, said = make_house(web=WEB).refused()
    assert status == 2
    assert "OPS_WEB_TOKEN is not set" in said


def test_a_browser_that_was_sent_here_under_another_name_is_turned_away(make_house: MakeHouse) -> None:
    with make_house().serving() as site:
        assert site.get("metrics", Host="evil.example").status == 403
        assert site.get("metrics", Host="localhost:8700").status == 200


def test_a_taken_port_is_said_so(make_house: MakeHouse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, said = make_house().refused("--port", str(taken.getsockname()[1]))
    assert status == 2
    assert "cannot be listened on" in said
    assert "in use" in said
    assert "Traceback" not in said


def test_a_metrics_path_may_not_be_one_of_ours_nor_a_source_unknown(make_house: MakeHouse) -> None:
    for wrong, said in (
        ({"path": "/metrics", "prefix": "a_"}, "is taken"),
        ({"path": "/a", "prefix": "a_", "source": "crx"}, "no source is called 'crx'"),
    ):
        with pytest.raises(Exception, match=said):
            make_house(web={"legacy_metrics": [wrong]})


def test_no_secret_is_anywhere(make_house: MakeHouse) -> None:
    house = make_house("crm", "forge")
    house.holds("crm", "bad", detail=f"connection to postgresql://boss:{CANARY}@db refused, password={CANARY}")
    redact.register(CANARY)  # as the engine does when it connects; the server knows nothing of it
    look(house.workspace)
    with house.serving() as site:
        everything = "".join(site.get(path).text for path in ("", "metrics", "health", "health/crm"))
        site.stop()
    assert "refused" in everything
    for secret in (CANARY, "canary"):
        assert secret not in everything
        assert secret not in "".join(site.log)
    for path in (house.folder / "base").glob("ledger.sqlite*"):
        assert b"canary" not in path.read_bytes()
