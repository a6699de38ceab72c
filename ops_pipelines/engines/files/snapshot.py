"""One restic snapshot in the making: what restic reads, what we read beside it, and what changed meanwhile.

What is read before and after tells what changed: such paths are named in a warning, and only their existence is
compared. A file that vanished meanwhile is a warning; one that cannot be read fails the backup.
"""

import errno
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Event

from pydantic import JsonValue

from ops_pipelines import durable
from ops_pipelines.clock import UTC
from ops_pipelines.engines import folders
from ops_pipelines.engines.base import EXISTS, Contents, Level
from ops_pipelines.engines.files import listing, restic
from ops_pipelines.engines.files.digests import Memory
from ops_pipelines.engines.files.listing import Entry, Root, as_restic_says, written
from ops_pipelines.engines.files.restic import Restic, ResticFailed, Summary
from ops_pipelines.engines.files.settings import FilesSource
from ops_pipelines.engines.folders import inside
from ops_pipelines.errors import OpsError, SourceError, StoreError
from ops_pipelines.proof import Gap
from ops_pipelines.streams import Progress
from ops_pipelines.text import shell

_NAMED = 10


class Snapshot:
    """One snapshot in the making, and what is found out beside it."""

    def __init__(
        self, name: str, source: FilesSource, tool: Restic, roots: Sequence[Root], taken_at: datetime | None = None
    ) -> None:
        self._name, self._source, self._tool, self._roots = name, source, tool, roots
        self._taken_at = taken_at
        self._tag = f"ops-{secrets.token_hex(8)}"
        self.summary = Summary("", 0, 0)

    def facts(self) -> dict[str, JsonValue]:
        """What is known before."""
        configured = {str(real): str(path) for path, real in folders.distinct(self._source.paths)}
        return {
            "source": self._name,
            "tag": self._tag,
            "restic": restic.version(self._tool.program),
            "roots": [
                {"path": written(configured.get(root.listed, root.listed)), "listed": written(root.listed)}
                for root in self._roots
            ],
        }

    def outcome(self) -> dict[str, JsonValue]:
        """What is known afterwards."""
        return {
            "snapshot": self.summary.snapshot,
            "repository": self._tool.repository_id(),
            "files": self.summary.files,
            "bytes": self.summary.size_bytes,
        }

    def take(
        self, before: Mapping[str, Entry], memory: Memory, facts: Mapping[str, JsonValue], progress: Progress
    ) -> dict[str, str]:
        """Let restic read, and read beside it; returns the digests.

        With exclude patterns only restic knows what belongs to it: the digests follow later.

        Raises:
            SourceError: files cannot be read; the incomplete snapshot is gone.
        """
        stop = Event()
        wanted = before if level_of(self._source) == "full" and not self._source.exclude else {}
        with ThreadPoolExecutor(max_workers=1) as beside:
            reading = beside.submit(memory.digests, wanted, stop)
            try:
                self.summary = self._backup(progress)
            except BaseException:
                stop.set()
                raise
            self._refuse_unread()
            return reading.result()

    def _backup(self, progress: Progress) -> Summary:
        adopted = self._roots[0].listed == "/"
        words = [word for tag in (self._name, *self._source.tags, self._tag) for word in ("--tag", tag)]
        words += [word for pattern in self._source.exclude for word in ("--exclude", pattern)]
        words += ["--host", socket.gethostname()]
        words += ["--time", f"{self._taken_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"] if self._taken_at else []
        words += ["--", *(["."] if adopted else [root.at for root in self._roots])]
        cwd = Path(self._roots[0].at) if adopted else None
        try:
            return self._tool.backup(words, progress, cwd)
        except ResticFailed as error:
            if error.kind != "missing":
                raise
            self._make_repository()
            return self._tool.backup(words, progress, cwd)

    def _make_repository(self) -> None:
        address = self._tool.repository.address
        if address.startswith("/") and Path(address).is_dir() and any(Path(address).iterdir()):
            raise StoreError(
                f"{address} is no restic repository any more",
                why="it is not empty, but its config is gone",
                safe="nothing was written",
                next=f"repair it, or move it away: mv {shell(address, address + '.broken')}",
            )
        if address.startswith("/"):
            durable.make_directory(Path(address).parent)
        self._tool.run("init")
        restic.keep_names(self._tool.repository)

    def _refuse_unread(self) -> None:
        unread = [written(path) for path, number in self.summary.unread if not _vanished(path, number)]
        if not unread:
            return
        self.forget()
        more = f" and {len(unread) - _NAMED} more" if len(unread) > _NAMED else ""
        raise SourceError(
            f"{len(unread)} files of source {self._name} cannot be read: {', '.join(unread[:_NAMED])}{more}",
            why="an incomplete backup is not kept: the snapshot was removed",
            next="let this user read them, or leave them out with exclude",
        )

    def forget(self) -> None:
        """Take the snapshot back."""
        with suppress(OpsError):  # what stays is listed nowhere, and the error at hand is the one that matters
            self._tool.run("forget", "--", self.summary.snapshot)

    def fingerprint(
        self, before: Mapping[str, Entry], digests: dict[str, str], memory: Memory
    ) -> tuple[Contents, list[str]]:
        """What the snapshot holds, and what a human should know about it."""
        level = level_of(self._source)
        if level == "off":
            gaps = linked_outside(before, self._roots, self._name, self._source)
            return Contents(level="off", dialect=listing.DIALECT, gaps=gaps), []
        after = listing.walk(self._roots)
        moving = {path for path in before.keys() | after.keys() if not _same(before.get(path), after.get(path))}
        held = dict(before)
        only_exist: dict[str, str] = {}
        if moving or self._source.exclude or self.summary.unread:
            held, only_exist = self._as_restic_saw(before, moving)
        if self._source.exclude and level == "full":
            digests.update(memory.digests(held, Event()))
        described = listing.describe(held, digests, level)
        roots = [root.listed for root in self._roots]
        found = listing.as_contents({**described, **only_exist}, roots, level)
        return (
            found.model_copy(update={"gaps": linked_outside(held, self._roots, self._name, self._source)}),
            _warnings(before, moving & {listing.read_back(path) for path in only_exist}, self.summary),
        )

    def _as_restic_saw(self, before: Mapping[str, Entry], moving: set[str]) -> tuple[dict[str, Entry], dict[str, str]]:
        """What stood still and is in the snapshot, and what else is in it."""
        nodes = self._tool.ls(self.summary.snapshot)
        names = {path: as_restic_says(path) for path in before}
        still = {path: before[path] for path in before if path not in moving and names[path] in nodes}
        spoken_for = {names[path] for path in still}
        exist = {
            written(path): f"{EXISTS} {nodes[names.get(path, as_restic_says(path))]['type']}"
            for path in moving
            if as_restic_says(path) in nodes
        }
        spoken_for |= {as_restic_says(path) for path in moving}
        for said, node in nodes.items():
            if said not in spoken_for and any(inside(said, as_restic_says(root.listed)) for root in self._roots):
                exist[written(said)] = f"{EXISTS} {node['type']}"
        return still, exist


