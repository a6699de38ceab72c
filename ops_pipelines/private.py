"""Files that nobody but this user may read, in a process that is not ours alone."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PRIVATE = 0o077
_lock = threading.Lock()
_within = 0
_before = 0


def private_process() -> None:
    """From here on, whatever this process creates is private to its user."""
    os.umask(_PRIVATE)


@contextmanager
def private_files() -> Iterator[None]:
    """Whatever is created in the block is private; afterwards the process is as it was.

    A process has one umask for all its threads: the first who comes changes it, the last who leaves
    changes it back.
    """
    global _within, _before  # noqa: PLW0603 (it is the process's, and so is this)
    with _lock:
        if _within == 0:
            _before = os.umask(_PRIVATE)
        _within += 1
    try:
        yield
    finally:
        with _lock:
            _within -= 1
            if _within == 0:
                os.umask(_before)
