"""Run other people's programs safely: own process group, limits, redacted errors, no leftovers.

Nothing else in the package starts a process. Every command gets its own session, so that a stop
reaches its children; dies with us (parent-death signal) even when we are killed; sees only the
environment it needs; and is held to a stall and a total limit. A non-zero exit status, a signal or
silence is an error. Secrets travel in `env`, never in `argv`.
"""

import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import IO

from ops_pipelines import limits as spans
from ops_pipelines import stopping
from ops_pipelines.errors import OpsError
from ops_pipelines.text import without_tracebacks

_PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "KRB5CCNAME",
    "PGSERVICEFILE", "PGSYSCONFDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
_STDERR_KEPT = 64 * 1024
_LONGEST_WAIT_S = 20 * 86400  # poll(2) counts milliseconds in an int
_PIPE_BYTES = 1024 * 1024
_WORTH_WAKING = 256 * 1024
_LET_FILL_S = 0.002


@dataclass(frozen=True)
class Limits:
    """How long a command may take: `stall` without a sign of life, `total` altogether, and the
    `grace` between SIGTERM and SIGKILL."""

    stall: timedelta
    total: timedelta
    grace: timedelta = timedelta(seconds=10)


class CommandFailed(OpsError):
    """A program exited with a non-zero status, died of a signal, or could not be started."""

    def __init__(self, what: str, *, why: str = "", next: str = "", status: int | None = None) -> None:
        super().__init__(what, why=why, next=next)
        self.status = status


class CommandTimedOut(CommandFailed):
    """A program showed no sign of life for `stall`, or ran longer than `total`; it was killed."""


@dataclass(frozen=True)
class Completed:
    """What a finished command printed."""

    stdout: bytes
    stderr: str
    status: int


