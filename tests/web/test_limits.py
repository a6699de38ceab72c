"""Who tries passwords, asks without pause, or keeps a connection for nothing, is stopped; the others notice nothing."""

import base64
import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from ops_pipelines.web import patience
from tests.web.conftest import House, MakeHouse, Site

TOKEN = "sesame-open-42"
SECRETS = {"OPS_WEB_TOKEN": TOKEN}
GOOD = f"Bearer {TOKEN}"


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(web={"token": {"env": "OPS_WEB_TOKEN"}, "limits": {"reads": 30}})


@pytest.fixture
def site(house: House) -> Iterator[Site]:
    with house.serving(environ=SECRETS) as served:
        yield served


def ask(site: Site, method: str, path: str, **headers: str) -> tuple[int, str]:
    """The status of an answer, and when to come again."""
    where = urlsplit(site.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port or 0, timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("Retry-After", "")


def test_writing_calls_are_limited_to_ten_a_minute_and_reading_ones_to_what_is_configured(site: Site) -> None:
    written = [ask(site, "POST", "/", Authorization=GOOD) for _ in range(12)]
    assert [status for status, _ in written] == [403] * 10 + [429] * 2  # who reads changes nothing
    assert all(0 < int(again) <= 60 for _, again in written[10:])
    for method in ("PUT", "DELETE", "PATCH"):
        assert ask(site, method, "/metrics2", Authorization=GOOD)[0] == 429
    read = [ask(site, "GET", "/", Authorization=GOOD)[0] for _ in range(32)]
    assert (set(read[:30]), set(read[30:])) == ({200}, {429})
    assert {ask(site, "GET", path, Authorization=GOOD)[0] for path in ["/metrics"] * 40} == {200}
    assert 429 not in {ask(site, "GET", path)[0] for path in ["/health", "/health/crm"] * 20}


@pytest.mark.parametrize("path", ["/", "/metrics", "/nothing"])
def test_guessing_ends_after_ten_wrong_ones_even_with_the_right_one(site: Site, path: str) -> None:
    assert {ask(site, "GET", "/")[0] for _ in range(20)} == {401}  # a browser asks without first
    basic = base64.b64encode(b"ops:wrong").decode()
    for number in range(10):
        assert ask(site, "GET", path, Authorization=f"Bearer {number}" if number % 2 else f"Basic {basic}")[0] == 401
    status, again = ask(site, "GET", path, Authorization=GOOD)
    assert (status, bool(again)) == (429, True)
    assert ask(site, "GET", "/health")[0] in (200, 503)


def test_who_forwards_is_believed_only_where_it_was_written_down(make_house: MakeHouse) -> None:
    web = {"token": {"env": "OPS_WEB_TOKEN"}, "limits": {"failed_logins": 2}}
    with make_house(web=web).serving(environ=SECRETS) as site:
        # Another name for each guess wins nothing.
        tried = [
            ask(site, "GET", "/", Authorization="Bearer x", X_Forwarded_For=f"192.0.2.{each}")[0] for each in range(4)
        ]
    assert tried == [401, 401, 429, 429]
    with make_house(web={**web, "trusted_proxies": ["127.0.0.1"]}).serving(environ=SECRETS) as site:
        for client in ("192.0.2.1", "2001:db8::1"):
            assert [ask(site, "GET", "/", Authorization="Bearer x", X_Forwarded_For=client)[0] for _ in range(3)] == [
                401,
                401,
                429,
            ]
        # What a client wrote himself stands left of what the proxy added.
        assert ask(site, "GET", "/", Authorization=GOOD, X_Forwarded_For="198.51.100.9, 192.0.2.1")[0] == 429
        # One network of IPv6 is one client.
        assert ask(site, "GET", "/", Authorization=GOOD, X_Forwarded_For="2001:db8::ffff")[0] == 429
        assert ask(site, "GET", "/", Authorization=GOOD, X_Forwarded_For="192.0.2.77")[0] == 200


@pytest.mark.parametrize("proxy", ["*", "caddy", "10.0.0.0/99", ""])
def test_a_proxy_is_named_by_its_address(make_house: MakeHouse, proxy: str) -> None:
    with pytest.raises(Exception, match="no address and no network"):
        make_house(web={"trusted_proxies": [proxy]})


def connect(site: Site) -> socket.socket:
    where = urlsplit(site.url)
    opened = socket.create_connection((where.hostname or "", where.port or 0))
    opened.settimeout(patience.ANSWER_WITHIN_S + 30)
    return opened


def test_connections_that_idle_or_drip_end_and_the_others_are_answered_meanwhile(site: Site) -> None:
    """Each waits for the server to hang up, whenever that is; that it does is what is seen."""
    begun = (
        b"",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Drip: ",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health HT",
    )
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(site)) for _ in begun]
        for connection, request in zip(opened, begun, strict=True):
            connection.sendall(request)
        living = set(range(len(opened)))
        while living:
            assert ask(site, "GET", "/health")[0] in (200, 503)
            for number in sorted(living):
                if ended(opened[number], drips=number in (1, 3, 4)):
                    living.discard(number)
    assert site.stop() == 0


def ended(connection: socket.socket, *, drips: bool) -> bool:
    """Whether the server hung up; if not, one more byte is sent to it."""
    try:
        if drips:
            connection.sendall(b"a")
        connection.settimeout(0.2)
        while data := connection.recv(65536):
            assert data
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_a_head_without_end_is_refused(site: Site) -> None:
    with connect(site) as connection:
        said = b""
        try:
            for _ in range(64):
                connection.sendall(b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 4096)
            said = connection.recv(4096)
        except OSError:
            pass
    assert said == b"" or said.startswith(b"HTTP/1.1 400")
    assert ask(site, "GET", "/health")[0] in (200, 503)


@pytest.mark.parametrize("waits", [False, True])
def test_a_body_that_is_malformed_ends_its_connection_and_nothing_else(site: Site, waits: bool) -> None:
    """Whether the answer was on its way or had arrived: it is nobody's error here, and no traceback."""
    with connect(site) as connection:
        connection.sendall(b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        said = connection.recv(65536) if waits else b""
        connection.sendall(b"no number\r\n")
        while data := connection.recv(65536):
            said += data
    assert said.startswith(b"HTTP/1.1 401" if waits else b"HTTP/1.1 40")
    assert said.count(b"HTTP/1.1") == 1
    assert site.stop() == 0
    assert {each["level"] for each in site.events} <= {"info", "warning"}
    assert not [each for each in site.events if each["event"] == "request_failed"]
