"""Watch how much a sandbox takes: a bomb is stopped before it fills the disk, or the memory."""

import errno
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ops_pipelines.clock import human_size
from ops_pipelines.process import Running
from ops_pipelines.recovery.enclosed.setup import Bounds
from ops_pipelines.sandbox.family import descendants

_SHORTEST_PAUSE_S = 0.5
_SHARE = 50  # of the time looking may take


@contextmanager
def watched(directory: Path, program: Running, bounds: Bounds, stop: Callable[[str], None]) -> Iterator[None]:
    """Measure a directory and who writes to it again and again for the length of the block.

    Args:
        program: writes to it, by itself or by what it started, all of which ends with it: bubblewrap that is killed
            while it starts leaves a process that waits for it for ever, and us with that.
        bounds: of all of them together.
        stop: told why, once, when they take more.
    """
    over = threading.Event()

    def watch() -> None:
        pause = _SHORTEST_PAUSE_S
        while not over.wait(pause):
            if program.exited():
                program.kill()
                return
            started = time.monotonic()
            processes = descendants(program.pid)
            if written_bytes(directory) + unnamed_bytes(directory, processes) > bounds.written_bytes:
                stop(f"it wrote more than {human_size(bounds.written_bytes)}, which its backup cannot need")
                return
            if memory_bytes(processes) > bounds.memory_bytes:
                stop(f"it took more than {human_size(bounds.memory_bytes)} of memory")
                return
            pause = max(_SHORTEST_PAUSE_S, _SHARE * (time.monotonic() - started))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def written_bytes(directory: Path) -> int:
    """Room that the files below a directory take; links are not followed, and what goes meanwhile counts nothing.

    A tree that is too deep to be measured is larger than anything.
    """
    total, waiting = 0, [str(directory)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
                        else:
                            total += entry.stat(follow_symlinks=False).st_blocks * 512
                    except OSError:
                        continue
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return sys.maxsize  # what lies deeper than a path can tell could be of any size
    return total


def unnamed_bytes(directory: Path, processes: Sequence[int]) -> int:
    """Room that files take which have no name any more, as long as one of these processes has them open."""
    device, found = directory.stat().st_dev, dict[int, int]()
    for each in processes:
        with suppress(OSError), os.scandir(f"/proc/{each}/fd") as opened:
            for file in opened:
                with suppress(OSError):
                    seen = Path(file.path).stat()
                    if seen.st_nlink == 0 and seen.st_dev == device and stat.S_ISREG(seen.st_mode):
                        found[seen.st_ino] = seen.st_blocks * 512
    return sum(found.values())


def memory_bytes(processes: Sequence[int]) -> int:
    """Memory of their own; what they share is bounded by the room in the sandbox's /dev/shm, or by a server's settings.

    Source: proc(5), statm.
    """
    total = 0
    for each in processes:
        with suppress(OSError, IndexError, ValueError):
            _size, resident, shared = Path(f"/proc/{each}/statm").read_text("ascii").split()[:3]
            total += int(resident) - int(shared)
    return total * os.sysconf("SC_PAGE_SIZE")
