"""Of two daemons on one instance the second waits, and takes the place of the first."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WAITS = """
import sys, time
from pathlib import Path
from ops_pipelines.orchestration.part import wait_until_alone
wait_until_alone(Path(sys.argv[1]))
print("alone", flush=True)
time.sleep(300)
"""


@contextmanager
def daemon(home: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that works once it is alone."""
    argv = [sys.executable, "-c", _WAITS, str(home)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_second_daemon_waits_and_takes_the_place_of_a_killed_one(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").touch()
    with daemon(tmp_path) as first:
        assert first.stdout is not None and first.stdout.readline() == "alone\n"
        with daemon(tmp_path) as second:
            assert second.stdout is not None and second.stderr is not None
            assert "this one takes its place when it has ended" in second.stderr.readline()
            os.kill(first.pid, signal.SIGKILL)
            assert second.stdout.readline() == "alone\n"
