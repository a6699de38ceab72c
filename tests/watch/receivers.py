"""Receivers as they are out there: Slack's webhook contract over HTTP, an SMTP server with STARTTLS and a login."""

import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SECRET_PATH = "/services/T00CANARY/B00CANARY/xoxCanaryHook77"


@dataclass
class Answer:
    """What a webhook answers.

    Attributes:
        wait: called before it; blocks for as long as the test wants.
    """

    status: int = 200
    body: str = "ok"
    headers: dict[str, str] = field(default_factory=dict)
    wait: Callable[[], object] = lambda: None


@dataclass
class Webhook:
    """A webhook: what was posted to it, and what it answers: each of `answers` once, then "ok"."""

    port: int
    bodies: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    always: Answer = field(default_factory=Answer)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Its secret address."""
        return f"http://127.0.0.1:{self.port}{SECRET_PATH}"

    @property
    def texts(self) -> list[str]:
        """The subjects it accepted."""
        return [str(body["text"]).splitlines()[0] for body in self.bodies]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A receiver that speaks Slack's contract."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with found.lock:
                answer = found.answers.pop(0) if found.answers else found.always
                found.asked.append(self.path)
            answer.wait()
            if answer.status == 200 and answer.body == "ok":
                with found.lock:
                    found.bodies.append(body)
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body.encode())
            except OSError:
                return  # whoever asked was killed, or has given up

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that was killed is no error."""

    with Server(("127.0.0.1", 0), Handler) as server:
        found = Webhook(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()


@dataclass
class Mailbox:
    """An SMTP server and what it took."""

    port: int
    letters: list[EmailMessage] = field(default_factory=list)
    to: list[list[str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    refuse: str = ""
    unknown: Sequence[str] = ()

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Envelope, address: str, options: Any
    ) -> str:
        """Take or refuse a recipient."""
        if address in self.unknown:
            return "550 unknown"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 known"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        """Take a letter."""
        if self.refuse:
            return self.refuse
        assert isinstance(envelope.content, bytes)
        self.letters.append(cast(EmailMessage, message_from_bytes(envelope.content, policy=default)))
        self.to.append(list(envelope.rcpt_tos))
        self.encrypted.append(session.ssl is not None)
        return "250 taken"

    @property
    def subjects(self) -> list[str]:
        """What it took."""
        return [str(letter["Subject"]).strip() for letter in self.letters]


@contextmanager
def mailbox(
    *, tls: Path | None = None, implicit: bool = False, user: str = "", password: str = ""
) -> Iterator[Mailbox]:
    """An SMTP server on loopback.

    Args:
        tls: a PEM file with key and certificate; STARTTLS is then offered, and a login only below it.
        implicit: TLS from the first byte instead.
        user: whose login is required, with `password`.
    """
    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)

    def authenticate(_server: object, _session: object, _envelope: object, _mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode()) == (user, password)
        return AuthResult(success=right, handled=False)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found = Mailbox(probe.getsockname()[1])
    options: dict[str, Any] = {"tls_context": context, "require_starttls": context is not None}
    if implicit:
        # aiosmtpd cannot see this encryption from within, so it would allow no login.
        options = {"ssl_context": context, "auth_require_tls": False}
    if user:
        options |= {"authenticator": authenticate, "auth_required": True}
    controller = Controller(found, hostname="127.0.0.1", port=found.port, **options)
    controller.start()
    try:
        yield found
    finally:
        controller.stop()


def certificate(directory: Path) -> Path:
    """A PEM file with a key and a self-signed certificate for 127.0.0.1, its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path = directory / "mail.pem"
    path.write_bytes(pem + signed.public_bytes(serialization.Encoding.PEM))
    return path
