"""The SQLite engine: files copied with SQLite's own backup, each at one instant, while applications write to them.

One part: `dump.tar`, each database under its whole path. Nothing but Python's own SQLite is needed, and no program. A
source of several databases has an instant for each of them: SQLite knows none for all.
"""

import errno
import os
import secrets
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from pydantic import JsonValue, ValidationError

from ops_pipelines.clock import UTC, human_size
from ops_pipelines.engines import folders, machine
from ops_pipelines.engines.base import (
    NOTHING,
    Contents,
    Created,
    Dumped,
    Finding,
    Legacy,
    Level,
    PartReader,
    PartSink,
    Probe,
    Readiness,
    Restored,
    RestoreFailed,
    Way,
)
from ops_pipelines.engines.packing import Member, TarStream
from ops_pipelines.engines.selection import pick_names
from ops_pipelines.engines.sqlite import contents, databases, swap
from ops_pipelines.engines.sqlite.settings import SQLiteSource
from ops_pipelines.errors import CorruptCopy, Inconclusive, SafetyRefusal, SourceError
from ops_pipelines.proof import Gap
from ops_pipelines.streams import Progress, silent
from ops_pipelines.text import shell

PART = "dump.tar"
_NAMED = 5


class SQLiteEngine:
    """Some SQLite databases of this machine.

    Args:
        name: the source's name.
        source: its configuration.
    """

    def __init__(self, name: str, source: SQLiteSource) -> None:
        self._name, self._source = name, source

    def probe(self) -> Probe:
        """Find the databases and add up their sizes. Raises SourceError."""
        found = databases.find(self._source.paths, source=self._name)
        return Probe(f"SQLite {sqlite3.sqlite_version}", sum(path.stat().st_size for path in found))

    def dump(self, sink: PartSink, *, progress: Progress = silent) -> Dumped:
        """Copy the databases and fingerprint the copies; see `Engine.dump`."""
        found = databases.find(self._source.paths, source=self._name)
        dump = _Dump(self._name, self._source, sink.plain_directory())
        snapshot_at = datetime.now(UTC)
        sink.stream(PART, "dump", TarStream(dump.members(found, progress)))
        facts: dict[str, JsonValue] = {
            "server": "SQLite",
            "server_version": sqlite3.sqlite_version,
            "format": "SQLite files",
            "databases": len(dump.taken),
            "bytes": dump.size_bytes,
            "instant": "each database its own" if len(dump.taken) > 1 else "one",
        }
        held = contents.merged(dump.taken, contents.level_of(self._source.fingerprint))
        return Dumped(snapshot_at, held, facts, warnings=dump.warnings(), identity=machine.identity(self._source.paths))

    @contextmanager
    def scratch(self, directory: Path, facts: Mapping[str, JsonValue]) -> Iterator[str]:
        """An empty folder with enough room around it; see `Engine.scratch`."""
        needed, free = 2 * int(str(facts["bytes"])), shutil.disk_usage(directory).free
        if free < needed:
            raise Inconclusive(
                f"a restore of {self._name} needs {human_size(needed)} in {directory.parent}, and {human_size(free)} "
                "are free",
                safe="the backup is not marked bad",
                next="make room",
            )
        folder = directory / "restored"
        folder.mkdir(mode=0o700)
        yield folders.url_of(folder)

    def locate(self, name_or_url: str) -> str:
        """The `file://` URL of a target folder; a bare name lies beside the first of the paths."""
        if "/" in name_or_url:
            return folders.url_of(folders.folder_of(name_or_url))
        return folders.url_of(self._source.paths[0].resolve().parent / name_or_url)

    def exists(self, name_or_url: str) -> bool:
        """Whether there is such a folder."""
        return self._folder(name_or_url).exists()

    def is_source(self, name_or_url: str) -> bool:
        """Whether a folder is, holds or lies in one of the paths. What names no folder is none of them."""
        if not name_or_url.startswith(("/", "file://")):
            return False
        return folders.overlaps(folders.folder_of(name_or_url), self._source.paths)

    def place(self, name_or_url: str | None = None) -> None:
        """Files live on no server: `is_source` knows them without connecting to anything."""

    def address(self, name_or_url: str, facts: Mapping[str, JsonValue] = NOTHING) -> str:
        """The folder."""
        return f"ls -laR {shell(str(self._folder(name_or_url)))}"

    def readiness(self, name_or_url: str, facts: Mapping[str, JsonValue], plain_bytes: int) -> Readiness:
        """The target's disk and rights; see `Engine.readiness`."""
        return Readiness(folders.unfit(self._folder(name_or_url), int(str(facts["bytes"]))), plain_bytes)

    def pick(self, held: Contents, facts: Mapping[str, JsonValue], only: Sequence[str]) -> Sequence[str]:
        """The databases that a selection of paths or file names means; see `Engine.pick`."""
        if held.level == "off":
            return list(only)
        names = sorted({contents.database_of(key) for key in held.objects})
        return pick_names([_whole(each, names) for each in only], names, "databases")

    def create_target(self, name_or_url: str, facts: Mapping[str, JsonValue]) -> Created:
        """A new or empty folder; see `Engine.create_target`."""
        wanted = self.locate(name_or_url)
        if self.is_source(wanted):
            raise SafetyRefusal(
                f"{folders.folder_of(wanted)} is, holds or lies in what source {self._name} protects",
                safe="nothing was changed",
                next="name a folder elsewhere",
            )
        folders.make_empty(folders.folder_of(wanted))
        return Created(wanted)

    def flush(self, target: str) -> None:
        """Put what was restored on the disk; see `Flusher`."""
        folders.flush(folders.folder_of(target))

    def restore(
        self,
        parts: PartReader,
        facts: Mapping[str, JsonValue],
        target: str,
        *,
        work: Path,
        globals_too: bool,
        progress: Progress = silent,
        only: Sequence[str] = (),
        fresh: bool = False,
    ) -> Restored:
        """Write each database below `target` under its whole path; see `Engine.restore`."""
        began = time.monotonic()
        saved = parts.save("dump", work, progress)
        decrypted = time.monotonic()
        try:
            with tarfile.open(saved, "r:") as packed:
                for member in packed:
                    if not only or f"/{member.name}" in only:
                        _unpack(packed, member, folders.folder_of(target))
        except tarfile.TarError as error:
            raise RestoreFailed(f"{PART} is no whole archive: {error}") from None
        except OSError as error:
            raise Inconclusive(
                f"{folders.folder_of(target)} cannot be written",
                why=error.strerror or str(error),
                safe="the backup is not marked bad",
            ) from None
        finally:
            saved.unlink(missing_ok=True)
        seconds = {"decrypt": round(decrypted - began, 3), "load": round(time.monotonic() - decrypted, 3)}
        held = _fingerprint_in(parts)
        notes: dict[str, JsonValue] = {
            "unread": {key: text for key, text in held.objects.items() if key.startswith(contents.DAMAGED)}
        }
        return Restored(seconds, names=_keys_of(held, only) if only else None, notes=notes)

    def contents(
        self, target: str, level: Level, *, way: Way | None = None, notes: Mapping[str, JsonValue] = NOTHING
    ) -> Contents:
        """The fingerprint of the databases in a folder that was restored into. There are no samples of them."""
        noted = notes.get("unread", {})
        unread = {key: str(text) for key, text in noted.items()} if isinstance(noted, dict) else {}
        found = {name: path for name, path in _in_folder(target).items() if f"{contents.DAMAGED}{name}" not in unread}
        return contents.beside_unread(contents.take(found, contents.level_of(level)), unread)

    def assertions(self, target: str, held: Contents, *, notes: Mapping[str, JsonValue] = NOTHING) -> Iterator[Finding]:
        """Every page, index and reference is whole; see `Engine.assertions`."""
        found = _in_folder(target)
        checked = {name: databases.check(path) for name, path in found.items()}
        broken = {name: each.damage for name, each in checked.items() if each.damage}
        aside = _some(f"{table} in {name}" for name, each in checked.items() for table in each.unchecked)
        whole = f"{len(found)} databases are whole" + (f", as far as they could be read:  not {aside}" if aside else "")
        detail = _some(f"{name}: {said}" for name, said in broken.items()) or whole
        yield Finding("integrity", passed=not broken, detail=detail)
        orphans = {name: lost for name, path in found.items() if name not in broken and (lost := _orphans(path))}
        detail = _some(f"{name}: {lost}" for name, lost in orphans.items()) or "none"
        yield Finding("orphans", passed=not orphans, detail=detail, attention=True)

    def ask(self, target: str, question: object) -> object:
        """The first value of the first row that SQL yields; of a source that is one database. Raises SourceError."""
        found = list(_in_folder(target).values())
        if len(found) != 1:
            raise SourceError(
                f"source {self._name} is {len(found)} databases",
                why="a check queries one database",
                next="give that database a source of its own",
            )
        try:
            with closing(databases.opened(found[0])) as database:
                row = database.execute(str(question)).fetchone()
        except sqlite3.Error as error:
            raise SourceError("the query failed", why=str(error)) from None
        return row[0] if row else None

    def adopt(self, legacy: Legacy, sink: PartSink) -> Dumped:
        """Refused: other means make copies of SQLite files, whose instant nobody knows. Raises SourceError."""
        raise SourceError(f"{legacy.name} cannot be taken in: backups of SQLite files by other means are not known")

    def beside(self, suffix: str) -> str:
        """A folder on the disk of the databases; see `Swapper`. Raises SafetyRefusal when that are several."""
        reals = [path.resolve() for path in self._source.paths]
        if len({real.parent.stat().st_dev for real in reals}) > 1:
            raise SafetyRefusal(
                f"the databases of {self._name} lie on several disks",
                safe="nothing was changed",
                next=f"restore beside them (ops restore {self._name} --to FOLDER), then move what you need",
            )
        return f".{self._name}{suffix}"

    def former(self, suffix: str) -> Sequence[str]:
        """The files after a swap; see `Swapper`. One in a folder of the source stays part of it, and is no leftover."""
        return [f"{path.resolve()}{suffix}" for path in self._source.paths if path.is_file()]

    def swap(self, beside: str, suffix: str) -> str:
        """Put each restored database in the place of the source's, which stays beside it; see `Swapper`.

        Raises:
            SafetyRefusal: a process has one of them open, and would go on writing to what is put aside.
            SourceError: the backup is of other paths than the source has now.
        """
        restored = {Path(name): path for name, path in _in_folder(self.locate(beside)).items()}
        reals = [path.resolve() for path in self._source.paths]
        if strays := [str(place) for place in restored if not any(place.is_relative_to(real) for real in reals)]:
            raise SourceError(f"{_some(strays)} is not among paths: any more", why="the source had other paths then")
        if using := databases.users(restored):
            pid, path = next(iter(using.items()))
            raise SafetyRefusal(
                f"{path} is in use by process {pid}",
                next="stop what uses it, then run this again",
            )
        try:
            kept = swap.put(restored, suffix)
        except OSError as error:
            raise SourceError("the databases could not be swapped", why=error.strerror or str(error)) from None
        self.discard(beside)
        return ", ".join(map(str, kept))

    def discard(self, beside: str) -> None:
        """Remove a folder that was restored for a swap, or a file that one kept; see `Swapper`."""
        path = self._folder(beside)
        shutil.rmtree(path, ignore_errors=True)
        if path.is_file():
            for ending in ("", *databases.COMPANIONS):
                path.with_name(path.name + ending).unlink(missing_ok=True)

    def _folder(self, name_or_url: str) -> Path:
        return folders.folder_of(self.locate(name_or_url))


