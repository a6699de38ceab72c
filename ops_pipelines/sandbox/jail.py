"""The sandbox of a proof: what foreign bytes may do is done to one directory, by an account that owns nothing else.

bubblewrap (https://github.com/containers/bubblewrap) makes it. Inside are programs, their libraries and one directory;
no keys, stores, ledger, configuration or home, nobody else's processes, no network, no capability and no way to get
one. It ends with its parent. As root the command runs as an account of its own; as a plain user it runs in a user
namespace in which nothing of ours is mounted.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops_pipelines.process import Limits, Running, running
from ops_pipelines.sandbox import account, mounts, owners
from ops_pipelines.sandbox.last import wait_for_last_process

_SCRATCH_BYTES = 256 * 1024 * 1024
"""Room in /tmp and in shared memory, each of which is memory."""


@dataclass(frozen=True)
class Jail:
    """One sandbox.

    Attributes:
        directory: the one directory that can be written to; at the same path inside.
        readable: files and directories that can be read there beside the system's programs.
        hidden: what must not be seen, even where it lies in something readable.
        network: false leaves a loopback of its own and nothing else.
    """

    directory: Path
    readable: Sequence[Path] = ()
    hidden: Sequence[Path] = ()
    network: bool = False

    @contextmanager
    def running(
        self,
        argv: Sequence[str | Path],
        *,
        limits: Limits,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int = subprocess.PIPE,
    ) -> Iterator[Running]:
        """Run a command in it for the length of the block; see `process.running`.

        Raises:
            CommandFailed: bubblewrap is not there.
        """
        with ExitStack() as files:
            etc = {name: files.enter_context(_in_memory(text.encode())) for name, text in self._etc().items()}
            opened = list(etc.values())
            words: list[str | Path] = [bwrap(), *self._namespaces(), *self._mounted()]
            for name, file in etc.items():
                words += ["--perms", "0644", "--ro-bind-data", str(file), f"/etc/{name}"]
            if os.geteuid() != 0 and (kept := owners.program()):
                opened.append(files.enter_context(_in_memory(kept)))
                words += ["--seccomp", str(opened[-1])]
            opened.append(files.enter_context(wait_for_last_process()))
            words += ["--info-fd", str(opened[-1]), "--remount-ro", "/", "--chdir", str(self.directory)]
            words += [*account.dropping(), *argv]
            with running(
                words, limits=limits, env=env, stdin=stdin, stdout=stdout, cwd=self.directory, files=opened
            ) as started:
                yield started

    def _namespaces(self) -> list[str]:
        words = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", account.NAME]
        words += ["--unshare-cgroup-try", "--die-with-parent"]
        words += [] if self.network else ["--unshare-net"]
        # A plain user needs a user namespace for the others; inside it no further one can be made.
        return words if os.geteuid() == 0 else ["--unshare-user", "--disable-userns", *words]

    def _mounted(self) -> list[str]:
        readable = mounts.outermost([*mounts.python(), *self.readable])
        words = mounts.system()
        words += ["--perms", "1777", "--size", str(_SCRATCH_BYTES), "--tmpfs", "/tmp"]
        for path in readable:
            words += mounts.read_only(path)
        for path in self.hidden:
            words += mounts.hidden(path, readable)
        if self.network:
            words += [word for name in _NETWORK if Path(name).exists() for word in ("--ro-bind", name, name)]
        words += [*mounts.made(self.directory), "--bind", str(self.directory), str(self.directory)]
        words += ["--proc", "/proc", "--dev", "/dev"]
        return [*words, "--perms", "1777", "--size", str(_SCRATCH_BYTES), "--tmpfs", "/dev/shm"]

    def _etc(self) -> dict[str, str]:
        """Who and where we are inside: some programs do not start as a number without a name."""
        root = os.geteuid() == 0
        uid, gid = (account.sandbox_uid(),) * 2 if root else (os.geteuid(), os.getegid())
        found = {"passwd": f"{account.NAME}:x:{uid}:{gid}::{self.directory}:/usr/sbin/nologin\n"}
        return found if self.network else {**found, "hosts": f"127.0.0.1 localhost {account.NAME}\n::1 localhost\n"}


@contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """An open file that holds this: nothing lies where somebody could exchange it."""
    file = os.memfd_create("etc", 0)
    try:
        os.write(file, content)
        os.lseek(file, 0, os.SEEK_SET)
        yield file
    finally:
        os.close(file)


_NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl", "/etc/ca-certificates")


def bwrap() -> str:
    """The program; its bare name where it is not installed."""
    return shutil.which("bwrap") or "bwrap"