def level_of(source: FilesSource) -> Level:
    """A sample would save nothing: only files that changed are read, and a large restore is sampled by itself."""
    return "full" if source.fingerprint == "sample" else source.fingerprint


def linked_outside(
    entries: Mapping[str, Entry], roots: Sequence[Root], name: str, source: FilesSource
) -> tuple[Gap, ...]:
    """What links lead to that is not in the folders: restic keeps the link, and nothing of what it points to.

    A link that leads nowhere leaves nothing out.
    """
    out: dict[str, str] = {}
    for path, entry in entries.items() if not source.allow_links_out else ():
        if entry.kind == "symlink" and entry.at == path:
            real = os.path.realpath(entry.at)
            if os.path.exists(real) and not any(inside(real, root.at) for root in roots):  # noqa: PTH110 (bytes in names)
                out[path] = real
    if not out:
        return ()
    path, real = min(out.items())
    more = f" and {len(out) - 1} more" if len(out) > 1 else ""
    return (
        Gap(
            what=f"what the link {written(path)} points to{more}",
            why=f"it leads out of the folders, to {written(real)}: that is not in the backup",
            cure=f"add {written(real)} to paths of {name}, or set allow_links_out: true there",
        ),
    )


def _vanished(path: str, number: int) -> bool:
    """Whether what restic could not read was gone by then; it does not always give the error's number."""
    if number == 0 and "\ufffd" not in path:
        return not os.path.lexists(path)
    return number == errno.ENOENT


def _same(before: Entry | None, after: Entry | None) -> bool:
    return before is not None and after is not None and before.stamp == after.stamp


def _warnings(before: Mapping[str, Entry], moved: set[str], summary: Summary) -> list[str]:
    warnings = []
    if moved:
        warnings.append(f"changed while being read, compared by existence only: {_some(moved)}")
    if summary.unread:
        warnings.append(f"vanished while being read: {_some({path for path, _ in summary.unread})}")
    if sockets := {path for path, entry in before.items() if entry.kind == "socket"}:
        warnings.append(f"sockets are not backed up: {_some(sockets)}")
    if not any(entry.kind == "file" for entry in before.values()):
        warnings.append("there are no files in it")
    return warnings


def _some(paths: set[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(written(path) for path in sorted(paths)[:_NAMED]) + more
