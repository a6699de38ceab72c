"""What lies below a store's root, opened as if somebody hostile had put it there.

Whoever can write to a NAS may leave a FIFO, a link to a device, or a file without an end where a manifest should be.
Only regular files and directories are opened, no link below the root is followed, and nothing is read or listed beyond
a limit: a bad copy costs itself, and never a run that hangs.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Literal

from ops_pipelines.settings.values import NAME_PATTERN

SMALL_BYTES = 8 * 2**20
"""More is no manifest, no verdict and no list of checksums."""
TOO_LARGE = f"it is larger than {SMALL_BYTES // 2**20} MiB"
MOST_SOURCES, MOST_POINTS, MOST_VERDICTS, MOST_OBJECTS = 10_000, 100_000, 1_000, 1_000_000
SOURCE, POINT = re.compile(NAME_PATTERN), re.compile(r"[\w.-]+")
"""Any other name is not ours."""

Form = Literal["directory", "file", "link", "other"]
_WORDS = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a directory",
          stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}  # fmt: skip


class NotPlain(OSError):
    """Something is not what a store is made of; it was not read."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(errno.EINVAL, why, str(path))
        self.why = why


@dataclass(frozen=True)
class Entry:
    """A name in a directory, and what it names itself: a link is a link."""

    name: str
    form: Form


@contextmanager
def opened(root: Path, *steps: str) -> Iterator[BufferedReader]:
    """A regular file, for reading.

    Args:
        root: may be a link itself: it is the user's own word.
        steps: the names below it, none of which is one.
    Raises:
        FileNotFoundError: it is not there.
        NotPlain: it, or a directory on the way, is something else.
    """
    path = root.joinpath(*steps)
    with _directory(root, steps[:-1]) as parent:
        _look(path, os.stat(steps[-1], dir_fd=parent, follow_symlinks=False), stat.S_IFREG)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(steps[-1], flags, dir_fd=parent)
    with os.fdopen(descriptor, "rb") as file:
        _look(path, os.fstat(descriptor), stat.S_IFREG)  # it may have been exchanged in between
        yield file


def read(root: Path, *steps: str) -> bytes:
    """The content of a small file. Raises as `opened`, and NotPlain when it is larger than `SMALL_BYTES`."""
    with opened(root, *steps) as file:
        content = file.read(SMALL_BYTES + 1)
    if len(content) > SMALL_BYTES:
        raise NotPlain(root.joinpath(*steps), TOO_LARGE)
    return content


def entries(root: Path, *steps: str, most: int) -> list[Entry]:
    """What is in a directory, in no order.

    Raises:
        FileNotFoundError: it is not there.
        NotPlain: it, or one on the way, is something else, or holds more than `most`.
    """
    found: list[Entry] = []
    with _directory(root, steps) as descriptor, os.scandir(descriptor) as listed:
        for each in listed:
            if len(found) == most:
                raise NotPlain(root.joinpath(*steps), f"it holds more than {most:,} entries")
            found.append(Entry(each.name, _form(each)))
    return found


def sizes(root: Path, *steps: str, most: int) -> dict[str, int]:
    """The size in bytes of every regular file in a directory, by name. Raises as `entries`."""
    with _directory(root, steps) as descriptor, os.scandir(descriptor) as listed:
        found = {}
        for number, each in enumerate(listed):
            if number == most:
                raise NotPlain(root.joinpath(*steps), f"it holds more than {most:,} entries")
            if _form(each) == "file":
                found[each.name] = each.stat(follow_symlinks=False).st_size
    return found


def refuse_links(root: Path, *steps: str) -> None:
    """Before something is written or removed there. Raises NotPlain when one of the steps is a link."""
    path = root
    for step in steps:
        path /= step
        if path.is_symlink():
            raise NotPlain(path, "it is a link, which a store must not contain")


@contextmanager
def _directory(root: Path, steps: tuple[str, ...]) -> Iterator[int]:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor, path = os.open(root, flags), root
    try:
        for step in steps:
            path /= step
            _look(path, os.stat(step, dir_fd=descriptor, follow_symlinks=False), stat.S_IFDIR)
            below = os.open(step, flags | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _look(path: Path, found: os.stat_result, wanted: int) -> None:
    if (form := stat.S_IFMT(found.st_mode)) != wanted:
        means = "a regular file" if wanted == stat.S_IFREG else "a directory"
        raise NotPlain(path, f"it is {_WORDS.get(form, 'a file')} and not {means}")


def _form(entry: "os.DirEntry[str]") -> Form:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    return "file" if entry.is_file(follow_symlinks=False) else "other"
