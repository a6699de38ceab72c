"""Whatever is sent to `ops serve`, it answers what HTTP knows for that, never 500, and goes on answering the others.

The server is the real one. Requests are put together from what is right, what is wrong and what is noise, and written
to its socket: sound ones, malformed ones, several in one packet, cut off, with a body where none belongs.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from random import Random
from select import select
from threading import Thread
from urllib.parse import urlsplit

import psutil

from tests.faults.conftest import wait_until
from tests.faults.mutate import torn
from tests.faults.tries import chance, long_run, tries
from tests.web.conftest import MakeHouse, Site
from tests.web.conftest import make_house as make_site  # noqa: F401 - a fixture

TOKEN = "sesame-open-42"
WEB = {
    "token": {"env": "OPS_WEB_TOKEN"},
    "basic": {"user": "ops", "password": {"env": "OPS_WEB_PASSWORD"}},
    "legacy_metrics": [{"path": "/old/metrics", "prefix": "old_", "source": "crm"}],
    "limits": {"reads": 10**6, "writes": 10**6, "failed_logins": 10**6},
    "trusted_proxies": ["127.0.0.1"],
}
SECRETS = {"OPS_WEB_TOKEN": TOKEN, "OPS_WEB_PASSWORD": "password"}
KNOWN = {200, 307, 400, 401, 403, 404, 405, 503}
ROOM = 64 * 2**20
_CHEAP = 100
"""A request costs a thousandth of a killed process: the long run sends more of them."""


def test_whatever_a_client_sends_is_answered_and_the_others_notice_nothing(make_site: MakeHouse) -> None:  # noqa: F811
    house = make_site("crm", "forge", web=WEB)
    house.holds("crm", "verified")
    random = chance("requests")
    with house.serving(environ=SECRETS) as site, logging(site):
        process = psutil.Process(site.process.pid)
        for path in PATHS * 3:
            exchange(site, written("GET", path, [("Authorization", f"Bearer {TOKEN}")]))
        before, files = process.memory_info().rss, process.num_fds()
        for number in range(tries(600) * (_CHEAP if long_run() else 1)):
            sent = packet(random)
            first = random.randrange(len(sent) + 1) if random.random() < 0.2 else 0
            for status, said in exchange(site, sent, first=first):
                # 503 is what /health says of sources that cannot be reached.
                assert status in KNOWN and b"Traceback" not in said, (number, status, said, sent)
        assert site.get("health").json["services"]
        assert site.get("metrics", Authorization=f"Bearer {TOKEN}").status == 200
        assert process.memory_info().rss < before + ROOM
        wait_until(lambda: process.num_fds() <= files)
        process.terminate()
        assert site.process.wait(timeout=60) == 0
    # Each line of the log is one of ours: nothing was printed beside it, and nothing failed.
    assert [each for each in site.events if each["level"] == "error" or "exception" in each] == []


@contextmanager
def logging(site: Site) -> Iterator[None]:
    """Read what the server logs, lest it wait for a reader; all of it is there when the block has ended the server."""
    assert site.process.stderr is not None
    reader = Thread(target=site.log.extend, args=[site.process.stderr], daemon=True)
    reader.start()
    yield
    reader.join()


METHODS = (
    *("GET",) * 8, "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "G\xc9T", "", "*",
    "PROPFIND", "X" * 300,
)  # fmt: skip
PATHS = ["/", "/metrics", "/old/metrics", "/health", "/health/crm", "/health/ledger", "/health/db", "/health/nas"]
ODD_PATHS = (
    "", "*", "//", "/metrics/", "/health/", "/health//", "/health/%2e%2e/", "/health/%00", "/health/%ff%fe", "/%",
    "/%zz", "/../../etc/passwd", "/health/\xe9", "http://localhost/metrics", "http://[/health", "https://example.org:99999/",
    "/metrics?x=%", "/metrics?" + "a=b&" * 2000, "/health/" + "a" * 9000, "/metrics#x", "\\metrics", "/health/crm;x",
    "/health/\u0661", "localhost:80",
)  # fmt: skip
TOKENS = (
    f"Bearer {TOKEN}", f"Bearer {TOKEN}", "Bearer x", "Bearer", "Basic", "Basic b3BzOnBhc3N3b3Jk", "Basic =",
    "Basic \xe9", "Basic b3BzO", "Digest username=x", "\x80", "Bearer \xff\xfe",
)  # fmt: skip
TYPES = (
    "application/openmetrics-text", "text/plain", "text/*", "*/*", "text/html", "*", "/", "application/", "\xe9/x", "",
    ",", ";", '"',
)  # fmt: skip
WEIGHTS = (
    "", ";q=0.5", ";q=", ";q=nan", ";q=-inf", ";q=1e999", ";q*=a", ";q*0=1;q*1=2", ";q*=a;q*1=b", ";q*=x''%ff", ';q="1',
    ";q*" + "9" * 5000 + "=1", ";version=1.0.0", ";charset=x'y'z", "; =", ";q=0.5;q=1", ";" * 3000,
)  # fmt: skip
FORWARDED = (
    "127.0.0.1", "192.0.2.1", "fe80::1%eth0", "[::1]:80", "::ffff:192.0.2.1", "unknown", "", ",", "a, b, c", "\xe9",
    "192.0.2.1, 127.0.0.1", ", " * 500, "1" * 5000,
)  # fmt: skip
HOSTS = (
    "localhost", "127.0.0.1:8700", "[::1]", "[", "a b", "", "example.org", "localhost:99999", "localhost:\xb2", "\xe9",
)  # fmt: skip
OTHERS = (
    ("Connection", "close"), ("Connection", "keep-alive, Upgrade"), ("Upgrade", "websocket"), ("Upgrade", "h2c"),
    ("Expect", "100-continue"), ("Expect", "x"), ("Content-Length", "5"), ("Content-Length", "-1"),
    ("Content-Length", "99999999999999999999"), ("Content-Length", "5, 6"), ("Transfer-Encoding", "chunked"),
    ("Transfer-Encoding", "gzip, chunked"), ("Range", "bytes=0-0,1-1"), ("X-Request-ID", "a" * 64),
    ("X-Request-ID", "a b\x7f"), ("Cookie", "\xff" * 100), ("X-Forwarded-Proto", "wss"), ("X-Forwarded-Proto", "\xe9"),
    ("If-None-Match", "*"), ("Accept-Encoding", "gzip;q=nan"), ("", "x"), ("a b", "x"), ("X-Long", "a" * 20_000),
)  # fmt: skip
BODIES = (b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1\r\n", b"\0" * 1000, b"{" * 5000)


def packet(random: Random) -> bytes:
    """What one client writes: most of it is a request, some of it several, torn or nothing of the kind."""
    requests = [request(random) for _ in range(random.choice((1, 1, 1, 1, 2, 5)))]
    content = b"".join(requests)
    return torn(random, content) if random.random() < 0.25 else content


def request(random: Random) -> bytes:
    """One request."""
    path = random.choice(PATHS) if random.random() < 0.6 else random.choice(ODD_PATHS)
    headers: list[tuple[str, str | bytes]] = [("Host", random.choice(HOSTS))] if random.random() < 0.4 else []
    if random.random() < 0.8:
        headers.append(("Authorization", f"Bearer {TOKEN}" if random.random() < 0.6 else random.choice(TOKENS)))
    if random.random() < 0.6:
        offers = [random.choice(TYPES) + random.choice(WEIGHTS) for _ in range(random.choice((1, 2, 6)))]
        headers.append(("Accept", ",".join([*(["application/openmetrics-text"] * random.choice((0, 1))), *offers])))
    if random.random() < 0.4:
        headers.append(("X-Forwarded-For", random.choice(FORWARDED)))
    headers += random.choices(OTHERS, k=random.choice((0, 0, 1, 2)))
    random.shuffle(headers)
    return written(
        random.choice(METHODS), path, headers, random.choice(BODIES) if random.random() < 0.3 else b"", random
    )


def written(
    method: str, path: str, headers: Sequence[tuple[str, str | bytes]], body: bytes = b"", random: Random | None = None
) -> bytes:
    """A request's bytes. It names a host, unless the headers do."""
    version = random.choice(("1.1", "1.1", "1.1", "1.1", "1.0", "0.9", "2.0", "x")) if random else "1.1"
    lines: list[bytes] = [raw(f"{method} {path} HTTP/{version}")]
    if not any(name == "Host" for name, _ in headers):
        lines.append(b"Host: localhost")
    lines += [raw(name) + b": " + (value if isinstance(value, bytes) else raw(value)) for name, value in headers]
    return b"\r\n".join([*lines, b"", body])


