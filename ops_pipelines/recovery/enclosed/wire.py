"""What goes between us and the process in the sandbox: messages with a length, and open files.

We are believed, it is not: what we send is pickled, what it answers is JSON of a limited size that is checked.
"""

import json
import pickle
import socket
import struct
from collections.abc import Mapping
from typing import Any

from ops_pipelines.engines.base import RestoreFailed
from ops_pipelines.errors import CorruptCopy, Inconclusive, OpsError, SourceError, StoreError, ToolMissing

_LENGTH = struct.Struct("!Q")
_ERRORS: Mapping[str, type[OpsError]] = {
    each.__name__: each for each in (CorruptCopy, Inconclusive, SourceError, StoreError, ToolMissing)
}


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


def receive(wire: socket.socket, *, most_bytes: int) -> dict[str, Any]:
    """What the sandbox sent. Raises SandboxFailed when it ended, or sent too much or something else."""
    try:
        (length,) = _LENGTH.unpack(_exactly(wire, _LENGTH.size))
        if length > most_bytes:
            raise SandboxFailed("the process in the sandbox answers with too much", why=f"{length} bytes")
        message = json.loads(_exactly(wire, length))
    except (OSError, EOFError) as error:
        raise SandboxFailed("the process in the sandbox ended", why=str(error)) from None
    except (ValueError, RecursionError) as error:
        raise SandboxFailed("the process in the sandbox answers with nonsense", why=str(error)) from None
    if not isinstance(message, dict):
        raise SandboxFailed("the process in the sandbox answers with nonsense", why=type(message).__name__)
    return message


def error_told(error: Exception) -> dict[str, object]:
    """Inside: an error as a message."""
    if isinstance(error, RestoreFailed):
        return {"type": "RestoreFailed", "what": str(error)}
    if isinstance(error, OpsError):
        name = next((each.__name__ for each in type(error).__mro__ if each.__name__ in _ERRORS), "Inconclusive")
        told: dict[str, object] = {key: getattr(error, key) for key in ("what", "why", "safe", "next")}
        return {**told, "type": name, "check": error.check if isinstance(error, CorruptCopy) else ""}
    return {"type": "Inconclusive", "what": f"the verifier failed: {type(error).__name__}", "why": str(error)}


def as_error(told: Mapping[str, Any]) -> Exception:
    """An error that happened in the sandbox, as if it had happened here."""
    words = {key: str(told.get(key) or "") for key in ("what", "why", "safe", "next")}
    name = str(told.get("type"))
    if name == "RestoreFailed":
        return RestoreFailed(words["what"])
    if name == CorruptCopy.__name__:
        return CorruptCopy(words.pop("what"), check=str(told.get("check") or "restore"), **words)
    return _ERRORS.get(name, Inconclusive)(words.pop("what"), **words)


def _exactly(wire: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        chunk = wire.recv(min(length - len(parts), 1024 * 1024))
        if not chunk:
            raise EOFError("the connection ended")
        parts += chunk
    return bytes(parts)
