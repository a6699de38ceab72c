"""What a log says of trouble that goes on: all of it once, then a line a minute, then that it is over."""

import logging
from collections.abc import Iterator

import pytest

from ops_pipelines.repeats import Repeats


class Log:
    """A log behind the filter, and its clock."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.lines: list[str] = []
        self.repeats = Repeats(lambda: self.now_s, self.lines.append)
        self._handler = logging.Handler()
        self._handler.emit = lambda record: self.lines.append(self._handler.format(record))  # type: ignore[method-assign]
        self._loggers: list[logging.Logger] = []

    def logger(self, name: str) -> logging.Logger:
        logger = logging.Logger(name)
        logger.addFilter(self.repeats)
        logger.addHandler(self._handler)
        return logger

    def pass_time(self, seconds: int, every_s: int = 5) -> None:
        for _ in range(0, seconds, every_s):
            self.now_s += every_s
            self.repeats.count()

    def new(self) -> list[str]:
        """What was written since this was last asked."""
        found = self.lines[:]
        self.lines.clear()
        return found


@pytest.fixture
def log() -> Iterator[Log]:
    yield Log()


def test_what_repeats_is_told_once_then_once_a_minute_then_that_it_is_over(log: Log) -> None:
    root, other = log.logger("root"), log.logger("other")
    for _minute in range(3):
        for _ in range(12):
            root.warning("no connection: %s", "refused")
            root.warning("no connection: %s", "refused")
            other.error("no heartbeat")
            log.pass_time(5)
    first, second, *counted = log.new()
    assert (first, second) == ("no connection: refused", "no heartbeat")
    assert (
        counted[0]
        == "34 more like it in the last minute: 23 of root: no connection: refused; 11 of other: no heartbeat"
    )
    assert (
        counted[1:]
        == ["36 more like it in the last minute: 24 of root: no connection: refused; 12 of other: no heartbeat"] * 2
    )
    log.pass_time(300)
    assert log.new() == ["over after 0:02:55; lines that were held back: 106"]
    root.warning("no connection: %s", "refused")
    assert log.new() == ["no connection: refused"], "another outage is told anew"


def test_nothing_that_is_said_once_is_lost(log: Log) -> None:
    logger = log.logger("runs")
    for _ in range(2):
        logger.info("looked for runs")
    for run in range(100):
        logger.error("run %s failed", run)
    logger.error("run %s failed", 1)
    assert log.new() == ["looked for runs"] * 2 + [f"run {run} failed" for run in range(100)]
    log.pass_time(300)
    assert log.new() == [
        "1 more like it in the last minute: 1 of runs: run 1 failed",
        "over after 0:00:00; lines that were held back: 1",
    ]


def test_what_comes_rarely_is_told_each_time(log: Log) -> None:
    logger = log.logger("rare")
    for _ in range(3):
        logger.warning("slow")
        log.pass_time(125)
    assert log.new() == ["slow"] * 3


def test_a_loop_that_fails_slowly_does_not_begin_anew_each_time(log: Log) -> None:
    logger = log.logger("slow")
    for _ in range(5):
        logger.warning("timed out")
        log.pass_time(75)
    first, *counted = log.new()
    assert first == "timed out"
    assert set(counted) == {"1 more like it in the last minute: 1 of slow: timed out"} and len(counted) == 4


def test_what_is_held_back_when_the_process_ends_is_counted(log: Log) -> None:
    logger = log.logger("root")
    for _ in range(4):
        logger.warning("no connection")
    log.repeats.count(at_once=True)
    assert log.new() == ["no connection", "3 more like it in the last minute: 3 of root: no connection"]


def test_of_many_kinds_the_most_frequent_are_named(log: Log) -> None:
    logger = log.logger("many")
    for kind in range(5):
        for _ in range(2 + kind):
            logger.error("kind %s", kind)
    log.new()
    log.pass_time(60)
    named = "5 of many: kind 4; 4 of many: kind 3; 3 of many: kind 2; 3 of 2 other kinds"
    assert log.new() == [f"15 more like it in the last minute: {named}"]


def fail(value: str) -> None:
    raise ValueError(value)


def report(logger: logging.Logger, value: str) -> None:
    try:
        fail(value)
    except ValueError:
        logger.exception("loop %s failed", logger.name)


def test_an_error_that_several_report_has_its_stack_trace_once(log: Log) -> None:
    for name in ("sensors", "schedules"):
        report(log.logger(name), "gone")
    first, second = log.new()
    assert first.startswith("loop sensors failed\nTraceback") and first.endswith("ValueError: gone"), first
    assert second == "loop schedules failed: ValueError: gone (its stack trace is above)"
    report(log.logger("sensors"), "another")
    assert "Traceback" in log.new()[0]
    try:
        raise ValueError("gone")
    except ValueError:
        log.logger("sensors").exception("loop sensors failed")
    assert "Traceback" in log.new()[0], "raised elsewhere"


def test_the_same_error_for_another_reason_is_another_one(log: Log) -> None:
    logger = log.logger("sensors")
    dagsters = (
        'sensor failed:\nDagsterError: in sensor\n\nStack Trace:\n  File "a.py", line 1, in f\n    x\n\n'
        "The above exception was caused by the following exception:\nOSError: {}\n\nStack Trace:\n"
    )
    for reason in ("disk full", "disk full", "not allowed"):
        logger.error(dagsters.format(reason))
    assert log.new() == [dagsters.format("disk full"), dagsters.format("not allowed")]
    for reason in ("disk full", "disk full", "not allowed"):
        try:
            try:
                fail(reason)
            except ValueError as error:
                raise RuntimeError("in sensor") from error
        except RuntimeError:
            logger.exception("sensor failed")
    first, second = log.new()
    assert "ValueError: disk full" in first and "ValueError: not allowed" in second
