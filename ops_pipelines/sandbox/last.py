"""The end of a sandbox: whoever removes its directory must not do so beside one of its processes.

bubblewrap is ended from outside, and what it started ends by the kernel, a moment later. The first process in a process
namespace is gone when all of them are (https://man7.org/linux/man-pages/man7/pid_namespaces.7.html).
"""

import json
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager

_GONE_WITHIN_S = 10.0
_TOLD_BYTES = 4096


@contextmanager
def wait_for_last_process() -> Iterator[int]:
    """Wait, after the block, until the last process of a sandbox that was ended in it is gone.

    Returns:
        The file for bubblewrap's `--info-fd`.
    """
    reading_end, writing_end = os.pipe()
    os.set_blocking(reading_end, False)
    try:
        yield writing_end
    finally:
        os.close(writing_end)
        _wait(_first(reading_end))
        os.close(reading_end)


def _first(reading_end: int) -> int | None:
    """The first process inside, by its number here; none when bubblewrap did not get so far."""
    try:
        return int(json.loads(os.read(reading_end, _TOLD_BYTES))["child-pid"])
    except (BlockingIOError, ValueError, KeyError):
        return None


def _wait(process: int | None) -> None:
    if process is None:
        return
    try:
        file = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        select.select([file], [], [], _GONE_WITHIN_S)
    finally:
        os.close(file)
