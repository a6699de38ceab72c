"""Outages of real servers: stopped by commands of the user's own, started again whatever becomes of who stopped them.

What has to be started is noted on the disk before the stop begins, in a directory that belongs to the drill. The note
goes when the server was started; one whose drill is dead, killed or cut off, is found and carried out by the next start
of anything, and twice a minute by alerting.
"""

import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ValidationError

from ops_pipelines import durable, lease, logs, process, stopping
from ops_pipelines.errors import OpsError
from ops_pipelines.settings.outage import OutageCommands

_NOTE = "start.json"
_OURS = re.compile(r"[a-z][a-z0-9_]*-[0-9a-f]{8}")


class NotStarted(OpsError):
    """A server that was stopped for a drill does not start again."""


class _Note(BaseModel):
    source: str
    command: tuple[str, ...]
    limit_s: float


@dataclass(frozen=True)
class Ended:
    """An outage that a dead drill left: `problem` says why the server could not be started; empty when it was."""

    source: str
    command: str
    problem: str = ""


@contextmanager
def outage(root: Path, source: str, commands: OutageCommands) -> Iterator[Callable[[], None]]:
    """Stop a server until the block ends, or until what is yielded is called.

    Args:
        root: where notes are kept; a directory of our own.
    Raises:
        CommandFailed: it cannot be stopped; it was started again all the same.
        NotStarted: it cannot be started; whatever of us starts next tries again.
    """
    directory = root / f"{source}-{secrets.token_hex(4)}"
    note = directory / _NOTE
    noted = _Note(source=source, command=commands.start, limit_s=commands.limit.total_seconds())
    with lease.owned_directory(directory, outlives=note.exists), stopping.ending(lambda: _start(note)):
        durable.write(note, noted.model_dump_json().encode())
        process.run(commands.stop, limits=_limits(commands.limit))
        yield lambda: _start(note)


def end_outages(root: Path) -> list[Ended]:
    """Start what dead drills have stopped; returns what was found."""
    found: list[Ended] = []

    def begin_again(directory: Path) -> bool:
        try:
            note = _Note.model_validate_json((directory / _NOTE).read_bytes())
        except (OSError, ValidationError):
            return True  # killed before the note was whole, and so before the stop
        command = " ".join(note.command)
        try:
            _start(directory / _NOTE)
        except NotStarted as error:
            found.append(Ended(note.source, command, error.why))
            return False
        found.append(Ended(note.source, command))
        return True

    lease.sweep(root, ours=_OURS, before_removal=begin_again)
    for each in found:
        logs.event("outage_left", level="error", source=each.source, problem=each.problem or None)
    return found


def outages_left(root: Path) -> list[Path]:
    """The notes of dead drills, which `end_outages` would carry out."""
    return [path for path, standing in lease.census(root, ours=_OURS) if standing == "dead"]


def _start(note: Path) -> None:
    """Start what a note names. Does nothing when that was done."""
    if not note.exists():
        return
    noted = _Note.model_validate_json(note.read_bytes())
    # In a session of its own: a kill of ours must not catch the start halfway, nor what it leaves running.
    argv: Sequence[str] = (*([setsid, "--wait"] if (setsid := shutil.which("setsid")) else []), *noted.command)
    try:
        process.run(argv, limits=_limits(timedelta(seconds=noted.limit_s)))
    except process.CommandFailed as error:
        raise NotStarted(
            f"{noted.source} was stopped for a drill and does NOT start again",
            why=f"{error.what}: {error.why}" if error.why else error.what,
            safe="neither its data nor its backups were touched",
            next=" ".join(noted.command),
        ) from None
    note.unlink(missing_ok=True)


def _limits(limit: timedelta) -> process.Limits:
    return process.Limits(stall=limit, total=limit)
