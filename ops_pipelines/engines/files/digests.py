"""What is remembered between two runs: digests of files that have not changed, and how many files each folder had.

It lies beside the local repository, private to our user, and names no path: a file is known by a hash over its path,
inode, size and times. Whoever loses it only waits longer.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from ops_pipelines.engines.files.listing import Entry, digest
from ops_pipelines.repository import Repository


class Memory:
    """What the last run of a source left for this one.

    Args:
        repository: the local store's; one that is no directory keeps no memory.
    """

    def __init__(self, repository: Repository) -> None:
        self._path = Path(f"{repository.address}.known") if repository.address.startswith("/") else None
        self._digests: dict[str, str] = {}
        self.files: dict[str, int] = {}
        try:
            kept = json.loads(self._path.read_bytes()) if self._path is not None else {}
            self._digests, self.files = dict(kept.get("digests", {})), dict(kept.get("files", {}))
        except (OSError, ValueError, AttributeError, TypeError):
            pass  # nothing is remembered: everything is read anew

    def digests(self, entries: Mapping[str, Entry], stop: Event, jobs: int = 2) -> dict[str, str]:
        """SHA-256 of every file, read only where it has changed. What cannot be read is left out.

        Args:
            stop: set, it ends early with what it has.
        """

        def known_or_read(item: tuple[str, Entry]) -> tuple[str, str | None]:
            path, entry = item
            if stop.is_set():
                return path, None
            return path, self._digests.get(_key(path, entry)) or digest(entry)

        files = [item for item in entries.items() if item[1].kind == "file"]
        with ThreadPoolExecutor(max_workers=jobs) as readers:
            return {path: found for path, found in readers.map(known_or_read, files) if found is not None}

    def keep(self, entries: Mapping[str, Entry], digests: Mapping[str, str], files: Mapping[str, int]) -> None:
        """Remember this run for the next. A disk that is too full for it is no failure of the backup."""
        if self._path is None:
            return
        kept = {"files": files, "digests": {_key(path, entries[path]): found for path, found in digests.items()}}
        unfinished = self._path.with_name(f"{self._path.name}.new")
        try:
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as sink:
                json.dump(kept, sink)
            unfinished.replace(self._path)
        except OSError:
            unfinished.unlink(missing_ok=True)


def _key(path: str, entry: Entry) -> str:
    return hashlib.sha256(repr((path, entry.inode, entry.stamp)).encode("utf-8", "surrogateescape")).hexdigest()[:32]
