"""Who is alive: kernel locks that vanish with their holder, and directories that belong to one.

A lease is an `flock` on a file. The kernel drops it when the holder dies, however it dies, so a
lock is never stale and a directory whose lease can be taken is litter. Not for network file
systems: leases live below `base`, which is a local disk.
"""

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Literal

from ops_pipelines import durable, stopping
from ops_pipelines.errors import Busy

Standing = Literal["dead", "alive", "foreign"]
"""Of a directory: its owner is dead, its owner lives, it is none of ours."""

_OWNER = ".owner"
_SERVERS_END_WITHIN_S = 5.0
_WAIT = timedelta(minutes=10)  # a sweep removes large directories under the lock
_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ANY = re.compile(".*", re.DOTALL)


@contextmanager
def exclusive(path: Path, *, holder: str, wait: timedelta, what: str) -> Iterator[None]:
    """Hold the lock file `path` for the length of the block.

    Args:
        holder: one line about us, shown to whoever finds the lock taken.
        wait: how long to wait for the holder before giving up.
        what: what is being locked, for the error.
    Raises:
        Busy: somebody else held it for longer than `wait`.
    """
    durable.make_directory(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(descriptor, deadline=time.monotonic() + wait.total_seconds(), what=what)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def in_turn(directory: Path, *, wait: timedelta = _WAIT) -> Iterator[None]:
    """Hold a directory for the length of the block, against others who do so; nothing is written into it.

    Raises:
        TimeoutError: somebody else held it for longer than `wait`; it is an OSError.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not _held(descriptor, deadline=time.monotonic() + wait.total_seconds()):
            raise TimeoutError(errno.ETIMEDOUT, f"another process holds it for more than {wait}", str(directory))
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, *, deadline: float, what: str) -> None:
    if not _held(descriptor, deadline=deadline):
        other = os.pread(descriptor, 200, 0).decode(errors="replace")
        raise Busy(
            f"{what} is busy: {other or 'another process'} is working on it",
            safe="nothing was started, nothing was changed",
            next="wait for it to finish (ops status), then run this again",
        )


def _held(descriptor: int, *, deadline: float) -> bool:
    """Whether the lock became ours before the deadline."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)


def _never() -> bool:
    return False


@contextmanager
def owned_directory(path: Path, *, outlives: Callable[[], bool] = _never, wait: timedelta = _WAIT) -> Iterator[Path]:
    """Create `path` (0700) and own it until the block ends, then remove whatever is left in it.

    If we are killed the directory stays, its lease does not, and `sweep` finds it.

    Args:
        outlives: asked at the end: whether it is to be left to `sweep`, as if we had been killed.
        wait: as for `sweep`, which may raise the same.
    """
    made = False

    def remove() -> None:
        if made and path.exists() and not outlives():
            with _parent_lock(path.parent, wait):
                _remove_for_good(path)

    durable.make_directory(path.parent)
    with ExitStack() as files, stopping.ending(remove):
        with _parent_lock(path.parent, wait):
            path.mkdir(mode=0o700)
            made = True
            descriptor = os.open(path / _OWNER, os.O_RDWR | os.O_CREAT, 0o600)
            files.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path


def hand_over(path: Path, final: Path, *, wait: timedelta = _WAIT) -> None:
    """Give an owned directory its final name, in one step; it is owned no longer. Raises as `sweep`."""
    with _parent_lock(path.parent, wait):
        (path / _OWNER).unlink()
        durable.flush(path)
        path.rename(final)


def sweep(
    parent: Path,
    *,
    ours: re.Pattern[str] = _ANY,
    before_removal: Callable[[Path], object] = lambda path: None,
    wait: timedelta = _WAIT,
) -> list[Path]:
    """Remove every owned directory below `parent` whose owner is dead; returns what was removed.

    A directory gets its mark and loses it under the parent's lock: one without a mark belongs to nobody alive.

    Args:
        ours: the names we give; a directory of another name that has no mark was put there by somebody else.
        before_removal: called with each dead directory first, for instance to stop its processes; one for which it
            returns False stays until the next time.
        wait: how long somebody else may hold the parent's lock.
    Raises:
        TimeoutError: he held it for longer; it is an OSError.
    """
    removed: list[Path] = []
    if not parent.is_dir():
        return removed
    with _parent_lock(parent, wait) as held, held.allow_stops():
        for directory in _directories(parent):
            with _claimed(directory, ours) as standing:
                if standing == "dead" and before_removal(directory) is not False:
                    with suppress(PermissionError):  # it stays litter, and holds nobody up
                        remove_tree(directory)
                        removed.append(directory)
    return removed


def census(parent: Path, *, ours: re.Pattern[str], wait: timedelta = _WAIT) -> list[tuple[Path, Standing]]:
    """Every directory below `parent`, and whose it is; changes nothing.

    Args:
        ours, wait: as for `sweep`, which may raise the same.
    """
    if not parent.is_dir():
        return []
    found = []
    with _parent_lock(parent, wait) as held, held.allow_stops():
        for directory in _directories(parent):
            with _claimed(directory, ours) as standing:
                found.append((directory, standing))
    return found


def _remove_for_good(path: Path) -> None:
    """Remove a directory where a server may not have ended yet, and puts files behind our back."""
    deadline = time.monotonic() + _SERVERS_END_WITHIN_S
    remove_tree(path, ignore_errors=True)
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
        remove_tree(path, ignore_errors=True)


def remove_tree(path: Path, *, ignore_errors: bool = False) -> None:
    """Remove a directory with all that is in it, however deep; no link is followed."""
    try:
        shutil.rmtree(path, ignore_errors=ignore_errors)
    except RecursionError:
        _flatten(path)
        shutil.rmtree(path, ignore_errors=ignore_errors)


def _flatten(top: Path) -> None:
    """Move every directory below `top` into `top` itself: what was deep is deep no longer."""
    waiting = [top]
    for directory in waiting:
        with os.scandir(directory) as entries:
            inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        for each in inner:
            moved = top / secrets.token_hex(16)
            Path(each).rename(moved)
            waiting.append(moved)


def _directories(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.is_symlink())


@contextmanager
def _claimed(directory: Path, ours: re.Pattern[str]) -> Iterator[Standing]:
    """How a directory stands; a dead one is ours until the end of the block."""
    try:
        descriptor = os.open(directory / _OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        # Who worked in a directory may have taken its mark away, or put something else in its place.
        if error.errno not in (errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        yield "dead" if ours.fullmatch(directory.name) else "foreign"
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield "alive"
    else:
        yield "dead"
    finally:
        os.close(descriptor)


@contextmanager
def _parent_lock(parent: Path, wait: timedelta) -> Iterator[stopping.Held]:
    """Between a directory's birth and its lease no sweeper may look at it, and no stop comes."""
    path = parent / ".sweep.lock"
    with stopping.Held() as held:
        descriptor = os.open(path, _LOCK_FLAGS, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is no regular file", str(path))
            with held.allow_stops():
                ours = _held(descriptor, deadline=time.monotonic() + wait.total_seconds())
            if not ours:
                raise TimeoutError(errno.ETIMEDOUT, f"another process holds its lock for more than {wait}", str(path))
            yield held
        finally:
            os.close(descriptor)
