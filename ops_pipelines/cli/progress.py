"""Progress of long work on a terminal: bytes, rate and time left. In a pipe: a line when a phase begins."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ops_pipelines.cli.output import errors, warn
from ops_pipelines.streams import Progress as Tell

_DUMP = "dump"


@contextmanager
def shown(label: str, *, quiet: bool = False) -> Iterator[Tell]:
    """Show progress while the block runs; the block gets the function to tell it with."""
    if quiet:
        yield lambda phase, done_bytes, total_bytes: None
        return
    if not errors.is_terminal:
        yield _Lines(label).tell
        return
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(binary_units=True),
        TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=errors, transient=True) as bars:
        yield _Bars(label, bars).tell


def as_last_time(tell: Tell, plain_bytes: int | None) -> Tell:
    """The same, where a dump is expected to be as large as the last one: a database has indexes that a dump has not.

    Args:
        plain_bytes: how large that was before compression; where it is not known, the engine's own estimate stands.
    """

    def told(phase: str, done_bytes: int, total_bytes: int | None) -> None:
        tell(phase, done_bytes, plain_bytes or total_bytes if phase == _DUMP else total_bytes)

    return told


class _Lines:
    def __init__(self, label: str) -> None:
        self._label, self._phases = label, set[str]()

    def tell(self, phase: str, done_bytes: int, total_bytes: int | None) -> None:
        if phase not in self._phases:
            self._phases.add(phase)
            warn("{}: {}", self._label, phase)


class _Bars:
    def __init__(self, label: str, bars: Progress) -> None:
        self._label, self._bars = label, bars
        self._tasks: dict[str, TaskID] = {}

    def tell(self, phase: str, done_bytes: int, total_bytes: int | None) -> None:
        if phase not in self._tasks:
            self._end_others()
            self._tasks[phase] = self._bars.add_task(f"{self._label}: {phase}", total=total_bytes)
        # The size of a database is an estimate of its dump: never show more than all of it.
        total = max(total_bytes, done_bytes) if total_bytes else None
        self._bars.update(self._tasks[phase], completed=done_bytes, total=total)

    def _end_others(self) -> None:
        """What began before has ended when something else begins: it was as large as it was, whatever was estimated.

        One that goes on all the same says so itself, with its own total.
        """
        for task in self._bars.tasks:
            self._bars.update(task.id, total=max(task.completed, 1), completed=max(task.completed, 1))
