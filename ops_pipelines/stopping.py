"""Ctrl-C and SIGTERM reach the work at hand, as an exception, whatever runs at that moment. Decides nothing.

Python raises such an exception wherever the main thread happens to be. Two places lose it: destructors, whose
exceptions are printed and forgotten, and libraries in other languages, which take it for a failure of their own; a
stop would then look like a broken copy. Others write it down as an error, with a traceback, before they pass it on.
"""

import _thread
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPS = (signal.SIGINT, signal.SIGTERM)
_SOON_S = 0.01


def settle() -> None:
    """From here on SIGTERM is as Ctrl-C, as systemd, docker and timeout mean it, and no stop is lost."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    reraise_swallowed_stops()
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_is_no_stop)


def _is_no_stop(record: logging.LogRecord) -> bool:
    """Whether a library logs something else than a stop that it met: of that we tell, once."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or issubclass(kind, Exception)


def reraise_swallowed_stops() -> None:
    """A stop that a destructor has swallowed comes again."""
    if sys.unraisablehook is not _again:
        sys.unraisablehook = _again


def _again(lost: "sys.UnraisableHookArgs") -> None:
    if issubclass(lost.exc_type, (Exception, GeneratorExit, SystemExit)):
        sys.__unraisablehook__(lost)
        return
    # Not at once: raised in here it would be swallowed as well.
    returned = threading.Event()
    _thread.start_new_thread(_send, (returned,))  # a Thread would have us wait until it runs
    returned.set()


def _send(returned: threading.Event) -> None:
    returned.wait()
    time.sleep(_SOON_S)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def ending(end: Callable[[], object]) -> Iterator[None]:
    """Whatever happens in the block, `end` is carried out after it; a stop that cuts it off has it begin again.

    Enter it first, and make in the block what has to end: a stop between the two would leave it.

    Args:
        end: may be called twice, and before anything was made.
    """
    try:
        try:
            yield
        finally:
            end()
    except BaseException as error:
        if not isinstance(error, Exception):
            end()
        raise


class Held:
    """Stops are held back in the block, but where it lets them in; one that came meanwhile comes at its end.

    Whoever handles signals goes on to do so; outside of the main thread, which alone gets them, nothing changes.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._open = False
        self._came: signal.Signals | None = None

    def __enter__(self) -> "Held":
        if threading.current_thread() is threading.main_thread():
            handlers = {number: signal.getsignal(number) for number in STOPS}
            self._before = {number: each for number, each in handlers.items() if callable(each)}  # or it is ignored
            try:
                for number in self._before:
                    signal.signal(number, self._handle)
            except BaseException:
                self._give_back()
                raise
        return self

    def __exit__(self, *_raised: object) -> None:
        self._give_back()
        self._deliver()

    def _give_back(self) -> None:
        """Leave the signals to whoever handled them, all of them, although one may come as soon as its turn has."""
        left, stop = list(self._before.items()), None
        while left:
            try:
                while left:
                    signal.signal(*left[-1])
                    left.pop()
            except BaseException as error:
                stop = error
        if stop is not None:
            raise stop

    @contextmanager
    def allow_stops(self) -> Iterator[None]:
        """A stop that comes in this block, or came before it, is raised here."""
        self._open = True
        try:
            self._deliver()
            yield
        finally:
            self._open = False

    def _deliver(self) -> None:
        number, self._came = self._came, None
        if number is not None:
            self._before[number](number, None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._open:
            self._before[signal.Signals(number)](number, frame)
        else:
            self._came = signal.Signals(number)
