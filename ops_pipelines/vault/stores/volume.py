"""Is the right disk there? A mark on the volume, remembered below `base`, tells a NAS from its empty mount point.

The first use writes the mark; from then on a directory without it, or with another one, is not the store, neither to
write to nor to read from: an empty mount point must not look like a store whose backups are gone.
"""

import re
import uuid
from contextlib import suppress
from pathlib import Path

from ops_pipelines import durable
from ops_pipelines.errors import StoreError
from ops_pipelines.text import shell
from ops_pipelines.vault.stores import plain

MARK = ".ops_pipelines-store"
_UNTOUCHED = "nothing was written or read there; copies in other stores are untouched"


class Volume:
    """The volume that a directory store lies on.

    Args:
        name: the store's name.
        root: its directory.
        memory: a file below `base` that remembers the mark.
        mounted: whether `root` must lie on a mounted volume even before it has a mark.
    """

    def __init__(self, name: str, root: Path, memory: Path, *, mounted: bool) -> None:
        self._name, self._root, self._memory, self._mounted = name, root, memory, mounted

    def prove(self, *, for_writing: bool) -> None:
        """Raise StoreError unless the volume is there.

        Args:
            for_writing: a volume without a mark gets one.
        """
        remembered, found = _content(self._memory), _content(self._root / MARK)
        if remembered is None:
            if self._mounted and _shares_a_disk(self._root, self._memory):
                raise self._absent("mounted: true is set, and the path lies on the same volume as base or the system")
            if found is None and for_writing:
                found = uuid.uuid4().hex
                _write(self._root / MARK, found)
            if found is not None:
                _write(self._memory, found)
        elif found is None:
            raise self._absent(f"the mark {MARK} that this store had is not there")
        elif found != remembered:
            raise self._absent(f"the mark {MARK} is that of another volume")

    def _absent(self, why: str) -> StoreError:
        replaced = (
            f"; if the disk was replaced on purpose: rm {shell(str(self._memory))}" if self._memory.exists() else ""
        )
        return StoreError(
            f"store {self._name} ({self._root}) is not there",
            why=why,
            safe=_UNTOUCHED,
            next=f"is it mounted? findmnt --target {shell(str(self._root))}; "
            f"mount {shell(str(self._mount_point()))}{replaced}",
        )

    def _mount_point(self) -> Path:
        """The entry of `/etc/fstab` that the path lies below, else the path itself."""
        with suppress(OSError):
            lines = Path("/etc/fstab").read_text(encoding="utf-8", errors="replace").splitlines()
            entries = [
                Path(_unescaped(words[1])) for line in lines if len(words := line.split()) > 1 and line[0] != "#"
            ]
            holding = [each for each in entries if each != Path("/") and self._root.is_relative_to(each)]
            return max(holding, key=lambda each: len(each.parts), default=self._root)
        return self._root


def _content(path: Path) -> str | None:
    try:
        return plain.read(path.parent, path.name).decode(errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _write(path: Path, mark: str) -> None:
    durable.write(path, f"{mark}\n".encode())


def _shares_a_disk(root: Path, memory: Path) -> bool:
    """Whether nothing of its own is mounted where `root` lies: the mount that holds it is `/`, or holds `base` too.

    Device numbers cannot tell: a bind mount has that of its origin. The kernel's list of mounts can.
    """
    with suppress(OSError):
        next(root.iterdir(), None)  # wakes an automounter
    mounts = _mounts()
    holder = _holder(root, mounts)
    return holder == Path("/") or holder == _holder(memory, mounts)


def _mounts() -> set[Path]:
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    # An automounter's own entry is only the place where the volume would appear; the volume has a second one.
    return {Path(_unescaped(line.split()[4])) for line in lines if " - autofs " not in line}


def _holder(path: Path, mounts: set[Path]) -> Path:
    real = path.resolve()
    return next(each for each in (real, *real.parents) if each in mounts or each == Path("/"))


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)
