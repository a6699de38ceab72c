"""Who started whom, as /proc tells it."""

import os
from contextlib import suppress
from pathlib import Path


def children() -> dict[int, list[int]]:
    """The processes of this machine by the one that each belongs to."""
    found: dict[int, list[int]] = {}
    for each in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 (a tenth of the time)
        with suppress(OSError, IndexError, ValueError):
            # Behind the name, which may hold anything: the state, then the parent.
            above = Path(f"/proc/{each}/stat").read_bytes().rpartition(b")")[2].split()[1]
            found.setdefault(int(above), []).append(int(each))
    return found


def descendants(pid: int) -> list[int]:
    """A process and all that it started, directly or not."""
    known = children()
    found = [pid]
    for parent in found:
        found += known.get(parent, [])
    return found
