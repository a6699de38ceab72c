"""What is there stays there when the power is cut: bytes are flushed before a name says so, names before anybody does.

A file system may keep a name and lose its bytes, and the other way round, until each was flushed for itself: a file's
bytes by flushing the file, its name by flushing the directory that it is in, a new directory's by flushing its parent.
"""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ops_pipelines import stopping


def flush(path: Path) -> None:
    """Wait until the bytes of a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_names(folder: Path) -> None:
    """Wait until every name below a folder that another program made is on the disk, and its own name too."""
    for at, _folders, _files in os.walk(folder, topdown=False):
        flush(Path(at))
    flush(folder.parent)


def flush_file_system(folder: Path) -> None:
    """Wait until everything that was written to the file system of a folder is on the disk. Raises OSError.

    syncfs(2), which Python does not offer: for what another program wrote, in files that nobody has counted.
    """
    library, descriptor = ctypes.CDLL(None, use_errno=True), os.open(folder, os.O_RDONLY)
    try:
        if library.syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def make_directory(path: Path, *, mode: int = 0o700) -> None:
    """A directory, of ours alone unless told otherwise, with what it lies in; nothing where it is. Raises OSError."""
    missing = []
    for each in (path, *path.parents):
        if each.is_dir():
            break
        missing.append(each)
    for each in reversed(missing):
        each.mkdir(mode=mode, exist_ok=True)
        with suppress(PermissionError):  # who may make names there need not be allowed to read them
            flush(each.parent)


def write(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """A file, whole or not at all; what stands in its place gives way, and is not written through. Raises OSError."""
    with written_beside(path, content, mode=mode) as unfinished:
        unfinished.rename(path)
    flush(path.parent)


@contextmanager
def written_beside(path: Path, content: bytes, *, mode: int = 0o600) -> Iterator[Path]:
    """A flushed file beside the place that it is meant for, under a name that no other thread of any process uses.

    Nothing of that name is left after the block, however it ends: give the file its own name in it. Raises OSError.
    """
    make_directory(path.parent)
    unfinished = path.with_name(f".{path.name}.{threading.get_native_id()}.new")

    def remove() -> None:
        unfinished.unlink(missing_ok=True)

    with stopping.ending(remove):
        remove()
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        yield unfinished
