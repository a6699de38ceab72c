"""A log in which trouble that goes on is told once, and then counted: one line a minute, and one when it is over.

For processes that are not ours and say the same with every try, such as Dagster's daemon while its database is away.
What is told once is never lost: a line is held back only while another one that says the same of the same is fresh.
"""

import logging
import re
import textwrap
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

_PERIOD_S = 60.0
# Loops that fail slowly come round after more than a minute.
_FRESH_S = 2 * _PERIOD_S
_SHOWN, _LONGEST, _DEEPEST = 3, 160, 20
# Where the text of an error goes on with where it happened, as Dagster and as Python write it.
_TRACE = re.compile(r"\s*\n(?:Stack Trace|Traceback \(most recent call last\)):\n")
_AS_TEXT = logging.Formatter()
_CAUSE = re.compile(r"^The above exception .* the following exception:\n(.*)", re.MULTILINE)
_FRAME = re.compile(r'^  File "([^"]+)", line (\d+)', re.MULTILINE)


@dataclass(frozen=True)
class _Error:
    """An error, the innermost place that raised it, and the errors behind it."""

    text: str
    place: str
    causes: tuple[str, ...]


@dataclass(frozen=True)
class _Kind:
    """Lines that say the same."""

    logger: str
    level: int
    text: str
    error: _Error | None


@dataclass
class _Told:
    """When a kind was last heard, and how many lines of it were held back since they were last counted."""

    at_s: float
    held: int = 0


class Repeats(logging.Filter):
    """Holds warnings and errors back that repeat one of the last two minutes. What is below a warning always passes.

    An error that several loggers report is shown with its stack trace once; the others have a line each.

    Args:
        now: seconds of a clock that only grows.
        say: gets the line that counts what was held back. A logger with this module's name passes the filter.
    """

    def __init__(self, now: Callable[[], float], say: Callable[[str], None]) -> None:
        super().__init__()
        self._now, self._say = now, say
        self._lock = threading.Lock()
        self._kinds: dict[_Kind, _Told] = {}
        self._errors: dict[_Error, float] = {}
        self._counted_s = self._began_s = self._held_s = 0.0  # they mean something while lines are held back
        self._total = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written. Its stack trace is left out where another line has just shown it, and is part of
        its message otherwise: not every formatter writes it.
        """
        if record.levelno < logging.WARNING or record.name == __name__:
            return True
        kind = _kind(record)
        with self._lock:
            now = self._now()
            seen = self._kinds.setdefault(kind, _Told(now - _FRESH_S))
            fresh, seen.at_s = now - seen.at_s < _FRESH_S, now
            if fresh:
                if not self._total:
                    self._counted_s = self._began_s = now
                self._held_s = now
                seen.held += 1
                self._total += 1
            shown = kind.error is not None and now - self._errors.get(kind.error, now - _FRESH_S) < _FRESH_S
            if kind.error:
                self._errors[kind.error] = now
        if not fresh and shown:
            _rewrite(record, f"{kind.text} (its stack trace is above)")
        elif not fresh and record.exc_info:
            _rewrite(record, f"{record.getMessage()}\n{_AS_TEXT.formatException(record.exc_info)}")
        return not fresh

    def count(self, *, at_once: bool = False) -> None:
        """Say what was held back, when it is time. To be called every few seconds.

        Args:
            at_once: the process ends.
        """
        with self._lock:
            now = self._now()
            line = self._line(now) if self._total and (at_once or now - self._counted_s >= _PERIOD_S) else ""
            self._kinds = {kind: seen for kind, seen in self._kinds.items() if now - seen.at_s < _FRESH_S or seen.held}
            self._errors = {error: at_s for error, at_s in self._errors.items() if now - at_s < _FRESH_S}
        if line:
            self._say(line)

    def _line(self, now: float) -> str:
        held = sorted(((seen.held, kind) for kind, seen in self._kinds.items() if seen.held), key=lambda each: -each[0])
        if not held:
            if now - self._held_s < _FRESH_S:
                return ""
            total, self._total = self._total, 0
            lasted = timedelta(seconds=round(self._held_s - self._began_s))
            return f"over after {lasted}; lines that were held back: {total:,}"
        self._counted_s = now
        for seen in self._kinds.values():
            seen.held = 0
        most = "; ".join(
            f"{count} of {kind.logger}: {textwrap.shorten(kind.text, _LONGEST, placeholder=' …')}"
            for count, kind in held[:_SHOWN]
        )
        rest = sum(count for count, _kind in held[_SHOWN:])
        others = f"; {rest} of {len(held) - _SHOWN} other kinds" if rest else ""
        return f"{sum(count for count, _kind in held):,} more like it in the last minute: {most}{others}"


def _kind(record: logging.LogRecord) -> _Kind:
    message = record.getMessage()
    trace = _TRACE.search(message)
    head = message[: trace.start()] if trace else message
    error = None
    if trace:
        # Its first part is the error itself; what caused it follows, each with a trace of its own.
        frames = _FRAME.findall(message[trace.end() :].split("\n\n")[0])
        place = ":".join(frames[-1]) if frames else ""
        error = _Error(head.rpartition("\n")[2].strip(), place, tuple(_CAUSE.findall(message)))
    elif record.exc_info and (raised := record.exc_info[1]):
        error = _raised(raised)
        if error.text not in head:
            head = f"{head}: {error.text}"
    return _Kind(record.name, record.levelno, " ".join(head.split()), error)


def _rewrite(record: logging.LogRecord, message: str) -> None:
    record.msg, record.args = message, ()
    record.exc_info = record.exc_text = None


def _raised(error: BaseException) -> _Error:
    trace, place = error.__traceback__, ""
    while trace:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    causes: list[str] = []
    behind = _behind(error)
    while behind and len(causes) < _DEEPEST:
        causes.append(_first_line(behind))
        behind = _behind(behind)
    return _Error(_first_line(error), place, tuple(causes))


def _behind(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _first_line(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).partition("\n")[0]
