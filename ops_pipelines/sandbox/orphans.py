"""Programs of the other account that leave their process group: without a process namespace they must be sought out.

While a proof runs, we are who inherits processes that lost their parent (prctl(2), PR_SET_CHILD_SUBREAPER).
"""

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from ops_pipelines import stopping
from ops_pipelines.process import Running
from ops_pipelines.sandbox import account
from ops_pipelines.sandbox.family import children

_SET_CHILD_SUBREAPER = 36
_started = threading.Lock()
_ours: set[int] = set()


@contextmanager
def without_orphans(starting: AbstractContextManager[Running]) -> Iterator[Running]:
    """Run a program as that account for the length of the block; all that it started ends with it."""
    pid = 0

    def end() -> None:
        with stopping.Held(), _started:
            _ours.discard(pid)
            while orphans := _orphans():
                for each in orphans:
                    with suppress(ProcessLookupError, ChildProcessError):
                        os.kill(each, signal.SIGKILL)
                        os.waitpid(each, 0)
            _inherit(bool(_ours))

    with stopping.ending(end), ExitStack() as started:
        with stopping.Held(), _started:  # or another's end takes it for an orphan
            _inherit(True)  # before it starts: what it lets go of at once is ours as well
            program = started.enter_context(starting)
            _ours.add(pid := program.pid)
        yield program


def _inherit(yes: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _orphans() -> list[int]:
    """Children of ours that belong to the account, and that we did not start."""
    mine = children().get(os.getpid(), [])
    return [each for each in mine if each not in _ours and _owner(each) == account.sandbox_uid()]


def _owner(process: int) -> int | None:
    """Whose it is, also when it has ended and waits for us to notice."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text("utf-8", errors="replace").splitlines():
            if line.startswith("Uid:"):
                return int(line.split()[1])
    return None
