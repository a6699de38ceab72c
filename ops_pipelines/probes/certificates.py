"""Until when is a server's TLS certificate good? Read from its own handshake; whether to trust it is not asked here."""

import socket
import ssl
from contextlib import suppress
from datetime import datetime, timedelta

from cryptography.x509 import load_der_x509_certificate

# PostgreSQL is asked for TLS in eight bytes, and says S or N.
POSTGRES = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
_YES = b"S"


def ends_at(certificate: bytes | None) -> datetime | None:
    """The end of a certificate in DER; None without one, or when it cannot be read."""
    with suppress(ValueError):
        return load_der_x509_certificate(certificate).not_valid_after_utc if certificate else None
    return None


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
