"""Ask a web server for one page: does it answer, how quickly, and how long is its certificate good?"""

import ssl
import time
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from ops_pipelines.engines.figures import Figures
from ops_pipelines.errors import SourceError

_FAILED = 400


def measure(url: str, *, limit: timedelta) -> tuple[float, Figures]:
    """How long the answer took in seconds, and what it was. Redirections are answers, and are not followed.

    Raises:
        SourceError: nobody answers, the certificate is not valid, or the status is 400 or more.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise _down(parts.hostname, "its URL begins with none of http, https, redis, rediss, tls")
    begun = time.perf_counter()
    https = parts.scheme == "https"
    form = HTTPSConnection if https else HTTPConnection
    opened = form(parts.hostname or "", parts.port, timeout=limit.total_seconds())
    try:
        opened.request("GET", f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", headers=_HEADERS)
        ends = _ends_at(opened.sock) if https else None
        status = opened.getresponse().status
    except (OSError, HTTPException, ValueError) as error:
        raise _down(parts.hostname, str(error) or type(error).__name__) from None
    finally:
        opened.close()
    if status >= _FAILED:
        raise _down(parts.hostname, f"it answered with status {status}")
    return time.perf_counter() - begun, Figures(http_status=status, certificate_ends_at=ends)


_HEADERS = {"User-Agent": "ops_pipelines", "Connection": "close"}


def _ends_at(wire: object) -> datetime | None:
    certificate = wire.getpeercert() if isinstance(wire, ssl.SSLSocket) else None
    if not certificate:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), timezone.utc)


def _down(host: str | None, why: str) -> SourceError:
    return SourceError(f"{host} does not answer as it should", why=why, next="look at its log")
