"""URLs and TLS: every spelling of a server, and a clear error, without the password, for what is none or not secure."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.mysql import clients
from ops_pipelines.engines.mysql.connection import Server, Tls, options_for_programs, parse, session
from ops_pipelines.engines.mysql.server import private_server
from ops_pipelines.errors import OpsError, SourceError
from ops_pipelines.recovery.verify import verify
from tests.conftest import Made
from tests.engines.mysql.conftest import CANARY, TestServer, free_port, start_server

Protect = Callable[..., Made]
CONNECT = timedelta(seconds=5)
OFFERED = Tls(required=False)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://u:p@db.example.org/crm", ("u", "p", "db.example.org", 3306, "", "crm", OFFERED)),
        ("mariadb://u@h:3307/crm?ssl-mode=DISABLED", ("u", "", "h", 3307, "", "crm", None)),
        ("mysql+pymysql://u:p@h/crm?charset=utf8mb4", ("u", "p", "h", 3306, "", "crm", OFFERED)),
        ("mysql://u:p%40%2F%25%3A@[::1]:3306/it%27s", ("u", "p@/%:", "::1", 3306, "", "it's", OFFERED)),
        (
            "mysql://u:p@localhost/crm?unix_socket=/run/x.sock",
            ("u", "p", "localhost", 3306, "/run/x.sock", "crm", None),
        ),
        ("mysql://u@h/d?ssl=true", ("u", "", "h", 3306, "", "d", Tls())),
        ("mysql://u@h/d?ssl-mode=REQUIRED", ("u", "", "h", 3306, "", "d", Tls())),
        ("mysql://u@h/d?ssl_mode=VERIFY_IDENTITY", ("u", "", "h", 3306, "", "d", Tls(verify=True))),
        ("mysql://u@h/d?ssl_ca=/ca.pem", ("u", "", "h", 3306, "", "d", Tls(ca="/ca.pem", verify=True))),
        (
            "mysql://u@h/d?ssl_ca=/ca.pem&ssl_verify=false",
            ("u", "", "h", 3306, "", "d", Tls(ca="/ca.pem", verify=False)),
        ),
    ],
)
def test_what_a_url_means(url: str, expected: tuple[object, ...]) -> None:
    user, password, host, port, wire, database, tls = expected
    server = parse(url, connect=CONNECT)
    seen = (server.user, server.password, server.host, server.port, server.socket, server.database, server.tls)
    assert seen == (user, password, host, port, wire, database, tls)
    assert parse(server.url(), connect=CONNECT) == server


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:se@h?a=cret@h/d",
        "mysql://u:se/cret%40@h/d",
        "mysql://u:secret@[::1/d",
        "mysql://u:secret@h:99999/d",
        "mysql://u:secret@h/d?ssl=perhaps",
        "postgresql://u:secret@h/d",
        "u:secret@h/d",
        "u:secret@tcp(h:3306)/d",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_telling_its_password(url: str) -> None:
    with pytest.raises(SourceError, match=r"cannot be read|not understood: ssl") as caught:
        parse(url, connect=CONNECT)
    said = str(caught.value)
    assert "secret" not in said and "'se" not in said


FOREIGN = [
    "postgresql://localhost/x", "postgresql://[::1/x", "mongodb://a,b/x", "mongodb+srv://a/x", "file:///tmp/x",
    "s3://bucket/x", "host=localhost dbname=x", "://", "",
]  # fmt: skip


@pytest.mark.parametrize("target", FOREIGN)
def test_what_is_of_another_kind_is_not_the_source(mariadb: TestServer, protect: Protect, target: str) -> None:
    assert not protect(mariadb.url(mariadb.new_database())).workspace.config.engine("crm").is_source(target)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestServer, Path]]:
    """A server that admits nobody without TLS from the network, and its certificate, which is for `localhost`."""
    folder = tmp_path_factory.mktemp("tls")
    certificate = certificate_for("localhost", folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "ssl_cert": str(certificate), "ssl_key": str(folder / "localhost.key"), "require_secure_transport": "1",
    }  # fmt: skip
    program = clients.for_server(clients.MARIADB, (10, 3))
    with (
        TemporaryDirectory(prefix="ops-tls-") as name,
        private_server(program, Path(name), user="boss", password=CANARY, port=port, settings=settings) as server,
    ):
        made = TestServer(Path(name), server)
        made.sql("create database crm")
        made.sql("create table t (a int)", "insert into t values (1)", database="crm")
        yield made, certificate


def certificate_for(name: str, folder: Path) -> Path:
    """A self-signed certificate, and its key beside it."""
    certificate = folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name}", "-keyout", folder / f"{name}.key", "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate


def by_network(server: TestServer, **changes: object) -> Server:
    """The server by TCP."""
    plain = replace(server.root, host="localhost", socket="", database="crm", password=CANARY)
    return replace(plain, **changes)  # type: ignore[arg-type]


def refused(made: Made) -> str:
    """What a backup that fails says; nothing is published."""
    with pytest.raises(OpsError) as caught:
        take_backup(made.workspace, "crm")
    assert not made.workspace.catalogue("crm").points
    assert CANARY not in str(caught.value)
    return caught.value.why


@pytest.mark.parametrize("verified", [True, False])
def test_a_backup_through_tls(tls: tuple[TestServer, Path], protect: Protect, verified: bool) -> None:
    server, certificate = tls
    secure = Tls(ca=str(certificate), verify=True) if verified else Tls()
    workspace = protect(by_network(server, tls=secure).url(), copies=[]).workspace
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    assert verify(workspace, point).outcome == "verified"


@pytest.mark.parametrize(
    "words",
    ["", "sslmode=require", "tls=skip-verify", "tls=preferred", "sslaccept=accept_invalid_certs", "useSSL=true",
     "ssl-mode=REQUIRED",
     'ssl={"rejectUnauthorized":false}', "sslaccept=strict&sslcert={ca}", "tls=true&ssl-ca={ca}"],
)  # fmt: skip
def test_other_drivers_words_of_tls_are_understood(tls: tuple[TestServer, Path], words: str) -> None:
    server, certificate = tls
    password = quote(CANARY, safe="")
    where = f"{server.root.user}:{password}@localhost:{server.root.port}/crm"
    url = f"mysql+pymysql://{where}?charset=utf8mb4&{words.replace('{ca}', str(certificate))}"
    asked = parse(url, connect=CONNECT)
    with session(asked, limit=CONNECT) as opened:
        assert opened.variables("have_ssl") == {"have_ssl": "YES"}
        assert opened.certificate() is not None
    with options_for_programs(asked) as options:
        program = clients.for_restore(clients.MARIADB, (10, 3)).path
        asking = [program, options, "-BNe", "show status like 'Ssl_cipher'"]
        done = subprocess.run(asking, capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) == 2, "mariadb speaks it, too"


@pytest.mark.parametrize("words", ["tls=true", "sslaccept=strict"])
def test_a_driver_that_checks_certificates_is_not_talked_out_of_it(
    tls: tuple[TestServer, Path], protect: Protect, words: str
) -> None:
    server, _certificate = tls
    url = f"mysql://{server.root.user}:{quote(CANARY, safe='')}@localhost:{server.root.port}/crm?{words}"
    assert "certificate" in refused(protect(url, copies=[]))


def test_somebody_elses_certificate_is_refused(tls: tuple[TestServer, Path], protect: Protect, tmp_path: Path) -> None:
    server, _certificate = tls
    other = Tls(ca=str(certificate_for("localhost", tmp_path)), verify=True)
    assert "certificate" in refused(protect(by_network(server, tls=other).url(), copies=[]))


def test_a_certificate_for_another_name_is_refused(tls: tuple[TestServer, Path], protect: Protect) -> None:
    server, certificate = tls
    elsewhere = by_network(server, tls=Tls(ca=str(certificate), verify=True), host="127.0.0.1")
    assert "127.0.0.1" in refused(protect(elsewhere.url(), copies=[]))


def test_a_server_that_wants_tls_is_not_reached_without(tls: tuple[TestServer, Path], protect: Protect) -> None:
    server, _certificate = tls
    said = refused(protect(by_network(server, tls=None).url(), copies=[]))
    assert "Access denied" in said or "insecure transport" in said, "as MariaDB 10.11 and 11.8 put it"


def test_a_server_whose_tls_is_too_old_is_reached_without_once_that_is_said(tmp_path: Path, protect: Protect) -> None:
    certificate = certificate_for("localhost", tmp_path)
    settings = {"ssl_cert": str(certificate), "ssl_key": str(tmp_path / "localhost.key"), "tls_version": "TLSv1.1"}
    with start_server(clients.MARIADB, (10, 3), port=free_port(), **settings) as server:
        name = server.new_database()
        server.sql("create table t (a int)", "insert into t values (1)", database=name)
        url = f"mysql://boss:{quote(CANARY, safe='')}@127.0.0.1:{server.root.port}/{name}"
        made = protect(url, copies=[])
        with pytest.raises(SourceError) as caught:
            take_backup(made.workspace, "crm")
        assert "SSL" in caught.value.why and "ssl-mode=DISABLED" in caught.value.next
        workspace = protect(f"{url}?ssl-mode=DISABLED", copies=[], directory="again").workspace
        take_backup(workspace, "crm")
        point = workspace.catalogue("crm").newest
        assert point is not None and verify(workspace, point).outcome == "verified"


def test_a_server_without_tls_gets_no_password_from_who_asks_for_it(mariadb: TestServer, protect: Protect) -> None:
    asked = replace(mariadb.root.at(mariadb.new_database()), tls=Tls())
    assert "SSL" in refused(protect(asked.url(), copies=[]))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST", "127.1"])
def test_the_source_is_known_by_every_spelling_of_its_server(
    tls: tuple[TestServer, Path], protect: Protect, host: str
) -> None:
    server, _certificate = tls
    workspace = protect(by_network(server, tls=Tls()).url(), copies=[]).workspace
    engine = workspace.config.engine("crm")
    target = by_network(server, tls=Tls(), host=host)
    assert engine.is_source(target.url())
    assert engine.is_source(replace(server.root, database="crm").url()), "by its socket"
    assert not engine.is_source(target.at("CRM").url()), "names are told apart by case here"
    assert not engine.is_source(target.at("crm2").url())


@pytest.mark.parametrize("query", ["", "?ssl-mode=DISABLED", "?ssl-mode=REQUIRED"])
def test_a_program_that_fails_warns_of_no_option_of_ours(query: str) -> None:
    server = parse(f"mysql://u:p@127.0.0.1:{free_port()}/x{query}", connect=timedelta(seconds=5))
    for program in clients.installed("dump"):
        with options_for_programs(server, program.product) as options:
            done = subprocess.run([program.path, options, "x"], capture_output=True, text=True, check=False)
        assert done.returncode and "unknown" not in done.stderr, done.stderr
