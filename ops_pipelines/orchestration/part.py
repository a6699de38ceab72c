"""Dagster's daemon and web servers with a log that a storage database out of reach does not flood.

    python -m ops_pipelines.orchestration.part daemon run …         for  dagster-daemon run …
    python -m ops_pipelines.orchestration.part webserver …          for  dagster-webserver …

They reach their database through many loops, and each says with every try what failed. On the first of these lines
Python gives the root logger a handler, too, since `dagster_postgres` logs to it and it has none: from then on each line
of Dagster is written twice, in two formats. Here every line is written once, by Dagster's own handler.

Two daemons of one instance would start a run each for every tick, and one run twice. Here the second waits until the
first has ended, and then takes its place: on one machine; of two machines each needs an instance of its own.
"""

import atexit
import importlib
import logging
import os
import sys
import threading
import time
from pathlib import Path

from ops_pipelines.home import hold
from ops_pipelines.repeats import Repeats

_EVERY_S = 5.0
# Those that get a handler when Dagster starts, for themselves and their children.
_DAGSTERS = ("dagster", "dagster-webserver", "uvicorn")
_PARTS = {"daemon": "dagster._daemon.cli", "webserver": "dagster_webserver.cli"}


class _ByDagster(logging.Handler):
    """The root's lines, written as Dagster writes its own; until it can, as Python does without any handler."""

    def emit(self, record: logging.LogRecord) -> None:
        handlers: list[logging.Handler | None] = [*logging.getLogger(_DAGSTERS[0]).handlers]
        for handler in handlers or [logging.lastResort]:
            if handler and record.levelno >= handler.level:
                handler.handle(record)


def limit_repeats() -> None:
    """Let this process tell the same trouble once a minute. Before Dagster gives its loggers their handlers."""
    repeats = Repeats(time.monotonic, logging.getLogger(Repeats.__module__).warning)
    for name in _DAGSTERS:
        logger = logging.getLogger(name)
        logger.propagate = False
        _filter_handlers(logger, repeats)
    logging.root.addHandler(_ByDagster())
    threading.Thread(target=_count, args=[repeats], name="repeats", daemon=True).start()
    atexit.register(repeats.count, at_once=True)


def _filter_handlers(logger: logging.Logger, repeats: Repeats) -> None:
    """The handlers that a logger will get. A filter of a logger would not hear what its children say."""
    add = logger.addHandler

    def add_filtered(hdlr: logging.Handler) -> None:
        hdlr.addFilter(repeats)
        add(hdlr)

    logger.addHandler = add_filtered  # type: ignore[method-assign]


def _count(repeats: Repeats) -> None:
    while True:
        time.sleep(_EVERY_S)
        repeats.count()


def wait_until_alone(home: Path) -> None:
    """Wait until no other daemon of this machine works on the instance of a folder; until we end, none will."""
    if not hold(home, wait=False):
        said = "another daemon works on the instance in %s; this one takes its place when it has ended"
        logging.getLogger(_DAGSTERS[0]).warning(said, home)
        hold(home, wait=True)


def main() -> None:
    """Become the part that the first argument names."""
    if len(sys.argv) < 2 or sys.argv[1] not in _PARTS:
        sys.exit(f"usage: python -m {__spec__.name} {{{','.join(_PARTS)}}} …")
    part = sys.argv.pop(1)
    limit_repeats()
    if part == "daemon" and sys.argv[1:2] == ["run"]:
        wait_until_alone(Path(os.environ.get("DAGSTER_HOME") or Path.cwd()))
    sys.argv[0] = f"dagster-{part}"
    importlib.import_module(_PARTS[part]).main()


if __name__ == "__main__":
    main()
