"""A stop before a command begins, or after it has ended."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ops_pipelines.errors import Stopped


@contextmanager
def a_stop_is_told() -> Iterator[None]:
    """Say that somebody stopped us, and end; typer would end without a word."""
    try:
        yield
    except KeyboardInterrupt:
        from ops_pipelines.cli import output  # noqa: PLC0415 - `ops --help` does not wait for it

        output.print_stopped(Stopped())
        sys.exit(output.STOPPED)
