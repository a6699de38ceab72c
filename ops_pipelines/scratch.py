"""Scratch space: private directories for throwaway servers, and the end of those a kill left behind."""

import os
import re
import secrets
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ops_pipelines import lease
from ops_pipelines.clock import human_size
from ops_pipelines.engines.registry import KINDS
from ops_pipelines.engines.verify_databases import noted

_LITTLE_BYTES = 64 * 2**20  # PostgreSQL stops when it cannot make a file of 16 MiB, others earlier
_WANTED_BYTES = 2 * 2**30  # MariaDB's log alone takes 1 GiB
_GONE_WITHIN_S = 10.0
_OURS = re.compile(r"[a-z]+-[0-9a-f]{8}")


def elsewhere() -> Path:
    """A private place for scratch directories when there is none below `base`: this user's, among temporary files.

    Raises OSError when there is no place for temporary files either.
    """
    path = _among_temporary_files()
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    if _is_private(path):
        return path
    return Path(tempfile.mkdtemp(prefix="ops-scratch-"))  # somebody else has taken that name


def used_elsewhere() -> list[Path]:
    """That place, if it was ever used: what was killed there is swept when `base` can be written again, too."""
    path = _among_temporary_files()
    with suppress(OSError):
        return [path] if _is_private(path) else []
    return []


def _among_temporary_files() -> Path:
    return Path(tempfile.gettempdir()) / f"ops-scratch-{os.geteuid()}"


def _is_private(path: Path) -> bool:
    seen = path.lstat()
    return stat.S_ISDIR(seen.st_mode) and (seen.st_uid, stat.S_IMODE(seen.st_mode)) == (os.geteuid(), 0o700)


@contextmanager
def scratch_directory(root: Path, kind: str) -> Iterator[Path]:
    """A private directory that is gone after the block; a killed block's is swept by the next start.

    Args:
        kind: the engine's kind, so that a sweeper knows whose server it was.
    """
    with lease.owned_directory(root / f"{kind}-{secrets.token_hex(4)}") as directory:
        yield directory


class Room:
    """What the disk of a scratch directory had left in the end: what fails on a full one says nothing of a backup.

    Attributes:
        little: it was so little that a server stops for it.
        words: how much it was, where that may be why one did not come up. Servers seldom say so, and never where.
    """

    def __init__(self) -> None:
        self.little, self.words = False, ""

    @contextmanager
    def watched(self, directory: Path) -> Iterator[None]:
        """Work in a scratch directory."""
        try:
            yield
        finally:
            self._look(directory)

    def _look(self, directory: Path) -> None:
        seen = os.statvfs(directory)
        free_bytes = seen.f_bavail * seen.f_frsize
        no_inodes = bool(seen.f_files) and not seen.f_favail
        self.little = no_inodes or free_bytes < _LITTLE_BYTES
        if no_inodes or free_bytes < _WANTED_BYTES:
            left = "no inodes" if no_inodes else human_size(free_bytes)
            self.words = f"the disk of {directory.parent} has {left} left"


def sweep_scratch(root: Path, *, drop_database: Callable[[str, str], bool]) -> list[Path]:
    """Stop and remove every scratch server whose owner is dead; returns their directories.

    Args:
        drop_database: drops a source's database on its `verify.server`; False when it could not, which keeps the
            directory, and with it the knowledge of the database.
    """
    return lease.sweep(root, ours=_OURS, before_removal=lambda directory: _end(directory, drop_database))


def scratch_census(root: Path) -> list[tuple[Path, lease.Standing]]:
    """Every directory where scratch servers live, and whose it is."""
    return lease.census(root, ours=_OURS)


def _end(directory: Path, drop_database: Callable[[str, str], bool]) -> bool:
    deadline = time.monotonic() + _GONE_WITHIN_S
    shared: set[Path] = set()
    while (pids := _processes_of(directory)) and time.monotonic() < deadline:
        for pid in pids:
            shared |= _shared_memory_of(pid)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)
    for segment in shared:
        segment.unlink(missing_ok=True)
    if (kind := KINDS.get(directory.name.rsplit("-", 1)[0])) is not None:
        kind.reap(directory)
    lodged = noted(directory)
    return lodged is None or drop_database(*lodged)


def _shared_memory_of(pid: int) -> set[Path]:
    """Shared memory a process has open by name: a server that is being made keeps some outside its directory."""
    try:
        if Path(f"/proc/{pid}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink():
            return set()  # a sandbox's own, which goes with it; here the same name is somebody else's
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    return {
        Path(line.split(maxsplit=5)[5]) for line in maps.splitlines() if " /dev/shm/" in line and "(del" not in line
    }


def _processes_of(directory: Path) -> list[int]:
    """Processes that work in the directory or were told of it on their command line."""
    found = []
    inside = f"{directory}{os.sep}"
    for process in Path("/proc").glob("[0-9]*"):
        try:
            works_in = f"{(process / 'cwd').readlink()}{os.sep}"
            told_of = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile, or is not ours to look at
        if int(process.name) != os.getpid() and (works_in.startswith(inside) or inside in told_of):
            found.append(int(process.name))
    return found