class Running:
    """A started command: read its standard output, then `finish` it."""

    def __init__(
        self,
        argv: Sequence[str],
        process: subprocess.Popen[bytes],
        limits: Limits,
        stop: signal.Signals,
        stderr_bytes: int,
    ) -> None:
        self._stop = stop
        self._stderr_bytes = stderr_bytes
        self.name = Path(argv[0]).name
        self.pid = process.pid
        self._process = process
        self._limits = limits
        self._deadline = time.monotonic() + limits.total.total_seconds()
        self._exited = os.pidfd_open(process.pid)
        self._stderr = bytearray()
        self._drain = threading.Thread(target=self._drain_stderr, daemon=True)
        self._drain.start()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes of standard output; empty at its end.

        Raises:
            CommandTimedOut: nothing came for the stall limit, or the total limit has passed.
        """
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        self._wait_for(descriptor, self._limits.stall.total_seconds())
        # pg_dump writes a few kilobytes at a time. Woken for each, we would spend as long waking as reading:
        # let the pipe fill for a moment, which the writer does not notice.
        if _waiting_bytes(descriptor) < _WORTH_WAKING:
            time.sleep(_LET_FILL_S)
        return os.read(descriptor, size if 0 < size < _PIPE_BYTES else _PIPE_BYTES)

    def finish(self, *, accept: Sequence[int] = (0,), alive: Callable[[], int] | None = None) -> Completed:
        """Wait for the end and check how it ended.

        Args:
            accept: exit statuses that are not an error.
            alive: a number that changes while the command works (bytes in a directory, say);
                when it stands still for the stall limit, the command is killed.
        Raises:
            CommandTimedOut, CommandFailed.
        """
        seen, changed_at = -1, time.monotonic()
        while not self._ready(self._exited, 0.2 if alive else self._deadline - time.monotonic()):
            if time.monotonic() > self._deadline:
                self._time_out("ran longer than", self._limits.total)
            if alive is not None:
                now_at = alive()
                if now_at != seen:
                    seen, changed_at = now_at, time.monotonic()
                elif time.monotonic() - changed_at > self._limits.stall.total_seconds():
                    self._time_out("made no progress for", self._limits.stall)
        self.kill()
        status = self._process.returncode
        if status not in accept:
            ended = f"died of {_signal_name(-status)}" if status < 0 else f"exited with status {status}"
            raise CommandFailed(f"{self.name} {ended}", why=self.stderr_tail(), status=status)
        return Completed(stdout=b"", stderr=self.stderr(), status=status)

    def kill(self) -> None:
        """Stop the whole process group, gently then not, and reap it. Safe to call twice."""
        if self._process.returncode is None:
            if not self._ready(self._exited, 0):
                self._signal(self._stop)
                self._ready(self._exited, self._limits.grace.total_seconds())
            # The leader is not reaped yet, so its id still names our group and nobody else's.
            self._signal(signal.SIGKILL)
            self._process.wait()
            os.close(self._exited)
            self._drain.join(timeout=5)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def exited(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.returncode is not None or self._ready(self._exited, 0)

    def stderr(self) -> str:
        """The end of what it wrote to standard error, 64 KiB unless told otherwise."""
        return bytes(self._stderr).decode(errors="replace").strip()

    def stderr_tail(self, lines: int = 12) -> str:
        """The end of standard error, for an error message; of a traceback the error that it is about."""
        return "\n".join(without_tracebacks(self.stderr().splitlines())[-lines:])

    def _wait_for(self, descriptor: int, stall_s: float) -> None:
        left = self._deadline - time.monotonic()
        if not self._ready(descriptor, min(stall_s, left)):
            if left < stall_s:
                self._time_out("ran longer than", self._limits.total)
            self._time_out("sent nothing for", self._limits.stall)

    def _time_out(self, how: str, limit: timedelta) -> None:
        self.kill()
        raise CommandTimedOut(
            f"{self.name} {how} {spans.describe(limit)} and was stopped",
            why=self.stderr_tail(),
            next=spans.advice(limit),
        )

    @staticmethod
    def _ready(descriptor: int, timeout_s: float) -> bool:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(min(max(0.0, timeout_s), _LONGEST_WAIT_S) * 1000))

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # the whole group is gone already: that is what we wanted
            os.killpg(self.pid, number)

    def _drain_stderr(self) -> None:
        if self._process.stderr is None:
            return  # it goes where the standard output goes
        with self._process.stderr as pipe:
            while chunk := os.read(pipe.fileno(), 8192):
                self._stderr += chunk
                del self._stderr[: -self._stderr_bytes]


@contextmanager
def running(
    argv: Sequence[str | Path],
    *,
    limits: Limits,
    env: Mapping[str, str] | None = None,
    stdin: IO[bytes] | int | None = None,
    stdout: int | IO[bytes] = subprocess.PIPE,
    cwd: Path | None = None,
    stop: signal.Signals = signal.SIGTERM,
    death: signal.Signals = signal.SIGKILL,
    stderr_bytes: int = _STDERR_KEPT,
    merged: bool = False,
    files: Sequence[int] = (),
) -> Iterator[Running]:
    """Start `argv`; whatever happens in the block, nothing of it is left running afterwards.

    Args:
        stop: the signal that asks it to end; SIGKILL follows after the grace.
        death: the signal that it gets when we are killed; one that has parts of its own has to end them.
        stderr_bytes: how much of the end of its standard error is kept.
        merged: its standard error goes where its standard output goes, and nothing of it is kept.
        files: open files that it gets, by their numbers.

    The thread that enters the block must stay in it: the parent-death signal follows the thread.

    Raises:
        CommandFailed: the program cannot be started.
    """
    words = [str(word) for word in argv]
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {"LC_ALL": "C.UTF-8", **(env or {})}
    command: Running | None = None

    def start() -> Running:
        process = subprocess.Popen(
            [*_dies_with_us(death), *words],
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=stdout,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            env=environment,
            cwd=cwd,
            start_new_session=True,
            pipesize=_PIPE_BYTES,
            pass_fds=files,
        )
        try:
            return Running(words, process, limits, stop, stderr_bytes)
        except BaseException:  # no file or no thread is left for it
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise

    def end() -> None:
        if command is not None:
            command.kill()

    with stopping.ending(end):
        try:
            with stopping.Held():  # `Popen` forgets its program when a stop comes while it starts
                command = start()
        except OSError as error:
            raise CommandFailed(f"{words[0]} cannot be started", why=str(error)) from None
        yield command


def run(
    argv: Sequence[str | Path],
    *,
    limits: Limits,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    accept: Sequence[int] = (0,),
    cwd: Path | None = None,
    alive: Callable[[], int] | None = None,
    stderr_bytes: int = _STDERR_KEPT,
) -> Completed:
    """Run `argv` to its end and return what it printed; for commands whose output is small.

    Args:
        stdin: fed to the command through an anonymous file.
        accept, alive: as in `Running.finish`.
        stderr_bytes: how much of the end of its standard error is kept.
    Raises:
        CommandFailed, CommandTimedOut.
    """
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as fed:
        if stdin is not None:
            fed.write(stdin)
            fed.seek(0)
        with running(
            argv, limits=limits, env=env, stdin=fed, stdout=printed, cwd=cwd, stderr_bytes=stderr_bytes
        ) as command:
            completed = command.finish(accept=accept, alive=alive)
        printed.seek(0)
        return Completed(stdout=printed.read(), stderr=completed.stderr, status=completed.status)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # a real-time signal has no name


def _waiting_bytes(descriptor: int) -> int:
    """How much can be read without blocking (ioctl_tty(2), FIONREAD)."""
    return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"    "))[0])


@cache
def _dies_with_us(number: signal.Signals = signal.SIGKILL) -> tuple[str, ...]:
    """`setpriv` (util-linux) execs the program with a parent-death signal set, without a fork hook."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", number.name.removeprefix("SIG"), "--") if setpriv else ()
