"""Small objects that were fetched before: in memory for this process, below `base` for the next.

An object is kept under its key and its ETag, so that what changed in the bucket is fetched again. What lies on the disk
has its own SHA-256 in front: a file that was cut off is not taken for a damaged copy.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from ops_pipelines import stopping

_memory: dict[tuple[Path, str], bytes] = {}


class Cache:
    """Contents by key and ETag, in one directory for each source.

    Args:
        root: the directory, private; made when it is first needed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, source: str, key: str, etag: str, fetch: Callable[[], bytes]) -> bytes:
        """The content of an object; fetched when it is not known."""
        path = self._path(source, key, etag)
        known = _memory.get((path.parent, path.name))
        if known is None:
            known = self._read(path)
            if known is None:
                known = fetch()
                self._write(path, known)
            _memory[path.parent, path.name] = known
        return known

    def keep_only(self, source: str, living: Iterable[tuple[str, str]]) -> None:
        """Forget every object of a source but these, given by key and ETag."""
        directory = self._root / source
        names = {self._path(source, key, etag).name for key, etag in living}
        for place in [place for place in list(_memory) if place[0] == directory and place[1] not in names]:
            _memory.pop(place, None)
        with suppress(OSError):
            for path in directory.iterdir():
                if path.name not in names and not path.name.startswith("."):
                    path.unlink(missing_ok=True)

    def _path(self, source: str, key: str, etag: str) -> Path:
        return self._root / source / hashlib.sha256(f"{key}\n{etag}".encode()).hexdigest()[:40]

    @staticmethod
    def _read(path: Path) -> bytes | None:
        try:
            sha256, content = path.read_bytes().split(b"\n", 1)
        except (OSError, ValueError):
            return None
        return content if hashlib.sha256(content).hexdigest().encode() == sha256 else None

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        """A cache that cannot be written costs a request, nothing else."""
        unfinished = path.with_name(f".{secrets.token_hex(8)}")
        with suppress(OSError), stopping.ending(lambda: unfinished.unlink(missing_ok=True)):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
            unfinished.rename(path)
