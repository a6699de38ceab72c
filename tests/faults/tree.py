"""A process that takes everything below it along: `python -m tests.faults.tree ARGV…`.

It ends when its standard input does, and so when the test that started it is over, however that ended. What had lost
its parent meanwhile is below it as well, because the kernel gives it the orphans.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import psutil

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_DIRECTORY = "OPS_FAULTS_TREE"


@contextmanager
def grown(
    argv: Sequence[str], *, directory: Path, environment: Mapping[str, str], log: BinaryIO
) -> Iterator[psutil.Process]:
    """A process, and at the end of the block neither it nor anything that it started."""
    keeper = subprocess.Popen(
        [sys.executable, str(Path(__file__)), *argv],
        # Nothing of the keeper itself names the directory: who looks for what is left there does not find it.
        cwd="/", env={**environment, _DIRECTORY: str(directory)}, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
    )  # fmt: skip
    assert keeper.stdin is not None and keeper.stdout is not None
    try:
        yield psutil.Process(int(keeper.stdout.readline()))
    finally:
        keeper.stdin.close()
        keeper.wait()
        keeper.stdout.close()


def main() -> None:
    """Start it, say which process it is, and wait for the end of standard input."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    directory = os.environ.pop(_DIRECTORY)
    started = subprocess.Popen(sys.argv[1:], cwd=directory, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    print(started.pid, flush=True)
    threading.Thread(target=_bury, daemon=True).start()
    sys.stdin.buffer.read()
    _fell()


def _bury() -> None:
    """Wait for whatever has died: a zombie would look like something that is left."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _fell() -> None:
    """Kill all that is below, until nothing is: what is killed may have started something just before."""
    while below := psutil.Process().children(recursive=True):
        for each in below:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
        psutil.wait_procs(below, timeout=0.2)


if __name__ == "__main__":
    main()
