"""`ops` commands in forks of one process that has imported everything: the real command line, without its start.

Importing takes longer than the work of a small house, and 300 kills an engine would spend most of their time on it.
"""

import multiprocessing
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

from ops_pipelines import redact
from tests.faults.house import House

FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(
    [
        "ops_pipelines.cli.main",
        "ops_pipelines.orchestration.build",
        "ops_pipelines.orchestration.launch",
        "ops_pipelines.engines.postgres.engine",
        "ops_pipelines.engines.mysql.engine",
        "ops_pipelines.engines.mongodb.engine",
        "ops_pipelines.engines.sqlite.engine",
        "ops_pipelines.engines.files.engine",
        "ops_pipelines.watch.alerts.watch",
        "sqlalchemy.dialects.sqlite",
    ]
)

_BEGINS_WITHIN_S = 120.0


@dataclass(frozen=True)
class Forked:
    """A command that was started."""

    process: BaseProcess
    output: Path

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process.pid is not None
        return self.process.pid

    def wait(self, within_s: float = 150) -> int:
        """Its exit status, negative for a signal, once it has ended."""
        self.process.join(within_s)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise AssertionError(f"it did not end within {within_s:.0f} s; it said: {self.said}")
        return self.process.exitcode

    @property
    def said(self) -> str:
        """What it printed so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")


def start(house: House, *words: str) -> Forked:
    """Start `ops WORDS` for a house."""
    name = str(Path(tempfile.gettempdir()) / f"ops-said-{secrets.token_hex(8)}")
    argv = ["ops", *words, "--config", str(house.config)]
    process = FORK.Process(target=_ops, args=(argv, str(house.path), dict(house.environment()), name))
    process.start()
    deadline = time.monotonic() + _BEGINS_WITHIN_S
    while not Path(name).exists():
        assert process.is_alive() and time.monotonic() < deadline, "it does not begin"
        time.sleep(0.001)
    return Forked(process, Path(name))


def open_dagster(home: str, gate: Event) -> None:
    """What a process does that opens Dagster's storage in a folder, once the gate is open."""
    from ops_pipelines.orchestration.instance import dagster_instance  # noqa: PLC0415 (in the process itself)

    os.environ["DAGSTER_HOME"] = home
    gate.wait(_BEGINS_WITHIN_S)
    with dagster_instance(Path(home)):
        pass


def _ops(argv: Sequence[str], directory: str, environment: Mapping[str, str], output: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    tempfile.tempdir = None
    redact._values.clear()
    # What runs the tests may have been started in the background, where Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.argv = list(argv)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)  # now it has begun
    for number in (1, 2):
        os.dup2(said, number)
    from ops_pipelines.cli.main import main  # noqa: PLC0415 (imported already, in the process that this is forked from)

    main()
