"""Is this dump whole? Cheap assertions on the bytes of a dump while they pass, before it is sealed.

`pg_dump` can be killed, wrapped or replaced and still leave an exit status of 0 somewhere in the
chain; these look at the format itself. The full proof is the restore.
"""

import re
import struct
from datetime import timedelta
from pathlib import Path

from ops_pipelines.engines.postgres.clients import Programs
from ops_pipelines.errors import SourceError
from ops_pipelines.process import CommandFailed, Limits, run
from ops_pipelines.streams import Reader

_HEAD_KEPT = 4 * 1024 * 1024  # a table of contents of some 20,000 entries
_TAIL_KEPT = 4096
_SQL_END = re.compile(rb"\n--\n-- PostgreSQL database dump complete\n--\n\n(\\unrestrict \w+\n\n)?\Z")
_QUICK = Limits(stall=timedelta(minutes=2), total=timedelta(minutes=2))


class Ends:
    """A reader that remembers how a stream began and how it ended, and passes everything on."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self.head = bytearray()
        self.tail = b""
        self.size_bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes of the source."""
        chunk = self._source.read(size)
        self.size_bytes += len(chunk)
        if len(self.head) < _HEAD_KEPT:
            self.head += chunk[: _HEAD_KEPT - len(self.head)]
        self.tail = (self.tail + chunk)[-_TAIL_KEPT:]
        return chunk


def wrote_nothing() -> SourceError:
    """The error of a dump without a byte."""
    return _incomplete("it is empty", 0)


def check_sql(ends: Ends) -> None:
    """A plain dump ends with its trailer. Raises SourceError when it does not."""
    if not _SQL_END.search(ends.tail):
        raise _incomplete("the trailer 'PostgreSQL database dump complete' is missing", ends.size_bytes)


def check_custom(ends: Ends, programs: Programs, *, tables: int) -> None:
    """A custom archive has a readable table of contents with every table, and ends on a block end.

    Args:
        tables: how many tables with data the snapshot had.
    Raises:
        SourceError: it is not so.
    """
    if not ends.head.startswith(b"PGDMP"):
        raise _incomplete("it does not start like a custom-format archive", ends.size_bytes)
    listed = _count_table_data(programs, head=bytes(ends.head))
    # A table of contents larger than what we keep cannot be listed from its head alone.
    if listed is None and ends.size_bytes <= _HEAD_KEPT:
        raise _incomplete("its table of contents cannot be read", ends.size_bytes)
    if listed is not None and listed < tables:
        raise _incomplete(f"it lists data of {listed} tables, the snapshot has {tables}", ends.size_bytes)
    # Every data block ends with a chunk of length zero: one sign byte and a four-byte integer.
    if tables and not ends.tail.endswith(struct.pack("5x")):
        raise _incomplete("it breaks off inside a data block", ends.size_bytes)


def check_directory(directory: Path, programs: Programs, *, tables: int) -> None:
    """A directory archive has its table of contents and a file for every table. Raises SourceError."""
    if not (directory / "toc.dat").is_file():
        raise _incomplete("toc.dat is missing", 0)
    listed = _count_table_data(programs, directory=directory) or 0
    files = sum(1 for path in directory.iterdir() if path.name[0].isdigit())
    if min(listed, files) < tables:
        raise _incomplete(f"it lists {listed} tables in {files} files, the snapshot has {tables}", 0)


def _count_table_data(programs: Programs, *, head: bytes | None = None, directory: Path | None = None) -> int | None:
    """Tables with data in the table of contents of a directory, or of an archive's first bytes."""
    argv: list[str | Path] = [programs.path("pg_restore"), "--list", *([directory] if directory else [])]
    try:
        printed = run(argv, stdin=head, limits=_QUICK).stdout
    except CommandFailed:
        return None
    return sum(1 for line in printed.splitlines() if b" TABLE DATA " in line)


def _incomplete(why: str, size_bytes: int) -> SourceError:
    return SourceError(
        f"the dump is incomplete ({size_bytes} bytes)",
        why=f"{why}, although no error was reported",
        safe="it was discarded; earlier backups are untouched",
        next="check the server's log and the disk, then: ops backup",
    )