class _Dump:
    """A dump in the making: one database after another is copied, looked at, packed and removed."""

    def __init__(self, name: str, source: SQLiteSource, spool: Path) -> None:
        self._name, self._source, self._spool = name, source, spool
        self._level = contents.level_of(source.fingerprint)
        self._vanished: list[str] = []
        self.taken: list[Contents] = []
        self.size_bytes = 0

    def members(self, found: Sequence[Path], progress: Progress) -> Iterator[Member]:
        """The databases as files to be packed. Raises SourceError."""
        expected = sum(path.stat().st_size for path in found if path.exists())
        deadline = time.monotonic() + self._source.limits.total.total_seconds()
        for path in found:
            if time.monotonic() > deadline:
                raise SourceError(
                    f"the dump of {self._name} took longer than limits.total", next="raise limits.total in ops.yaml"
                )
            copied = self._spool / secrets.token_hex(8)
            try:
                mode = path.stat().st_mode & 0o777
                databases.copy(path, copied, stall=self._source.limits.stall)
            except (OSError, sqlite3.Error) as error:
                if not path.exists():
                    copied.unlink(missing_ok=True)
                    self._vanished.append(str(path))
                    continue
                _refuse_full(copied, error)
                self._refuse(path, str(error))
            checked = databases.check(copied)
            if checked.damage:
                self._refuse(path, checked.damage)
            held = contents.take({str(path): copied}, self._level)
            unchecked = [
                Gap(what=f"indexes of {table} in {path}", why=why) for table, why in sorted(checked.unchecked.items())
            ]
            self.taken.append(held.model_copy(update={"gaps": (*held.gaps, *unchecked)}))
            self.size_bytes += copied.stat().st_size
            progress("dump", self.size_bytes, expected)
            yield Member(str(path).lstrip("/"), copied, mode)

    def _refuse(self, path: Path, why: str) -> NoReturn:
        raise SourceError(
            f"{path} of source {self._name} cannot be backed up",
            why=why,
            next=f"look at it: sqlite3 {shell(str(path))} 'pragma integrity_check'",
        )

    def warnings(self) -> list[str]:
        """What a human should know about the dump."""
        return [f"vanished while being read: {_some(self._vanished)}"] if self._vanished else []


