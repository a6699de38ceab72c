"""Tell time, and name restore points after it. Every age in the product comes through a `Clock`."""

import re
import secrets
import time
from datetime import datetime, timedelta, timezone
from typing import Protocol

UTC = timezone.utc
_SET = timedelta(minutes=5)


class Clock(Protocol):
    """Where "now" comes from; tests hand in one that stands still."""

    def now(self) -> datetime:
        """The current time, timezone-aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Stopwatch:
    """Measures how long something takes, whatever happens to the clock meanwhile. It runs while the machine sleeps."""

    def __init__(self) -> None:
        self._began = time.clock_gettime(time.CLOCK_BOOTTIME)

    def took(self, by_clock: timedelta) -> timedelta:
        """What passed: as the clock says, unless it was set by minutes since."""
        measured = timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME) - self._began)
        return measured if abs(by_clock - measured) > _SET else by_clock


def new_id(at: datetime, *, tail_bytes: int = 2) -> str:
    """An id that sorts by time: `20261121T020000Z-7f3a`.

    Args:
        tail_bytes: length of its random tail; longer where many are made in one second.
    """
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(tail_bytes)}"


def moment_of(identifier: str) -> datetime:
    """The time an id was made at, to the second. Raises ValueError for what `new_id` did not make."""
    return datetime.strptime(identifier[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def read_moment(text: str) -> datetime:
    """A time as programs and people write it, to the second: `2026-11-21T02:00:00.123456789Z`, `2026-11-21 02:00`.

    Python 3.10 reads no `Z`, and none reads nanoseconds.

    Returns:
        In the zone that stands there; without one where there is none. Raises ValueError.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no time")  # read from a document that somebody has changed
    return datetime.fromisoformat(re.sub(r"\.\d+", "", text.strip()).replace("Z", "+00:00"))


def human_duration(duration: timedelta) -> str:
    """`3d 4h`, `2h 05m`, `41s`, `0.4s`: two units at most, for tables and sentences."""
    seconds = duration.total_seconds()
    if seconds < 59.5:
        return f"{seconds:.1f}s" if seconds < 9.95 else f"{seconds:.0f}s"
    days, rest = divmod(round(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {left:02}s"


def human_size(size_bytes: float) -> str:
    """`1.5 GiB`, `312 KiB`, `7 B`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"
