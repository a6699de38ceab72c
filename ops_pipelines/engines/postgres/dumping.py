"""Run pg_dump through somebody else's snapshot, into one part. Knows how far it has got, not what is in it."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ops_pipelines import process
from ops_pipelines.engines.base import PartSink
from ops_pipelines.engines.postgres import archive
from ops_pipelines.engines.postgres.clients import Programs
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.engines.postgres.settings import PostgresSource
from ops_pipelines.streams import Progress

PART = {"custom": "dump.pgc", "directory": "dump.tar", "sql": "dump.sql"}
# Everything is locked for it already. Where it waits all the same, somebody waits for us, who must go first.
_LOCK_WAIT_MS = 3000


def dump_data(
    source: PostgresSource,
    server: Server,
    programs: Programs,
    limits: process.Limits,
    sink: PartSink,
    *,
    snapshot: str,
    tables: int,
    settle: Callable[[], None],
    commit: Callable[[], None],
    progress: Progress,
    expected_bytes: int,
) -> None:
    """Dump the database's data and definitions into the sink.

    Args:
        snapshot: exported by a session that has every table locked.
        tables: how many tables with data it has, for a check of what came out.
        settle: called once, when pg_dump has read every definition and sequence; what it raises ends the dump.
        commit: called once, right before the sink gets anything: until then all can be begun again.
        expected_bytes: for the progress.
    Raises:
        CommandFailed, SourceError.
    """
    form = "plain" if source.format == "sql" else source.format
    argv = [
        str(programs.path("pg_dump")), f"--format={form}", f"--snapshot={snapshot}", "--no-password",
        f"--lock-wait-timeout={_LOCK_WAIT_MS}", f"--dbname={server.argument()}",
    ]  # fmt: skip
    part = PART[source.format]
    if source.format == "directory":
        directory = sink.plain_directory() / "dump"
        shutil.rmtree(directory, ignore_errors=True)  # of an attempt that was given up
        watch = _Watch(directory, settle, progress, expected_bytes)
        argv += [f"--jobs={source.jobs}", "--compress=1", f"--file={directory}"]
        with process.running(argv, env=server.environment(), limits=limits) as command:
            command.finish(alive=watch.look)
        watch.settle()
        commit()
        archive.check_directory(directory, programs, tables=tables)
        tar = ["tar", "--create", "--sort=name", "--owner=0", "--group=0", f"--directory={directory.parent}", "dump"]
        with process.running(tar, limits=limits) as packed:
            sink.stream(part, "dump", packed)
            packed.finish()
        return
    argv += ["--compress=0"] if source.format == "custom" else []
    with process.running(argv, env=server.environment(), limits=limits) as command:
        # Its table of contents comes first: with the first byte, everything but rows has been read.
        first = command.read()
        if not first:
            command.finish()
            raise archive.wrote_nothing()
        settle()
        commit()
        ends = archive.Ends(_Metered(command, first, progress, expected_bytes))
        sink.stream(part, "dump", ends)
        command.finish()
    if source.format == "custom":
        archive.check_custom(ends, programs, tables=tables)
    else:
        archive.check_sql(ends)


class _Metered:
    """A reader that reports its progress a few times a second."""

    def __init__(self, source: process.Running, first: bytes, progress: Progress, expected_bytes: int) -> None:
        self._source, self._first, self._progress, self._expected = source, first, progress, expected_bytes
        self._done, self._told_at = 0, 0.0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._first or self._source.read(size)
        if self._first and 0 < size < len(chunk):
            chunk, self._first = chunk[:size], chunk[size:]
        else:
            self._first = b""
        self._done += len(chunk)
        if time.monotonic() - self._told_at > 0.25:
            self._told_at = time.monotonic()
            self._progress("dump", self._done, self._expected)
        return chunk


class _Watch:
    """Looks at a growing directory archive, and settles when its table of contents is written."""

    def __init__(self, directory: Path, settle: Callable[[], None], progress: Progress, expected_bytes: int) -> None:
        self._directory, self._settle = directory, settle
        self._progress, self._expected, self._settled = progress, expected_bytes, False

    def look(self) -> int:
        """Its size."""
        size = sum(path.stat().st_size for path in self._directory.glob("*")) if self._directory.is_dir() else 0
        self._progress("dump", size, self._expected)
        if size:
            self.settle()
        return size

    def settle(self) -> None:
        """Settle, once."""
        if not self._settled:
            self._settled = True
            self._settle()
