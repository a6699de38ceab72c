"""A signal for one process of a living tree, at a moment and on a victim that chance chooses."""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
_ITSELF = "ops"
_OF_CHILDREN = 0.75
"""How many are meant for a child, of commands that start any: altogether a third of all or more."""

_CHILD_WITHIN_S = 60.0


@dataclass(frozen=True)
class Struck:
    """What was hit.

    Attributes:
        victim: its program; `ops` for the command itself, empty when everything had ended before.
    """

    signal: signal.Signals
    victim: str
    after_s: float

    @property
    def itself(self) -> bool:
        """Whether the command itself was hit, not one of its children."""
        return self.victim == _ITSELF


def strike(chance: Random, pid: int, *, lasts_s: float, watched: Sequence[Path], starts: bool) -> Struck:
    """Wait for a moment in the life of a process, choose it or one below it, and send a signal.

    The moment is any point in time, or the birth of a child, or a change among the files: short phases are as
    likely to be met as long ones.

    Args:
        lasts_s: how long it takes when nothing happens to it.
        watched: directories whose entries change as it gets on.
        starts: it starts other programs; one that starts none is always hit itself.
    """
    number, wants_child = chance.choice(SIGNALS), starts and chance.random() < _OF_CHILDREN
    began = time.monotonic()
    _WAITS[chance.choice(sorted(_WAITS))](chance, pid, lasts_s, watched)
    if wants_child:
        _wait(pid, _CHILD_WITHIN_S, lambda: len(_tree(pid)) > 1)
    while tree := _tree(pid):
        # By name first: a server has many processes, and the one client beside it is as interesting.
        below = defaultdict(list)
        for each in tree[1:] if wants_child else ():
            below[_name(each)].append(each)
        chosen = chance.choice(sorted(below)) if below else _ITSELF
        victim = chance.choice(below[chosen]) if below else tree[0]
        with suppress(psutil.NoSuchProcess):
            if _alive(victim):
                victim.send_signal(number)
                return Struck(number, chosen, time.monotonic() - began)
    return Struck(number, "", time.monotonic() - began)


def _tree(pid: int) -> list[psutil.Process]:
    """The process and everything that lives below it; none when it has ended."""
    try:
        root = psutil.Process(pid)
        if root.status() == psutil.STATUS_ZOMBIE:
            return []
        every = [root, *root.children(recursive=True)]
        return [each for each in every if _alive(each)]
    except psutil.NoSuchProcess:
        return []


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and bool(process.name())
    except psutil.NoSuchProcess:
        return False


def _any_moment(chance: Random, _pid: int, lasts_s: float, _watched: Sequence[Path]) -> None:
    time.sleep(chance.uniform(0, 0.8 * lasts_s))  # the moment is the experiment


def _birth(chance: Random, pid: int, lasts_s: float, _watched: Sequence[Path]) -> None:
    """Just after one of the first dozen children was born."""
    seen: set[int] = set()
    wanted = chance.randint(1, 12)

    def born() -> bool:
        seen.update(each.pid for each in _tree(pid)[1:])
        return len(seen) >= wanted

    _wait(pid, lasts_s, born)
    time.sleep(chance.uniform(0, 0.05))  # the moment is the experiment


def _change(chance: Random, pid: int, lasts_s: float, watched: Sequence[Path]) -> None:
    """Just after one of the first changes among the files."""
    last, left = _entries(watched), chance.randint(1, 12)

    def changed() -> bool:
        nonlocal last, left
        now = _entries(watched)
        if now != last:
            last, left = now, left - 1
        return left <= 0

    _wait(pid, lasts_s, changed)
    time.sleep(chance.choice((0, chance.uniform(0, 0.005))))  # the moment is the experiment


def _entries(watched: Sequence[Path]) -> frozenset[str]:
    # Not `glob`: it fails where a folder goes while it is read.
    walked = (each for top in watched for each in os.walk(top))
    return frozenset(f"{at}/{name}" for at, folders, files in walked for name in (*folders, *files))


def _wait(pid: int, lasts_s: float, until: Callable[[], bool]) -> None:
    """Until it is so, or it would have ended, or has."""
    deadline = time.monotonic() + lasts_s
    while time.monotonic() < deadline and _tree(pid) and not until():
        time.sleep(0.001)


_WAITS = {"any moment": _any_moment, "birth": _birth, "change": _change}
