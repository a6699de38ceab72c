"""The folders engine: restic snapshots, with a fingerprint of our own taken beside them.

The data of a restore point lies in a restic repository per source and store; its parts are `restic.json` (the snapshot)
and the fingerprint. Every snapshot carries a tag of its own, by which it is found again in other stores' repositories,
where `restic copy` gives it another id.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Event

from pydantic import JsonValue, ValidationError

from ops_pipelines import process
from ops_pipelines.clock import UTC
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
    Way,
)
from ops_pipelines.engines.files import carry, listing, restic, restore
from ops_pipelines.engines.files.digests import Memory
from ops_pipelines.engines.files.legacy import unpacked
from ops_pipelines.engines.files.listing import Entry, Root, written
from ops_pipelines.engines.files.restic import Restic, ResticFailed
from ops_pipelines.engines.files.restore import Restoration
from ops_pipelines.engines.files.settings import FilesSource
from ops_pipelines.engines.files.snapshot import Snapshot
from ops_pipelines.engines.folders import inside
from ops_pipelines.errors import CorruptCopy, Inconclusive, OpsError, SafetyRefusal, SourceError, StoreError
from ops_pipelines.repository import Repository
from ops_pipelines.streams import Progress, silent
from ops_pipelines.text import shell

_ROOM_PER_FILE = 4096


class FilesEngine:
    """Some folders of this machine.

    Args:
        name: the source's name.
        source: its configuration.
    """

    def __init__(self, name: str, source: FilesSource) -> None:
        self._name, self._source = name, source
        self._limits = process.Limits(stall=source.limits.stall, total=source.limits.total)

    def probe(self) -> Probe:
        """Find restic and the folders, and add up their sizes. Raises SourceError, ToolMissing."""
        version = restic.version(restic.find(self._source.bin_dirs))
        size = sum(entry.size for entry in listing.walk(self._roots()).values() if entry.kind == "file")
        return Probe(server_version=f"restic {version}", size_bytes=size)

    def dump(self, sink: PartSink, *, progress: Progress = silent) -> Dumped:
        """Snapshot the folders and fingerprint them; see `Engine.dump`.

        Raises:
            SourceError: a folder is missing or suddenly empty, or files cannot be read; they are named.
            ToolMissing, process.CommandFailed.
        """
        roots, memory = self._roots(), Memory(sink.repository())
        snapshot_at = datetime.now(UTC)
        before = listing.walk(roots)
        counted = _files_by_root(before, roots)
        self._refuse_emptied(counted, memory)
        tool = self._restic(sink.repository(), cache=sink.plain_directory() / "cache")
        snapshot = Snapshot(self._name, self._source, tool, roots)
        facts = snapshot.facts()
        digests = snapshot.take(before, memory, facts, progress)
        try:
            held, warnings = snapshot.fingerprint(before, digests, memory)
            facts |= snapshot.outcome()
            sink.write("restic.json", "snapshot", json.dumps(facts, indent=1).encode())
        except BaseException:
            snapshot.forget()
            raise
        memory.keep(before, digests, counted)
        return Dumped(
            snapshot_at=snapshot_at,
            contents=held,
            facts=facts,
            warnings=warnings,
            data_bytes=snapshot.summary.size_bytes,
            identity=machine.identity(Path(root.listed) for root in roots),
        )

    def _roots(self) -> list[Root]:
        """The folders as they are now. Raises SourceError when one is not there."""
        found = []
        for path, real in folders.distinct(self._source.paths):
            try:
                real.stat()
            except OSError as error:
                raise SourceError(
                    f"{path} of source {self._name} cannot be read",
                    why=error.strerror or str(error),
                    next=f"is its volume mounted? ls -ld {shell(str(path))}",
                ) from None
            found.append(Root(str(real), str(real)))
        return found

    def _refuse_emptied(self, counted: Mapping[str, int], memory: Memory) -> None:
        """An empty mount point must not look like a good backup."""
        for path, files in counted.items():
            if files == 0 and memory.files.get(path, 0) > 0 and not self._source.allow_empty:
                raise SourceError(
                    f"{path} of source {self._name} is empty, and had {memory.files[path]} files at the last backup",
                    why="perhaps its volume is not mounted",
                    next="mount it; or, if it is empty on purpose, set allow_empty: true on the source",
                )

    def _restic(self, repository: Repository, *, cache: Path | None = None) -> Restic:
        return Restic(
            program=restic.find(self._source.bin_dirs),
            repository=repository,
            password=self._source.password.reveal(purpose=f"source {self._name}, password"),
            limits=self._limits,
            cache=cache,
            patience=self._source.limits.lock,
        )

    @contextmanager
    def scratch(self, directory: Path, facts: Mapping[str, JsonValue]) -> Iterator[str]:
        """An empty folder with enough room around it; see `Engine.scratch`."""
        size = min(int(str(facts["bytes"])), self._source.verify_all_below)
        needed, free = size + int(str(facts["files"])) * _ROOM_PER_FILE, shutil.disk_usage(directory).free
        if free < needed:
            raise Inconclusive(
                f"a restore of {self._name} needs {needed} bytes in {directory.parent}, and {free} are free",
                safe="the backup is not marked bad",
                next="make room, or lower verify_all_below",
            )
        folder = directory / "restored"
        folder.mkdir(mode=0o700)
        try:
            yield folders.url_of(folder)
        finally:
            folders.make_removable(folder)

    def locate(self, name_or_url: str) -> str:
        """The `file://` URL of a target; a bare name lies beside the first of the source's folders."""
        if "/" in name_or_url:
            return folders.url_of(folders.folder_of(name_or_url))
        return folders.url_of(self._source.paths[0].resolve().parent / name_or_url)

    def exists(self, name_or_url: str) -> bool:
        """Whether there is such a folder."""
        return folders.folder_of(self.locate(name_or_url)).exists()

    def is_source(self, name_or_url: str) -> bool:
        """Whether a folder is, holds or lies in one of the source's. What names no folder is none of them."""
        if not name_or_url.startswith(("/", "file://")):
            return False
        return folders.overlaps(folders.folder_of(name_or_url), self._source.paths)

    def place(self, name_or_url: str | None = None) -> None:
        """Folders live on no server: `is_source` knows them without connecting to anything."""

    def address(self, name_or_url: str, facts: Mapping[str, JsonValue] = NOTHING) -> str:
        """The folder."""
        return f"ls -la {shell(str(folders.folder_of(self.locate(name_or_url))))}"

    def readiness(self, name_or_url: str, facts: Mapping[str, JsonValue], plain_bytes: int) -> Readiness:
        """restic, the password, the target's disk; see `Engine.readiness`."""
        problems: list[OpsError] = []
        try:
            restic.find(self._source.bin_dirs)
            self._source.password.reveal(purpose=f"source {self._name}, password")
        except OpsError as error:
            problems.append(error)
        folder = folders.folder_of(self.locate(name_or_url))
        problems += folders.unfit(folder, int(str(facts["bytes"])))
        return Readiness(problems, work_bytes=0)

    def pick(self, held: Contents, facts: Mapping[str, JsonValue], only: Sequence[str]) -> Sequence[str]:
        """The whole paths that a selection means; see `Engine.pick`."""
        return restore.pick_only(held, facts, only)

    def beside(self, suffix: str) -> str:
        """A folder on the disk of the source's folders; see `Swapper`. Raises SafetyRefusal when there are several."""
        reals = [real for _, real in folders.distinct(self._source.paths)]
        mounted = [str(real) for real in reals if real.is_mount()]
        if mounted or len({real.parent.stat().st_dev for real in reals}) > 1:
            raise SafetyRefusal(
                f"the folders of {self._name} cannot be swapped with restored ones",
                why=f"{', '.join(mounted)} is a mounted volume" if mounted else "they lie on several disks",
                safe="nothing was changed",
                next=f"restore beside them (ops restore {self._name} --to FOLDER), then move what you need",
            )
        return f".{self._name}{suffix}"

    def former(self, suffix: str) -> Sequence[str]:
        """The folders' paths after a swap; see `Swapper`."""
        return [f"{real}{suffix}" for _, real in folders.distinct(self._source.paths)]

    def swap(self, beside: str, suffix: str) -> str:
        """Exchange each folder with its restored one, in one step each; see `Swapper`."""
        at = folders.folder_of(self.locate(beside))
        reals = [real for _, real in folders.distinct(self._source.paths)]
        kept = folders.exchange([(Path(f"{at}{real}"), real) for real in reals], suffix)
        self.discard(beside)
        return ", ".join(map(str, kept))

    def discard(self, beside: str) -> None:
        """Remove a folder that was restored for a swap; see `Swapper`."""
        at = folders.folder_of(self.locate(beside))
        folders.make_removable(at)
        shutil.rmtree(at, ignore_errors=True)

    def create_target(self, name_or_url: str, facts: Mapping[str, JsonValue]) -> Created:
        """A new or empty folder; see `Engine.create_target`."""
        wanted = self.locate(name_or_url)
        if self.is_source(wanted):
            raise SafetyRefusal(
                f"{folders.folder_of(wanted)} is, holds or lies in a folder of the source {self._name}",
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
        """Restore the snapshot below `target`, each folder under its whole path; see `Engine.restore`.

        Args:
            only: restore nothing but these files and folders.
        Raises:
            SourceError: one of `only` is not in the snapshot.
        """
        with tempfile.TemporaryDirectory(dir=work, prefix="cache-") as cache:
            tool = self._restic(parts.repository(), cache=Path(cache))
            folder = folders.folder_of(target)
            if only:
                held = _fingerprint_in(parts)
                picked = restore.pick_only(held, facts, only)
                seconds = restore.load(tool, facts, folder, picked, progress)
                known = restore.others(tool, facts, held, picked)
                done, finished = Restoration(restore.roots_of(facts), picked, known), Restored(seconds=seconds)
            elif folder.is_relative_to(work) and int(str(facts["bytes"])) > self._source.verify_all_below:
                limit = self._source.verify_all_below
                done, finished = restore.sampled(tool, facts, _fingerprint_in(parts), folder, limit, progress)
            else:
                done, finished = self._whole(tool, facts, folder, parts, progress)
        return replace(finished, notes=done.noted())

    def _whole(
        self, tool: Restic, facts: Mapping[str, JsonValue], folder: Path, parts: PartReader, progress: Progress
    ) -> tuple[Restoration, Restored]:
        """Everything; of device files that we may not make, what restic says of them."""
        held = _fingerprint_in(parts) if os.geteuid() != 0 else None
        left = restore.devices(held) if held is not None else []
        but = [listing.read_back(path) for path in left]
        seconds = restore.load(tool, facts, folder, None, progress, but=but)
        said = restore.others(tool, facts, held, []) if held is not None and left else {}
        known = {path: what for path, what in said.items() if path in left}
        return Restoration(restore.roots_of(facts), others=known), Restored(seconds=seconds)

    def contents(
        self, target: str, level: Level, *, way: Way | None = None, notes: Mapping[str, JsonValue] = NOTHING
    ) -> Contents:
        """The fingerprint of a folder that was restored into. There are no samples: see `snapshot.level_of`."""
        if level == "off":
            return Contents(level="off", dialect=listing.DIALECT)
        done = restore.restoration(notes) or Restoration(
            [str(real) for _, real in folders.distinct(self._source.paths)]
        )
        at = folders.folder_of(target)
        found = listing.walk(Root(str(at) if root == "/" else f"{at}{root}", root) for root in done.roots)
        if done.picked is not None:
            found = {path: entry for path, entry in found.items() if any(inside(path, each) for each in done.picked)}
        unknown = Memory(Repository(""))
        digests = unknown.digests(found, Event()) if level == "full" else {}
        objects = listing.describe(found, digests, level)
        return listing.as_contents({**done.others, **objects}, done.roots, level)

    def assertions(self, target: str, held: Contents, *, notes: Mapping[str, JsonValue] = NOTHING) -> Iterator[Finding]:
        """For a sample, what it consisted of."""
        done = restore.restoration(notes)
        if done is not None and done.said:
            yield Finding("sample", passed=True, detail=done.said)

    def ask(self, target: str, question: object) -> object:
        """Refused: folders cannot be queried. Raises SourceError."""
        raise SourceError(f"source {self._name} is a set of folders, which cannot be queried")

    def adopt(self, legacy: Legacy, sink: PartSink) -> Dumped:
        """Take a folder of files, or a tar of one, as a snapshot of its time; see `Engine.adopt`."""
        work = sink.plain_directory()
        folder = legacy.folder if legacy.folder is not None else unpacked(legacy, work, self._limits)
        roots, memory = [Root(str(folder.resolve()), "/")], Memory(Repository(""))
        before = listing.walk(roots)
        if not _files_by_root(before, roots)["/"]:
            raise SourceError(f"{legacy.name} holds no files")
        tool = self._restic(sink.repository(), cache=work / "cache")
        snapshot = Snapshot(self._name, self._source, tool, roots, taken_at=legacy.taken_at)
        facts = snapshot.facts()
        digests = snapshot.take(before, memory, facts, silent)
        held, warnings = snapshot.fingerprint(before, digests, memory)
        facts |= snapshot.outcome()
        sink.write("restic.json", "snapshot", json.dumps(facts, indent=1).encode())
        return Dumped(
            snapshot_at=legacy.taken_at,
            contents=held,
            facts=facts,
            warnings=warnings,
            data_bytes=snapshot.summary.size_bytes,
        )

    def carry(
        self,
        facts: Mapping[str, JsonValue],
        origin: Repository,
        target: Repository,
        *,
        anew: bool = False,
        progress: Progress = silent,
    ) -> None:
        """Copy a snapshot into another store's repository, making that when it is missing; see `Carrier`."""
        there = self._restic(replace(target, options=target.options or origin.options))
        carry.carry(self._name, there, self._restic(origin), facts, anew=anew, progress=progress)

    def unlock(self, repository: Repository) -> None:
        """Remove the locks of the dead from a repository; see `Carrier`."""
        self._restic(repository).unlock()

    def forget(self, facts: Sequence[Mapping[str, JsonValue]], repository: Repository) -> None:
        """Remove snapshots and what only they needed; see `Carrier`."""
        doomed = {str(each["tag"]) for each in facts}
        there = self._restic(repository)
        try:
            ids = [each["id"] for each in there.snapshots() if doomed & set(each.get("tags") or ())]
            if ids:
                there.run("forget", "--prune", "--", *ids, moved=lambda done: None)
        except ResticFailed as error:
            if error.kind == "missing":
                return  # what is gone altogether needs no removal
            raise StoreError(
                f"{len(doomed)} snapshots of {self._name} cannot be removed from {repository.address}",
                why=f"{error.what}: {error.why}",
                safe="the others are untouched",
                next=error.next
                or "where the repository is append-only, let its own host do it: "
                f"restic forget --keep-within 90d --tag {self._name} --prune",
            ) from None


def _files_by_root(entries: Mapping[str, Entry], roots: Sequence[Root]) -> dict[str, int]:
    files = [path for path, entry in entries.items() if entry.kind == "file"]
    return {written(root.listed): sum(inside(path, root.listed) for path in files) for root in roots}


def _fingerprint_in(parts: PartReader) -> Contents:
    try:
        return Contents.model_validate_json(parts.data("contents"))
    except ValidationError as error:
        raise CorruptCopy("the fingerprint cannot be read", check="contents", why=str(error)) from None
