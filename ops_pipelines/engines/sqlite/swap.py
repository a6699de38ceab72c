"""Put restored databases where a source has its own: somebody who looks finds a whole database there at any moment.

A main file that is opened beside a log (`-wal`, `-journal`) of another database is ruined by it: what the logs of the
old one hold goes into it first, and whatever is left of them is out of the way, on the disk too, before the new comes.
"""

import errno
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

from ops_pipelines import durable, stopping
from ops_pipelines.engines.folders import change_places
from ops_pipelines.engines.sqlite.databases import COMPANIONS

_NOT_OFFERED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_NO_LINKS = (*_NOT_OFFERED, errno.EPERM, errno.EMLINK)
Undo = list[Callable[[], object]]


def put(restored: Mapping[Path, Path], suffix: str) -> list[Path]:
    """Put each restored database at its place; what was there stays beside it, under a name with `suffix`.

    Returns:
        Where those that were there are now.
    Raises:
        OSError: it was not done; what had changed places is back.
    """
    undo: Undo = []
    kept: list[Path] = []
    with stopping.Held():  # a stop in between would leave some that are old and some that are new
        try:
            for place, path in restored.items():
                place.parent.mkdir(parents=True, exist_ok=True)
                away = place.with_name(place.name + suffix)
                kept += [away] if place.exists() else []
                _settle(place)
                _clear_companions(place, away, undo)
                durable.flush(place.parent)
                _put(path, place, away, undo)
                durable.flush(place.parent)
        except OSError:
            for step in reversed(undo):
                step()
            raise
    return kept


def _settle(place: Path) -> None:
    """What the logs of a database hold goes into it, as when anybody opens it; a damaged one keeps them."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{quote(str(place))}?mode=rw", uri=True, timeout=1)) as opened,
    ):
        opened.execute("pragma schema_version").fetchone()
        opened.execute("pragma wal_checkpoint(truncate)").fetchone()


def _clear_companions(place: Path, away: Path, undo: Undo) -> None:
    for ending in COMPANIONS:
        old = place.with_name(place.name + ending)
        if old.exists():
            aside = away.with_name(away.name + ending)
            old.rename(aside)
            undo.append(partial(aside.rename, old))


def _put(path: Path, place: Path, away: Path, undo: Undo) -> None:
    """In one step of the kernel where it has one; else over it, while the old one has a second name already."""
    if not place.exists():
        path.rename(place)
        undo.append(lambda: place.rename(path))
    elif not _exchanged(path, place, away, undo) and not _replaced(path, place, away, undo):
        place.rename(away)  # a file system that offers neither: for a moment there is no database
        undo.append(lambda: away.rename(place))
        path.rename(place)
        undo.append(lambda: place.rename(path))


def _exchanged(path: Path, place: Path, away: Path, undo: Undo) -> bool:
    path.rename(away)
    try:
        change_places(away, place)
    except OSError as error:
        away.rename(path)
        if error.errno in _NOT_OFFERED:
            return False
        raise
    undo += [lambda: away.rename(path), lambda: change_places(away, place)]
    return True


def _replaced(path: Path, place: Path, away: Path, undo: Undo) -> bool:
    try:
        away.hardlink_to(place)
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    undo.append(lambda: away.unlink(missing_ok=True))
    path.replace(place)
    undo += [lambda: away.replace(place), lambda: path.hardlink_to(place)]
    return True
