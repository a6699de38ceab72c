"""Is this dump whole? Cheap assertions on the text of a dump while it passes, before it is sealed.

A dump client can be killed, wrapped or replaced and still leave an exit status of 0 somewhere in the chain; these
look at the text itself. The full proof is the restore.
"""

import re
from collections.abc import Callable, Iterable

from ops_pipelines.errors import SourceError
from ops_pipelines.streams import Progress, Reader

_TAIL_KEPT = 4096
_HEAD_KEPT = 64 * 1024
_END = re.compile(rb"\n-- Dump completed(?: on [-\d]+ +[\d:]+)?\s*\Z")
# What a client writes once it has begun its transaction.
_BEGUN = re.compile(rb"\n-- (?:Table structure|Sequence structure|Temporary|Dumping|Final view|Dump completed)")
_TABLE = b"\n-- Table structure for table "
_USE = b"\nUSE `"
_LONGEST_NAME = 600


class Watched:
    """A reader that passes a dump on and remembers how it began, which tables it had, and how it ended.

    Args:
        begun: called once, when the client has begun to write tables.
    """

    def __init__(
        self, source: Reader, *, begun: Callable[[], None] = lambda: None, progress: Progress, expected_bytes: int
    ) -> None:
        self._source, self._begun, self._progress, self._expected = source, begun, progress, expected_bytes
        self._reported = 0
        self.has_begun = False
        self.head = b""
        self.tail = b""
        self.size_bytes = 0
        self.tables: set[bytes] = set()
        self.databases: set[bytes] = set()

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes of the source."""
        chunk = self._source.read(size)
        self.size_bytes += len(chunk)
        if len(self.head) < _HEAD_KEPT:
            self.head += chunk[: _HEAD_KEPT - len(self.head)]
        if not self.has_begun and (_BEGUN.search(self.head) or len(self.head) >= _HEAD_KEPT):
            self.has_begun = True
            self._begun()
        # A mark may lie across two chunks.
        seen = self.tail[-_LONGEST_NAME:] + chunk
        self.tables.update(_names(seen, _TABLE))
        self.databases.update(_names(seen, _USE, end=b";"))
        self.tail = (self.tail + chunk)[-_TAIL_KEPT:]
        if self.size_bytes - self._reported > 4 * 1024 * 1024 or not chunk:
            self._reported = self.size_bytes
            self._progress("dump", self.size_bytes, self._expected)
        return chunk


def _names(seen: bytes, mark: bytes, end: bytes = b"\n") -> Iterable[bytes]:
    at = seen.find(mark)
    while at >= 0:
        line_end = seen.find(end, at + len(mark))
        if line_end < 0:
            return
        yield seen[at + len(mark) : line_end].strip(b"`")
        at = seen.find(mark, line_end)


def check(watched: Watched, tables: Iterable[str]) -> None:
    """A dump has a section for every table and ends with its trailer.

    Args:
        tables: the tables that the snapshot had.
    Raises:
        SourceError: it is not so.
    """
    if not _END.search(watched.tail):
        raise _incomplete("the trailer '-- Dump completed' is missing", watched.size_bytes)
    lacking = sorted(name for name in tables if _as_written(name) not in watched.tables)
    if lacking:
        more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
        raise _incomplete(f"it lacks the tables {', '.join(lacking[:5])}{more}", watched.size_bytes)


def _as_written(name: str) -> bytes:
    return name.replace("`", "``").strip("`").encode()


def _incomplete(why: str, size_bytes: int) -> SourceError:
    return SourceError(
        f"the dump is incomplete ({size_bytes} bytes)",
        why=f"{why}, although the dump client reported success",
        safe="it was discarded; earlier backups are untouched",
        next="check the server's log and the disk, then: ops backup",
    )
