"""Folders on this machine: those of a source, those to restore into, and whether one is the other."""

import ctypes
import errno
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from ops_pipelines import durable, stopping
from ops_pipelines.clock import human_size
from ops_pipelines.engines.address import shown
from ops_pipelines.errors import OpsError, SafetyRefusal, SourceError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def inside(path: str, parent: str) -> bool:
    """Whether a path is another, or lies below it."""
    return path == parent or path.startswith(parent.rstrip("/") + "/")


def url_of(folder: Path) -> str:
    """A folder as a URL."""
    return folder.as_uri()


def folder_of(url: str) -> Path:
    """The folder a `file://` URL or a path names. Raises SourceError."""
    if "://" not in url:
        return Path(url).absolute()
    split = urlsplit(url)
    if split.scheme != "file" or split.netloc not in ("", "localhost"):
        raise SourceError(
            f"{shown(url)} is no folder of this machine",
            next="name a folder: --to /srv/restored or --to file:///srv/restored",
        )
    return Path(os.fsdecode(unquote_to_bytes(url.split("://", 1)[1].removeprefix("localhost"))))


def distinct(paths: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Each configured path and the folder it resolves to; one that lies in another is left to that one.

    A path that is a symbolic link is followed: what it points to is what a user means.
    """
    resolved = [(path, path.resolve()) for path in dict.fromkeys(paths)]
    kept: list[tuple[Path, Path]] = []
    for path, real in resolved:
        within = any(other != real and inside(str(real), str(other)) for _path, other in resolved)
        if not within and real not in (other for _path, other in kept):
            kept.append((path, real))
    return kept


def overlaps(folder: Path, paths: Sequence[Path]) -> bool:
    """Whether a folder is one of the paths, lies in one or holds one, under whatever name (links, bind mounts)."""
    above = _identities(folder)
    for path in paths:
        over = _identities(path)
        # The first is the folder itself, unless it does not exist yet: then nothing can lie in it.
        if path.exists() and over[0] in above:
            return True
        if folder.exists() and above[0] in over:
            return True
        real, other = os.path.realpath(folder), os.path.realpath(path)
        if inside(real, other) or inside(other, real):
            return True
    return False


def _identities(path: Path) -> list[tuple[int, int]]:
    """Device and inode of what exists of a path, from itself up to the root."""
    real = path.resolve()
    found = []
    for each in (real, *real.parents):
        try:
            seen = each.stat()
        except OSError:
            continue
        found.append((seen.st_dev, seen.st_ino))
    return found


def unfit(folder: Path, needed_bytes: int) -> list[OpsError]:
    """What keeps this user from restoring so much into a folder, which need not be there yet."""
    above = next(each for each in (folder, *folder.parents) if each.exists())
    problems: list[OpsError] = []
    if (free := shutil.disk_usage(above).free) < needed_bytes:
        problems.append(
            SourceError(
                f"{above} has {human_size(free)} free",
                why=f"the restore needs {human_size(needed_bytes)}",
                next="name a folder on a larger disk",
            )
        )
    if above.is_dir() and not os.access(above, os.W_OK | os.X_OK):
        problems.append(SourceError(f"{above} is not writable for this user", next="name another folder"))
    return problems


def make_empty(folder: Path) -> None:
    """A folder to restore into. Raises SafetyRefusal when there is something already."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except (FileExistsError, NotADirectoryError):
        raise SafetyRefusal(
            f"{folder} is no folder", safe="nothing was changed", next="name a new or an empty folder"
        ) from None
    except OSError as error:
        raise SourceError(f"{folder} cannot be made", why=error.strerror or str(error)) from None
    if occupied:
        raise SafetyRefusal(
            f"{folder} is not empty",
            why="a restore beside or over other files could not be told from them",
            safe="nothing was changed",
            next="name a new or an empty folder",
        )


def flush(folder: Path) -> None:
    """Wait until what is below a folder is on the disk. Raises SourceError."""
    try:
        durable.flush_file_system(folder)
    except OSError as error:
        raise SourceError(f"the disk of {folder} fails", why=error.strerror or str(error)) from None


def exchange(pairs: Sequence[tuple[Path, Path]], suffix: str) -> list[Path]:
    """Put each restored folder in the place of another, which is kept beside it under a longer name.

    Each changes places in one step of the kernel: nobody ever finds no folder there.

    Args:
        pairs: the restored folder, and the place it belongs to, which may be empty.
    Returns:
        Where those that were there are now.
    Raises:
        SourceError: it was not done; what was exchanged already is back.
    """
    missing = [str(place) for restored, place in pairs if not restored.is_dir()]
    if missing:
        raise SourceError(f"the backup has no {', '.join(missing)}", why="the source had other folders then")
    undo: list[Callable[[], object]] = []
    kept: list[Path] = []
    with stopping.Held():  # a stop in between would leave some that are old and some that are new
        try:
            for restored, place in pairs:
                if not place.exists():
                    restored.rename(place)
                    undo.append(partial(place.rename, restored))
                    durable.flush(place.parent)
                    continue
                away = place.with_name(place.name + suffix)
                restored.rename(away)
                undo.append(partial(away.rename, restored))
                change_places(away, place)
                undo.append(partial(change_places, away, place))
                kept.append(away)
                durable.flush(place.parent)
        except OSError as error:
            for step in reversed(undo):
                step()
            raise SourceError(
                "the folders could not be swapped", why=f"{error.strerror} {error.filename or ''}".strip()
            ) from None
    return kept


def change_places(one: Path, other: Path) -> None:
    """Two names of one file system change places in one step of the kernel: nobody ever finds neither. Raises OSError.

    renameat2(2) with RENAME_EXCHANGE, which Python does not offer.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(other))
    if library.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))


def make_removable(folder: Path) -> None:
    """Let us remove what was restored: a folder without write permission does not let go of its files."""
    if os.geteuid() == 0:
        return
    for at, names, _files in os.walk(folder):
        for name in names:
            each = Path(at, name)
            if not each.is_symlink():
                each.chmod(0o700)
