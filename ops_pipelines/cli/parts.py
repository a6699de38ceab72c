"""The programs that `ops up` keeps running side by side: started, waited for, watched, and ended all together."""

import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from signal import SIGTERM

from ops_pipelines.errors import OpsError
from ops_pipelines.process import Limits, Running, running
from ops_pipelines.text import shell

HOST = "127.0.0.1"
"""Dagster's pages ask nobody for a login: nobody else may reach them."""
_LOOK_S = 0.2
# They run until they are stopped; a backup that runs then gets the time to discard what is unfinished.
_LIMITS = Limits(stall=timedelta.max, total=timedelta.max, grace=timedelta(seconds=30))


class PortTaken(OpsError):
    """Somebody listens on a port that we were to listen on."""


class PartEnded(OpsError):
    """A part that is to run until it is stopped has ended."""


@dataclass(frozen=True)
class Part:
    """One program, and the port on which it answers."""

    name: str
    argv: Sequence[str]
    port: int


@dataclass(frozen=True)
class _Started:
    part: Part
    program: Running


class Parts:
    """What was started, while it runs."""

    def __init__(self, started: Sequence[_Started]) -> None:
        self._started = started

    def wait_until_all_answer(self) -> None:
        """Returns when somebody listens on every port. Raises PartEnded."""
        for each in self._started:
            while not _answers(each.part.port):
                self._refuse_ended()
                time.sleep(_LOOK_S)

    def watch(self) -> None:
        """Wait until somebody stops us. Raises PartEnded, KeyboardInterrupt."""
        while True:
            self._refuse_ended()
            time.sleep(_LOOK_S)

    def _refuse_ended(self) -> None:
        for each in self._started:
            if each.program.exited():
                raise PartEnded(
                    f"the {each.part.name} has ended by itself",
                    why="what it said last stands above",
                    safe="the other parts were stopped, too; existing backups are untouched",
                    next=f"ops up; or that part alone: {' '.join(map(shell, each.part.argv))}",
                )


@contextmanager
def started(parts: Sequence[Part], *, folder: Path, env: dict[str, str]) -> Iterator[Parts]:
    """Run programs in a folder for the length of the block; what they say goes where our errors go.

    Args:
        env: what they get beside the environment that we have.
    """
    with ExitStack() as ending:
        yield Parts([_Started(each, ending.enter_context(_one(each, folder, env))) for each in parts])


def refuse_taken(option: str, port: int) -> None:
    """Raises PortTaken, which tells the option to type."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        raise PortTaken(
            f"{HOST}:{port} cannot be listened on",
            why=error.strerror or str(error),
            safe="nothing was started; backups are untouched",
            next=f"another port: ops up {option} {port + 1 if port < 65535 else 3000}; or see who has it: ss -ltnp",
        ) from None


def _one(part: Part, folder: Path, env: dict[str, str]) -> AbstractContextManager[Running]:
    # It has parts of its own, and ends them when it is told to end.
    return running(
        part.argv, limits=_LIMITS, env={**os.environ, **env}, cwd=folder, stdout=sys.stderr.fileno(), merged=True,
        death=SIGTERM,
    )  # fmt: skip


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True
