"""Work that is stopped before each of its lines in turn: a stop may come anywhere, and these are all the places."""

import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any


def stopped_at(turn: int, work: Callable[[], object], number: signal.Signals, *files: str) -> bool:
    """Send ourselves a stop before the so many-th line that is run of these files; False when there are fewer."""
    left = turn

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal left
        if Path(frame.f_code.co_filename).name not in (*files, "stopping.py") or _in_destructor(frame):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                signal.raise_signal(number)
        return trace

    before = sys.gettrace()  # what measures the coverage of this test goes on after it
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return left <= 0


def stopped_at_each_line(
    work: Callable[[], object], files: Sequence[str], left: Callable[[], object], *, every: int = 1
) -> int:
    """Stop it at each of its lines in turn; nothing may be left of any. Returns how many there were.

    Args:
        files: the names of the files whose lines are meant.
        left: what is left, empty when nothing is.
        every: of lines that take long only each so many-th.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for turn in range(1, 10_000, every):
            hit = False
            with suppress(KeyboardInterrupt):
                if not stopped_at(turn, work, signal.SIGTERM, *files):
                    return turn
                hit = True
            assert not hit, f"the stop before line {turn} was lost"
            assert not (found := left()), f"a stop before line {turn} left {found}"
        raise AssertionError("it does not end")
    finally:
        signal.signal(signal.SIGTERM, before)


def _in_destructor(frame: FrameType | None) -> bool:
    """Whether what is raised would be swallowed, and come again in a while."""
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None
