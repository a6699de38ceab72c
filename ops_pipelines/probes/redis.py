"""Ask a Redis server for a PONG, in its own protocol: one word there and one back is no reason for a driver."""

import socket
import ssl
import time
from contextlib import suppress
from datetime import timedelta
from urllib.parse import unquote, urlsplit

from ops_pipelines.engines.certificates import shown_by
from ops_pipelines.engines.figures import Figures
from ops_pipelines.errors import SourceError

_END = "\r\n"


def measure(url: str, *, limit: timedelta) -> tuple[float, Figures]:
    """How long it took to let us in and answer, in seconds. Raises SourceError."""
    begun, parts = time.perf_counter(), urlsplit(url)
    host = parts.hostname or "127.0.0.1"
    if not redis_answers(url, limit_s=limit.total_seconds()):
        raise SourceError(f"Redis on {host} does not answer", why="no PONG came to a PING", next="look at its log")
    latency_s, secure = time.perf_counter() - begun, parts.scheme == "rediss"
    ends = shown_by(host, parts.port or 6379, limit=limit) if secure else None
    return latency_s, Figures(certificate_ends_at=ends)


def redis_answers(url: str, *, limit_s: float) -> bool:
    """Whether a Redis server lets us in and answers PING."""
    with suppress(OSError, ValueError):
        parts = urlsplit(url)
        where = (parts.hostname or "127.0.0.1", parts.port or 6379)
        with socket.create_connection(where, timeout=limit_s) as plain:
            secure = parts.scheme == "rediss"
            spoken = ssl.create_default_context().wrap_socket(plain, server_hostname=where[0]) if secure else plain
            with spoken, spoken.makefile("rb") as answers:
                if parts.password:
                    who = [unquote(word) for word in (parts.username, parts.password) if word]
                    spoken.sendall(_command("AUTH", *who))
                    if not answers.readline(256).startswith(b"+OK"):
                        return False
                spoken.sendall(_command("PING"))
                return answers.readline(256).startswith(b"+PONG")
    return False


def _command(*words: str) -> bytes:
    return f"*{len(words)}\r\n{''.join(f'${len(word.encode())}{_END}{word}{_END}' for word in words)}".encode()
