"""What the process in the sandbox is told at its start."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, JsonValue, SecretStr

from ops_pipelines.engines.source import Source
from ops_pipelines.settings.common import Verification
from ops_pipelines.settings.secrets import SecretRef

_NOT_THERE = SecretRef(env="OPS_SECRET_THAT_IS_NOT_IN_THE_SANDBOX")
_GIB = 1024**3


@dataclass(frozen=True)
class Bounds:
    """What the sandbox may use.

    Attributes:
        written_bytes: of its directory, altogether.
        file_bytes: of one file.
        memory_bytes: of one process, and of all of them together.
        processes, files: how many processes at once, and open files of one.
    """

    written_bytes: int
    file_bytes: int
    memory_bytes: int
    processes: int = 4096
    files: int = 65536


def bounds_for(plain_bytes: int) -> Bounds:
    """Bounds for a backup of this size: room for indexes, a log and a copy on the way."""
    written = 8 * plain_bytes + 8 * _GIB
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Bounds(written, written, max(4 * _GIB, memory * 3 // 4))


@dataclass(frozen=True)
class Setup:
    """Everything it knows.

    Attributes:
        source: without any secret but those that a proof needs; see `without_secrets`.
        facts: the manifest's.
        roles: of the parts that can be asked for.
        carries: whether the data lies in a repository beside the parts, which is lent to it.
    """

    name: str
    source: Source
    directory: Path
    facts: Mapping[str, JsonValue]
    roles: frozenset[str]
    bounds: Bounds
    carries: bool


def without_secrets(source: Source) -> Source:
    """The same source with every secret out of reach, but the lent server's address and restic's password."""
    kept: dict[str, Any] = {}
    if source.verify.server is not None:
        url = source.verify.server.url.reveal(purpose="verify.server.url")
        server = source.verify.server.model_copy(update={"url": SecretRef(literal=SecretStr(url))})
        kept["verify"] = Verification.model_copy(source.verify, update={"server": server})
    emptied: Source = _emptied(source)
    if (password := source.repository_password) is not None:
        emptied = emptied.detached(SecretRef(literal=SecretStr(password.reveal(purpose="password"))))
    return emptied.model_copy(update=kept)


def _emptied(value: Any) -> Any:
    if isinstance(value, SecretRef):
        return _NOT_THERE
    if isinstance(value, BaseModel):
        # As attributes: what a field holds may be a model, or a list of some.
        return value.model_copy(update={name: _emptied(getattr(value, name)) for name in type(value).model_fields})
    if isinstance(value, tuple):
        return tuple(_emptied(each) for each in value)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_emptied(each) for each in value]
    return value


def address_of(listener: socket.socket) -> str:
    """What a repository that is lent on a listening socket is called inside."""
    return f"rest:http://127.0.0.1:{listener.getsockname()[1]}/"
