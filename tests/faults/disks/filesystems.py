"""File systems of a test's own: on a loop device, whose power can be cut, and in memory, which is soon full."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_MIB = 2**20
_MAKES = {
    # Nothing is written out by the clock, and bytes come after the names that they belong to.
    "ext4": (["mkfs.ext4", "-q", "-F"], 64 * _MIB, "commit=300,noauto_da_alloc,data=writeback"),
    "xfs": (["mkfs.xfs", "-q", "-f"], 320 * _MIB, "noatime,nouuid"),
}


def _run(*argv: str | Path) -> str:
    """Returns what it complained of; empty when it went well."""
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr or f"{argv[0]}: status {done.returncode}"


def _unmount(path: Path) -> None:
    """Out of sight at once; what this process has open there (connections to a ledger) keeps the old one alone."""
    assert not (problem := _run("umount", "--lazy", path)), problem


@dataclass(frozen=True)
class Machine:
    """A mounted file system whose power can be cut."""

    kind: str
    image: Path
    mounted: Path

    def mount(self) -> str:
        """Mount it; returns why that is not possible here."""
        return _run("mount", "-o", f"loop,{_MAKES[self.kind][2]}", self.image, self.mounted)

    def flush(self) -> None:
        """Put everything on the disk."""
        assert not _run("sync", "-f", self.mounted)

    def photograph(self) -> Path:
        """What the disk has at this moment, when every process stands still."""
        taken = self.image.with_suffix(".cut")
        assert not _run("cp", "--sparse=always", self.image, taken)
        return taken

    def start_again(self, taken: Path) -> None:
        """Unmount, and mount what the disk had; the file system replays its journal."""
        _unmount(self.mounted)
        taken.replace(self.image)
        assert not (problem := self.mount()), problem


@contextmanager
def machine(kind: str, folder: Path) -> Iterator[Machine]:
    """A file system on a loop device; skips the test where there is none."""
    command, size, _options = _MAKES[kind]
    if os.geteuid() != 0:
        pytest.skip("only root may mount file systems")
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    made = Machine(kind, folder / "image", folder / "mounted")
    made.mounted.mkdir()
    with made.image.open("wb") as opened:
        opened.truncate(size)
    assert not (problem := _run(*command, made.image)), problem
    if problem := made.mount():
        pytest.skip(f"no loop device can be mounted here: {problem.strip()}")
    try:
        yield made
    finally:
        _unmount(made.mounted)


@contextmanager
def small(path: Path, *, options: Sequence[str]) -> Iterator[Path]:
    """A file system in memory at a path, with what was there in it; skips the test where there is none."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount file systems")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.aside")
    shutil.copytree(path, aside)
    if problem := _run("mount", "-t", "tmpfs", "-o", ",".join(("mode=0700", *options)), "small", path):
        pytest.skip(f"no file system can be mounted here: {problem.strip()}")
    try:
        shutil.copytree(aside, path, dirs_exist_ok=True)
        shutil.rmtree(aside)
        yield path
    finally:
        _unmount(path)


def remount(path: Path, option: str) -> bool:
    """Mount it read-only (`ro`) or for writing (`rw`); whether nothing was in the way."""
    return not _run("mount", "-o", f"remount,{option}", path)
