"""The parts of a copy, from the store into the sandbox: fetched, hashed and decrypted here, unpacked there."""

import io
import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, cast

from ops_pipelines.errors import CorruptCopy, OpsError
from ops_pipelines.recovery.enclosed import wire
from ops_pipelines.repository import Repository
from ops_pipelines.streams import Progress, silent
from ops_pipelines.vault import codec
from ops_pipelines.vault.reader import Copy

_Opener = Callable[[str], AbstractContextManager[BinaryIO]]


def serve(connection: socket.socket, copy: Copy, role: str, progress: Progress) -> None:
    """Send one part into the sandbox; what is wrong with it is told there, and raised again by who asked."""
    part = copy.manifest.part(role)
    if part is None:
        wire.send_trusted(connection, {"missing": True})
        return
    reading, writing = os.pipe()
    try:
        where = f"{part.name} of {copy.manifest.id} in {copy.store.name}"
        header = {
            "name": part.name,
            "where": where,
            "compressed": part.compression == "zstd",
            "plain_bytes": part.plain_bytes,
        }
        wire.send_trusted(connection, header, reading)
    finally:
        os.close(reading)
    problem: OpsError | None = None
    with os.fdopen(writing, "wb", buffering=0) as sink:
        try:
            copy.send(role, cast(BinaryIO, TolerantPipe(sink)), progress)
        except OpsError as error:
            problem = error
    wire.send_trusted(connection, {"problem": wire.from_error(problem) if problem is not None else None})


class TolerantPipe(io.RawIOBase):
    """Writes into a pipe, and goes on when nobody reads it any more: the rest is hashed all the same."""

    def __init__(self, sink: io.RawIOBase | BinaryIO) -> None:
        self._sink, self._heard = sink, True

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        rest = memoryview(data)
        while self._heard and rest:
            try:
                rest = rest[self._sink.write(rest) or 0 :]
            except BrokenPipeError:
                self._heard = False
        return len(data)


class Sent:
    """Inside: a `PartReader` whose parts come through the connection."""

    def __init__(self, connection: socket.socket, repository: Repository | None, roles: frozenset[str]) -> None:
        self._connection, self._repository, self._roles = connection, repository, roles

    def has(self, role: str) -> bool:
        """Whether the restore point has a part with this role."""
        return role in self._roles

    def data(self, role: str) -> bytes:
        """A small part, whole. Raises CorruptCopy."""
        sink = io.BytesIO()
        self._receive(role, lambda name: nullcontext(sink))
        return sink.getvalue()

    def save(self, role: str, directory: Path, progress: Progress = silent) -> Path:
        """Write a part's plain content into `directory`; see `PartReader.save`."""
        made: list[Path] = []

        def opened(name: str) -> AbstractContextManager[BinaryIO]:
            made.append(directory / name.removesuffix(".age").removesuffix(".zst"))
            return os.fdopen(os.open(made[0], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

        self._receive(role, opened)
        return made[0]

    def repository(self) -> Repository:
        """Where the data lies that a tool manages itself."""
        assert self._repository is not None, "the engine has no repository"
        return self._repository

    def _receive(self, role: str, opened: _Opener) -> None:
        wire.send(self._connection, {"ask": "part", "role": role})
        header, file = wire.receive_trusted(self._connection)
        if file is None:
            raise CorruptCopy(f"there is no part for {role}", check="parts")
        failure: OpsError | None = None
        with os.fdopen(file, "rb") as source, opened(header["name"]) as sink:
            try:
                size = header["plain_bytes"]
                codec.decode(source, sink, (), encrypted=False, compressed=header["compressed"], plain_bytes=size)
            except OpsError as error:
                failure = error
        answer, _none = wire.receive_trusted(self._connection)
        if answer["problem"] is not None:
            raise wire.as_error(answer["problem"])
        if failure is not None:
            failure.what = f"{header['where']}: {failure.what}"
            raise failure
