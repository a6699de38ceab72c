"""Watch how much a sandbox writes: a bomb is stopped before it fills the disk."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ops_pipelines.clock import human_size

_SHORTEST_PAUSE_S = 0.5
_SHARE = 50  # of the time looking may take


@contextmanager
def watched(directory: Path, most_bytes: int, stop: Callable[[str], None]) -> Iterator[None]:
    """Measure a directory again and again for the length of the block.

    Args:
        most_bytes: that its files may hold together.
        stop: told why, once, when they hold more.
    """
    over = threading.Event()

    def watch() -> None:
        pause = _SHORTEST_PAUSE_S
        while not over.wait(pause):
            started = time.monotonic()
            if written_bytes(directory) > most_bytes:
                stop(f"it wrote more than {human_size(most_bytes)}, which its backup cannot need")
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
    """Room that the files below a directory take; links are not followed, and what goes meanwhile counts nothing."""
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
        except OSError:
            continue
    return total
