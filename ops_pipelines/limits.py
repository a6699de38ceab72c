"""Limits that know their names in `ops.yaml`, and the end of all that works on one dump."""

import threading
import time
from datetime import timedelta
from types import TracebackType
from typing import Protocol

from ops_pipelines.clock import human_duration


class Limit(timedelta):
    """A span that knows what it is called, so that whoever runs into it can say what to raise.

    Attributes:
        name: where it stands in `ops.yaml`: `limits.stall`.
        whole: what it is the rest of; itself unless some of it has passed.
    """

    name: str
    whole: timedelta

    @classmethod
    def of(cls, span: timedelta, name: str, *, whole: timedelta | None = None) -> "Limit":
        """That span, under that name."""
        made = cls(days=span.days, seconds=span.seconds, microseconds=span.microseconds)
        made.name, made.whole = name, span if whole is None else whole
        return made

    def __reduce__(self) -> tuple[object, ...]:
        """As plain spans: a copy of a subclass would forget its name."""
        return _again, (_plain(self), self.name, _plain(self.whole))


def _again(span: timedelta, name: str, whole: timedelta) -> Limit:
    return Limit.of(span, name, whole=whole)


def _plain(span: timedelta) -> timedelta:
    return timedelta(days=span.days, seconds=span.seconds, microseconds=span.microseconds)


def describe(limit: timedelta) -> str:
    """`10m 00s (limits.stall)`: how long a limit is and, where it stands in `ops.yaml`, what it is called there."""
    return f"{human_duration(limit.whole)} ({limit.name})" if isinstance(limit, Limit) else human_duration(limit)


def advice(limit: timedelta) -> str:
    """What to do when a limit was reached; empty for one that nobody can change."""
    if not isinstance(limit, Limit):
        return ""
    return f"look at the server and the network to it; where they are only slow, raise {limit.name} in ops.yaml"


class Abortable(Protocol):
    """Something that waits, and can be woken from another thread."""

    def abort(self, reason: str, *, limit: timedelta | None = None) -> None:
        """Wake it; it fails with `reason`."""
        ...


class Deadline:
    """The end of one dump: whoever waits at that moment is woken, whoever begins to wait later gets no time.

    Args:
        total: from now on; what is told of it is this limit.
        grace: passes before it, for what is not part of the dump: waiting for others.
    """

    def __init__(self, total: timedelta, *, grace: timedelta = timedelta(0)) -> None:
        self._total = total
        self._at = time.monotonic() + (total + grace).total_seconds()
        self._waiting: list[Abortable] = []
        self._lock = threading.Lock()
        self._over = False
        seconds = min((total + grace).total_seconds(), threading.TIMEOUT_MAX)
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "Deadline":
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def wake(self, waiting: Abortable) -> None:
        """Wake this one, too, when the time is over."""
        with self._lock:
            self._waiting.append(waiting)
            over = self._over
        if over:
            self._abort(waiting)

    def left(self) -> timedelta:
        """What is left, and no more than the total."""
        left = min(self._total, timedelta(seconds=max(0.0, self._at - time.monotonic())))
        if not isinstance(self._total, Limit):
            return left
        return Limit.of(left, self._total.name, whole=self._total)

    def _end(self) -> None:
        with self._lock:
            self._over = True
            waiting = list(self._waiting)
        for each in waiting:
            self._abort(each)

    def _abort(self, waiting: Abortable) -> None:
        waiting.abort(f"the dump took longer than {describe(self._total)}", limit=self._total)