def _refuse_full(copied: Path, error: Exception) -> None:
    """Raise OSError when the disk of the copy is full: nothing is wrong with the database, whatever SQLite says."""
    if "disk is full" in str(error):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(copied)) from None
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise error


def _in_folder(target: str) -> dict[str, Path]:
    """The databases in a folder that was restored into, by the path they had at the source."""
    folder = folders.folder_of(target)
    return {f"/{path.relative_to(folder)}": path for path in databases.below(folder)}


def _unpack(packed: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    content = packed.extractfile(member) if member.isfile() else None
    if content is None or member.name.startswith("/") or ".." in member.name.split("/"):
        raise RestoreFailed(f"{PART} holds an unexpected entry {member.name!r}")
    path = folder / member.name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("xb") as written:
        shutil.copyfileobj(content, written)
    path.chmod(member.mode & 0o777)


def _orphans(path: Path) -> str:
    """Rows that refer to rows which are not there, by table."""
    try:
        with closing(databases.opened(path)) as database:
            tables = [str(row[0]) for row in database.execute("pragma foreign_key_check")]
    except sqlite3.Error as error:
        return str(error)
    return ", ".join(f"{tables.count(each)} in {each}" for each in dict.fromkeys(tables))


def _fingerprint_in(parts: PartReader) -> Contents:
    try:
        return Contents.model_validate_json(parts.data("contents"))
    except ValidationError as error:
        raise CorruptCopy("the fingerprint cannot be read", check="contents", why=str(error)) from None


def _keys_of(held: Contents, only: Sequence[str]) -> set[str]:
    """What the fingerprint has of these databases."""
    keys = {*held.objects, *held.tables, *held.counters}
    return {key for key in keys if contents.database_of(key) in only}


def _whole(wanted: str, names: Sequence[str]) -> str:
    """The path of a database that is named by the end of it, where only one ends so."""
    found = [name for name in names if name.endswith(f"/{wanted}")]
    return found[0] if len(found) == 1 else wanted


def _some(found: Iterator[str] | Sequence[str]) -> str:
    every = list(found)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more
