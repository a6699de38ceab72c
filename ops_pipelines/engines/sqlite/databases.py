"""SQLite databases as files: which there are, a copy of one at one instant, who has one open."""

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ops_pipelines.errors import Inconclusive, SourceError
from ops_pipelines.text import shell

COMPANIONS = ("-wal", "-shm", "-journal")
"""What may lie beside a database, by its ending; a copy of a database needs none of them."""
_UNWELL = ("out of memory", "disk I/O error", "database or disk is full")
_MAGIC = b"SQLite format 3\0"
_PAGES = 2048
_LACK = re.compile("no such collation sequence|(no such|unknown) (function|module|tokenizer)")


def is_database(path: Path) -> bool:
    """Whether a file is an SQLite database that holds something. Raises OSError when it cannot be read."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as opened:
        return opened.read(len(_MAGIC)) == _MAGIC


def find(paths: Sequence[Path], *, source: str) -> list[Path]:
    """Every database that is meant, resolved, in the order of names.

    Raises:
        SourceError: a path is not there or cannot be read, is no database, or there are none at all.
    """
    found: set[Path] = set()
    for path in paths:
        try:
            real = path.resolve(strict=True)
            inside = list(below(real)) if real.is_dir() else [real]
            if not real.is_dir() and not is_database(real):
                raise SourceError(f"{path} of source {source} is no SQLite database", why="it does not begin like one")
        except OSError as error:
            refused = str(error.filename or path)
            raise SourceError(
                f"{refused} of source {source} cannot be read",
                why=error.strerror or str(error),
                next=f"setfacl -m u:{os.geteuid()}:rX {shell(refused)}"
                if isinstance(error, PermissionError)
                else f"is it where paths: says? ls -la {shell(str(path))}",
            ) from None
        found.update(inside)
    if not found:
        raise SourceError(
            f"there is no SQLite database in {', '.join(map(str, paths))}", next="correct paths: in ops.yaml"
        )
    return sorted(found)


def below(folder: Path) -> Iterator[Path]:
    """Every database in a folder and the folders in it. Raises OSError for what cannot be listed or read."""

    def refuse(error: OSError) -> None:
        raise error

    for at, _folders, names in os.walk(folder, onerror=refuse):
        for name in names:
            with suppress(FileNotFoundError):  # it was there a moment ago
                if is_database(path := Path(at, name)):
                    yield path


def copy(origin: Path, to: Path, *, stall: timedelta) -> None:
    """A private copy of a database as it was at one instant, while others write to it.

    A read transaction holds that instant. In WAL mode nobody waits for it; in the older modes writers wait until
    the copy is made, as they do for any reader.

    Args:
        stall: how long to wait for a writer that keeps everybody out.
    Raises:
        sqlite3.Error: it cannot be read.
    """
    os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(_reader(origin, timeout_s=stall.total_seconds())) as source, closing(sqlite3.connect(to)) as target:
        source.execute("begin")
        source.execute("select count(*) from sqlite_master").fetchone()
        source.backup(target, pages=_PAGES)


@dataclass(frozen=True)
class Checked:
    """What SQLite's own check of a database found.

    Attributes:
        damage: the first thing that is wrong; empty when nothing is.
        unchecked: the tables it could not look into, each with what this SQLite lacks for it.
    """

    damage: str
    unchecked: Mapping[str, str]


def check(path: Path) -> Checked:
    """Whether every page and index of a database that nobody writes to is whole."""
    unchecked: dict[str, str] = {}
    try:
        with closing(opened(path)) as database:
            try:
                return Checked(_said(database, "1"), unchecked)
            except sqlite3.OperationalError as error:
                lack(error)
            # The application's own functions and collations are not here: each table by itself, then.
            tables = [str(row[0]) for row in database.execute("select name from sqlite_master where type = 'table'")]
            for table in tables:
                quoted = table.replace("'", "''")
                try:
                    if damage := _said(database, f"'{quoted}'"):
                        return Checked(damage, unchecked)
                except sqlite3.OperationalError as error:
                    unchecked[table] = lack(error)
    except (sqlite3.Error, MemoryError) as error:
        raise_if_server_trouble(error, path)
        return Checked(str(error), {})
    return Checked("", unchecked)


def _said(database: sqlite3.Connection, of: str) -> str:
    said = str(database.execute(f"pragma integrity_check({of})").fetchone()[0])
    return "" if said == "ok" else said


def raise_if_server_trouble(error: sqlite3.Error | MemoryError, path: Path) -> None:
    """A machine without memory or with a broken disk says nothing about a database. Raises Inconclusive."""
    if isinstance(error, MemoryError) or str(error) in _UNWELL:
        raise Inconclusive(
            f"{path.name} could not be read here",
            why=str(error) or "out of memory",
            safe="no backup is marked bad because of it",
            next="look at this machine's memory and disk, then try again",
        ) from None


def lack(error: sqlite3.OperationalError) -> str:
    """What an application brings along and is not here, for which a statement failed. Raises any other error again."""
    if _LACK.search(str(error)) is None:
        raise error
    return f"{error}: the application brings it along, SQLite here does not have it"


def unread(error: sqlite3.OperationalError, path: Path) -> str:
    """Why rows could not be read that SQLite does not call damaged. Raises Inconclusive for what the machine lacks."""
    raise_if_server_trouble(error, path)
    return lack(error) if _LACK.search(str(error)) else str(error)


def opened(path: Path) -> sqlite3.Connection:
    """A database that nobody writes to, for reading: a copy of ours, a restored one.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    still = not any(path.with_name(path.name + ending).exists() for ending in COMPANIONS)
    return _reader(path, timeout_s=5, options="&immutable=1" if still else "")


def _reader(path: Path, *, timeout_s: float, options: str = "") -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro{options}", uri=True, timeout=timeout_s, isolation_level=None, check_same_thread=False
    )
    # A text may hold bytes that are none: they are kept as they are.
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    return connection


def users(paths: Iterable[Path]) -> dict[int, Path]:
    """The processes that have one of these files open, as far as we may see, each with such a file."""
    wanted = {str(path.with_name(path.name + ending)): path for path in paths for ending in ("", *COMPANIONS)}
    found = {}
    for directory in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            for each in directory.iterdir():
                with suppress(OSError):
                    if (path := wanted.get(str(each.readlink()))) is not None:
                        found[int(directory.parent.name)] = path
    return found
