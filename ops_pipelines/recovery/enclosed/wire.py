"""What goes between us and the process in the sandbox: messages with a length, and open files.

We are believed, it is not: what we send is pickled, what it answers is JSON of a limited size that is checked.
"""

import json
import pickle
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from ops_pipelines.engines.base import RestoreFailed
from ops_pipelines.errors import CorruptCopy, Inconclusive, OpsError, SourceError, StoreError, ToolMissing

_LENGTH = struct.Struct("!Q")
_ERRORS: Mapping[str, type[OpsError]] = {
    each.__name__: each for each in (CorruptCopy, Inconclusive, SourceError, StoreError, ToolMissing)
}


class Error(BaseModel):
    """An error as it is told; `check` is of a CorruptCopy."""

    type: str
    what: str
    why: str = ""
    safe: str = ""
    next: str = ""
    check: str = ""


class Message(BaseModel):
    """What comes out of the sandbox: one of these, and `answer` or `error` at the end.

    Attributes:
        progress: a phase, the bytes done, and the bytes expected.
        ask: the part with this `role` is wanted.
        found: one of several findings.
    """

    progress: tuple[str, int, int | None] | None = None
    ask: Literal["part"] | None = None
    role: str = ""
    found: dict[str, Any] | None = None
    error: Error | None = None
    answer: Any = None


class SandboxFailed(OpsError):
    """The process in the sandbox ended, or sent what it must not."""


def send_trusted(wire: socket.socket, message: object, file: int | None = None) -> None:
    """Send something of ours, with an open file if there is one."""
    packed = pickle.dumps(message)
    head = _LENGTH.pack(len(packed))
    try:
        if file is None:
            wire.sendall(head)
        else:
            socket.send_fds(wire, [head], [file])
        wire.sendall(packed)
    except OSError as error:
        raise SandboxFailed("the process in the sandbox ended", why=error.strerror or str(error)) from None


def receive_trusted(wire: socket.socket) -> tuple[Any, int | None]:
    """Inside: what was sent, and the open file that came along."""
    head, files, _flags, _address = socket.recv_fds(wire, _LENGTH.size, 1)
    if not head:
        raise EOFError
    head += _exactly(wire, _LENGTH.size - len(head)) if len(head) < _LENGTH.size else b""
    return pickle.loads(_exactly(wire, _LENGTH.unpack(head)[0])), files[0] if files else None


def send(wire: socket.socket, message: Mapping[str, object]) -> None:
    """Inside: answer in JSON."""
    packed = json.dumps(message).encode()
    wire.sendall(_LENGTH.pack(len(packed)) + packed)


def receive(wire: socket.socket, *, most_bytes: int, deadline: float) -> Message:
    """What the sandbox sent.

    Args:
        deadline: until when, on the monotonic clock, whatever else it sends.
    Raises:
        SandboxFailed: it ended, took too long, or sent too much or something else.
    """
    try:
        if (left := deadline - time.monotonic()) <= 0:
            raise TimeoutError("it took too long")
        wire.settimeout(left)
        (length,) = _LENGTH.unpack(_exactly(wire, _LENGTH.size))
        if length > most_bytes:
            raise SandboxFailed("the process in the sandbox sent too large an answer", why=f"{length} bytes")
        return Message.model_validate_json(_exactly(wire, length))
    except (OSError, EOFError) as error:
        raise SandboxFailed("the process in the sandbox ended", why=str(error)) from None
    except (ValidationError, RecursionError) as error:
        raise SandboxFailed(
            "the process in the sandbox sent an invalid answer", why=str(error).splitlines()[0]
        ) from None


def from_error(error: Exception) -> Error:
    """An error as a message."""
    if isinstance(error, RestoreFailed):
        return Error(type="RestoreFailed", what=str(error))
    if isinstance(error, OpsError):
        name = next((each.__name__ for each in type(error).__mro__ if each.__name__ in _ERRORS), "Inconclusive")
        check = error.check if isinstance(error, CorruptCopy) else ""
        return Error(type=name, what=error.what, why=error.why, safe=error.safe, next=error.next, check=check)
    return Error(type="Inconclusive", what=f"the verifier failed: {type(error).__name__}", why=str(error))


def as_error(message: Error) -> Exception:
    """An error that happened on the other side, as if it had happened here."""
    if message.type == "RestoreFailed":
        return RestoreFailed(message.what)
    words = {"why": message.why, "safe": message.safe, "next": message.next}
    if message.type == CorruptCopy.__name__:
        return CorruptCopy(message.what, check=message.check or "restore", **words)
    return _ERRORS.get(message.type, Inconclusive)(message.what, **words)


def _exactly(wire: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        chunk = wire.recv(min(length - len(parts), 1024 * 1024))
        if not chunk:
            raise EOFError("the connection ended")
        parts += chunk
    return bytes(parts)