def raw(text: str) -> bytes:
    """One byte a character where that is possible."""
    return text.encode("latin-1", errors="replace")


def exchange(site: Site, sent: bytes, *, first: int = 0) -> list[tuple[int, bytes]]:
    """Write all of it, say that no more comes, and read until the server hangs up: each answer's status and body.

    Args:
        first: so many bytes go ahead, and the others wait a moment for an answer to those.
    """
    where = urlsplit(site.url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=60) as connection:
        said = b""
        try:
            if first:
                connection.sendall(sent[:first])
                said += connection.recv(65536) if select([connection], [], [], 0.05)[0] else b""
            connection.sendall(sent[first:])
            with suppress(OSError):  # it may have hung up
                connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65536):
                said += data
        except ConnectionError:
            pass  # refused before all of it was read
    return list(answers(said))


def answers(said: bytes) -> Iterator[tuple[int, bytes]]:
    """Take apart what came back; what is no HTTP is status 0."""
    while said:
        head, ended, rest = said.partition(b"\r\n\r\n")
        words = head.split(b" ", 2)
        if not ended or words[0] not in (b"HTTP/1.1", b"HTTP/1.0") or not words[1].isdigit():
            yield 0, said
            return
        status = int(words[1])
        yield status, rest.split(b"HTTP/1.1 ", 1)[0]
        found = rest.find(b"HTTP/1.1 ")
        said = rest[found:] if found >= 0 else b""
