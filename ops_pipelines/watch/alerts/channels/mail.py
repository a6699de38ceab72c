"""E-mail through an SMTP server. Passwords and messages leave this machine encrypted, or not at all.

`smtp://user:password@host:587/?from=a@x&to=b@x,c@x` upgrades with STARTTLS, `smtps://…:465` speaks TLS from the first
byte; `mailto:b@x?from=a@x` hands over to the server of this machine. `ca=/path` names the authority of a private
certificate, `tls=none` allows a server in the network that has none.
"""

import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from urllib.parse import parse_qs, unquote

from ops_pipelines import text
from ops_pipelines.errors import OpsError
from ops_pipelines.redact import parts_of
from ops_pipelines.watch.alerts.channels.base import TIMEOUT_S, NotDelivered, bounded, is_this_machine
from ops_pipelines.watch.alerts.message import Message

_PORTS = {"smtp": 587, "smtps": 465, "mailto": 25}


class BadAddress(OpsError):
    """The URL of a mail channel does not say where to send what."""


@dataclass(frozen=True)
class Mail:
    """An SMTP server and who gets mail through it.

    Attributes:
        implicit_tls: TLS from the first byte.
        plain_allowed: the server need not offer encryption.
    """

    host: str
    port: int
    user: str
    password: str
    sender: str
    to: Sequence[str]
    implicit_tls: bool
    plain_allowed: bool
    ca_file: str | None

    @classmethod
    def of(cls, url: str) -> "Mail":
        """From a channel's URL. Raises BadAddress."""
        if (parts := parts_of(url)) is None:
            raise BadAddress(
                "the URL of the mail channel cannot be read",
                why="user, host and port cannot be separated",
                next="in user and password write @ : / ? # % as %40 %3A %2F %3F %23 %25",
            )
        try:
            options = {name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=True).items()}
        except ValueError:
            raise BadAddress(
                "the URL of the mail channel cannot be read", why="what follows the ? is not like from=a@x&to=b@x"
            ) from None
        port = parts.port
        scheme, host = parts.scheme.removesuffix("s") if parts.scheme == "mailtos" else parts.scheme, parts.hostname
        written_to = options.get("to") or (unquote(parts.path) if scheme == "mailto" and host is None else "")
        to = [address for _, address in getaddresses([written_to]) if "@" in address]
        if not to or (scheme != "mailto" and host is None):
            raise BadAddress(
                "the URL of the mail channel names no server or no recipient",
                next="smtp://user:password@host:587/?from=ops@example.com&to=you@example.com",
            )
        return cls(
            host=host or "localhost",
            port=port or (_PORTS[scheme] if host is None or scheme != "mailto" else 587),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            sender=options.get("from") or to[0],
            to=to,
            implicit_tls=parts.scheme in ("smtps", "mailtos"),
            plain_allowed=options.get("tls") == "none" or is_this_machine(host or "localhost"),
            ca_file=options.get("ca"),
        )

    def send(self, message: Message) -> str:
        """Hand a message over to the server. Raises NotDelivered."""
        return bounded(lambda: self._send(message))

    def _send(self, message: Message) -> str:
        try:
            with self._connected() as server:
                if self.user:
                    server.login(self.user, self.password)
                refused = server.send_message(self._letter(message), self.sender, list(self.to))
        except smtplib.SMTPRecipientsRefused as error:
            raise NotDelivered(f"every recipient was refused: {_first(error.recipients)}", again=False) from None
        except smtplib.SMTPResponseException as error:
            said = _decoded(error.smtp_error)
            raise NotDelivered(f"answered {error.smtp_code} {said}", again=400 <= error.smtp_code < 500) from None
        except ConnectionRefusedError as error:
            raise NotDelivered(f"{self.host}:{self.port} cannot be reached: {error.strerror}", again=True) from None
        except (OSError, smtplib.SMTPException) as error:
            # smtplib calls it a closed connection when a server that was reached says nothing.
            if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
                raise NotDelivered(f"{self.host}:{self.port} did not answer in time", again=False) from None
            raise NotDelivered(f"{self.host}:{self.port}: {error}", again=False) from None
        return f"accepted for {', '.join(each for each in self.to if each not in refused)}" + (
            f"; refused: {_first(refused)}" if refused else ""
        )

    def _connected(self) -> smtplib.SMTP:
        """An encrypted connection, unless a plain one is allowed."""
        context = ssl.create_default_context(cafile=self.ca_file)
        # smtplib would look up our full name, which can take longer than the mail.
        name = socket.gethostname()
        if self.implicit_tls:
            return smtplib.SMTP_SSL(self.host, self.port, name, timeout=TIMEOUT_S, context=context)
        server = smtplib.SMTP(self.host, self.port, name, timeout=TIMEOUT_S)
        server.ehlo_or_helo_if_needed()
        if server.has_extn("starttls"):
            server.starttls(context=context)
        elif not self.plain_allowed:
            server.close()
            raise NotDelivered(
                f"{self.host}:{self.port} offers no STARTTLS; nothing was sent in the clear",
                again=False,
                next="use smtps://, or allow it with ?tls=none",
            )
        return server

    def _letter(self, message: Message) -> EmailMessage:
        letter = EmailMessage()
        letter["Subject"] = text.line(message.subject)
        letter["From"] = self.sender
        letter["To"] = ", ".join(self.to)
        letter["Date"] = format_datetime(message.at)
        # The same message sent twice has the same name; those of one incident make a thread.
        domain = self.sender.rpartition("@")[2] or "localhost"
        thread = f"<{message.incident}@{domain}>"
        letter["Message-ID"] = f"<{message.incident}.{message.event}.{message.at:%Y%m%dT%H%M%S%f}@{domain}>"
        letter["In-Reply-To"] = letter["References"] = thread
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(text.lines(message.text))
        return letter


def _first(refused: dict[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{who}: {code} {_decoded(said)}" for who, (code, said) in refused.items())


def _decoded(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
