"""Until when is a server's TLS certificate good? Read from its own handshake; whether to trust it is not asked here."""

import socket
import ssl
import time
from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography.x509 import load_der_x509_certificate

from ops_pipelines.engines.figures import Figures
from ops_pipelines.errors import SourceError

# PostgreSQL is asked for TLS in eight bytes, and says S or N.
POSTGRES = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
_YES = b"S"


def ends_at(certificate: bytes | None) -> datetime | None:
    """The end of a certificate in DER; None without one, or when it cannot be read."""
    with suppress(ValueError):
        return load_der_x509_certificate(certificate).not_valid_after_utc if certificate else None
    return None


def measure(url: str, *, limit: timedelta) -> tuple[float, Figures]:
    """How long a TLS handshake took in seconds, and until when its certificate is good.

    Args:
        url: `tls://host:port`, the port 443 unless given.
    Raises:
        SourceError: nobody answers, or not with TLS.
    """
    begun, parts = time.perf_counter(), urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    ends = shown_by(host, port, limit=limit)
    if ends is None:
        raise SourceError(f"{host} does not answer", why=f"no TLS handshake on port {port}", next="look at its log")
    return time.perf_counter() - begun, Figures(certificate_ends_at=ends)


def shown_by(host: str, port: int, *, limit: timedelta, hello: bytes = b"") -> datetime | None:
    """The end of the certificate that a server shows to whoever connects.

    Args:
        hello: what it must be sent before it speaks TLS; it says yes to it.
    Returns:
        None when it shows none: how the server is was found out already, and this is beside it.
    """
    # No secret is sent: a server whose certificate nobody signed is asked like any other.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError), socket.create_connection((host, port), timeout=limit.total_seconds()) as plain:
        if hello:
            plain.sendall(hello)
            if plain.recv(1) != _YES:
                return None
        with context.wrap_socket(plain, server_hostname=host) as wire:
            return ends_at(wire.getpeercert(binary_form=True))
    return None
