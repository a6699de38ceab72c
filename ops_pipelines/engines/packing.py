"""A tar archive that is made while it is read: how an engine packs several files into one part."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK, _CHUNK = 512, 1024 * 1024


@dataclass(frozen=True)
class Member:
    """One file to be packed; a `Path` is removed once it is packed."""

    name: str
    content: bytes | Path
    mode: int = 0o600


class TarStream:
    """A tar archive (pax) that is made while it is read."""

    def __init__(self, members: Iterator[Member]) -> None:
        self._chunks = self._packed(members)
        self._held = memoryview(b"")

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes of the archive."""
        while not self._held:
            if (chunk := next(self._chunks, None)) is None:
                return b""
            self._held = memoryview(chunk)
        wanted = len(self._held) if size < 0 else size
        taken, self._held = self._held[:wanted], self._held[wanted:]
        return bytes(taken)

    @staticmethod
    def _packed(members: Iterator[Member]) -> Iterator[bytes]:
        for member in members:
            path = member.content if isinstance(member.content, Path) else None
            with path.open("rb") if path else io.BytesIO(member.content) as opened:  # type: ignore[arg-type]
                size = opened.seek(0, io.SEEK_END)
                opened.seek(0)
                header = tarfile.TarInfo(member.name)
                header.size, header.mode = size, member.mode
                yield header.tobuf(tarfile.PAX_FORMAT)
                while chunk := opened.read(_CHUNK):
                    yield chunk
                yield bytes(-size % _BLOCK)
            if path:
                path.unlink()
        yield bytes(2 * _BLOCK)
