"""A dump in pieces of which some can be loaded side by side: the rows of each table, by sessions of their own.

A dump client marks its sections. Structures of tables, and what they count on, come before any rows here; final views,
routines and events come after all of them, as they do in the dump.
"""

import mmap
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ops_pipelines.engines.mysql.selection import SECTION

Range = tuple[int, int]
"""From which byte of a file to which."""
_LINE_OF_COMMENT = b"\n-- "
_LONGEST_LINE = 4096  # of a comment: names have 64 characters
_READ_BYTES = 1024 * 1024
_ROWS, _LAST = b"Dumping data for table", (b"Final view structure for view", b"Dumping events", b"Dumping routines")


@dataclass(frozen=True)
class Script:
    """Parts of a file that are run as one script, in this order."""

    path: Path
    ranges: Sequence[Range]

    @property
    def size_bytes(self) -> int:
        """Of all of it."""
        return sum(end - start for start, end in self.ranges)

    @contextmanager
    def fed(self) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
        """What a client reads it from, and a function that says how many bytes it has taken."""
        reading, writing = os.pipe()
        taken = 0

        def feed() -> None:
            nonlocal taken
            # A client that ends early says why by itself.
            with suppress(BrokenPipeError), os.fdopen(writing, "wb") as sink:
                for chunk in self._chunks():
                    sink.write(chunk)
                    taken += len(chunk)

        thread = threading.Thread(target=feed, daemon=True)
        thread.start()
        with os.fdopen(reading, "rb") as source:
            yield source, lambda: taken
        thread.join()

    def _chunks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            for start, end in self.ranges:
                file.seek(start)
                left = end - start
                while chunk := file.read(min(_READ_BYTES, left)):
                    left -= len(chunk)
                    yield chunk


@dataclass(frozen=True)
class Cut:
    """A dump in pieces.

    Attributes:
        before: settings and structures.
        rows: for each session its settings again, and the rows of its tables with their triggers.
        after: settings again, and what is left.
    """

    before: Script
    rows: Sequence[Script]
    after: Script


def whole(dump: Path) -> Script:
    """All of it."""
    return Script(dump, [(0, dump.stat().st_size)])


def cut(dump: Path, lanes: int) -> Cut | None:
    """The dump for so many sessions; None where it has not the rows of two tables, or is not in sections."""
    sections = _sections(dump)
    last = next((at for at, (kind, _) in enumerate(sections) if kind.startswith(_LAST)), len(sections))
    rows = [each for kind, each in sections[:last] if kind == _ROWS]
    if len(rows) < 2 or lanes < 2:
        return None
    head = (0, sections[0][1][0])
    before = [each for kind, each in sections[:last] if kind != _ROWS]
    after = [each for _kind, each in sections[last:]]
    # Whatever ends the dump undoes its settings: it stands in its last section, which is the last of its session, too.
    shares = [sorted(share) for share in _shared_out(rows, lanes)]
    return Cut(
        Script(dump, [head, *before]),
        [Script(dump, [head, *share]) for share in shares],
        Script(dump, [head, *after]),
    )


def _sections(dump: Path) -> list[tuple[bytes, Range]]:
    """The kind of each section, and where it is. A line break inside a value is always escaped."""
    size = dump.stat().st_size
    if not size:
        return []
    with dump.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found: list[tuple[bytes, int]] = []
        at = content.find(_LINE_OF_COMMENT)
        while at >= 0:
            end = content.find(b"\n", at + 1, at + _LONGEST_LINE)
            if end >= 0 and (section := SECTION.fullmatch(content[at + 1 : end + 1])):
                found.append((section[1], at + 1))
            at = content.find(_LINE_OF_COMMENT, at + 1)
    ends = [start for _kind, start in found[1:]] + [size]
    return [(kind, (start, end)) for (kind, start), end in zip(found, ends, strict=False)]


def _shared_out(rows: Sequence[Range], lanes: int) -> list[list[Range]]:
    """The largest first, each to whom has the least."""
    shares: Mapping[int, list[Range]] = {lane: [] for lane in range(min(lanes, len(rows)))}
    sizes = dict.fromkeys(shares, 0)
    for start, end in sorted(rows, key=lambda each: each[0] - each[1]):
        lane = min(sizes, key=sizes.__getitem__)
        shares[lane].append((start, end))
        sizes[lane] += end - start
    return list(shares.values())
