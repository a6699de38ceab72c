"""Who works on what: of two who would work on the same, the second waits."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ops_pipelines import lease
from ops_pipelines.clock import Clock, human_duration
from ops_pipelines.config.models import Config
from ops_pipelines.errors import OpsError
from ops_pipelines.places import Places
from ops_pipelines.text import shell


class BaseReadOnly(OpsError):
    """`base` cannot be written: nothing can be locked, recorded or published."""

    def __init__(self, base: Path) -> None:
        super().__init__(
            f"{base} cannot be written",
            why="its disk is mounted read-only, or it belongs to somebody else",
            safe="nothing was started; meanwhile ops restore SOURCE --to … works",
            next=f'mount -o remount,rw "$(findmnt -no TARGET --target {shell(str(base))})"; '
            f"or let this user write: ls -ld {shell(str(base))}",
        )


@dataclass(frozen=True)
class Locks:
    """The locks of an installation. A dead holder's is free at once."""

    places: Places
    config: Config
    clock: Clock

    @contextmanager
    def held(self, name: str, *, doing: str, wait: timedelta | None = None) -> Iterator[None]:
        """Hold a source: no other run of it, in any process, until the block ends. Raises Busy, BaseReadOnly.

        Args:
            wait: for another run to end; `limits.lock` unless given.
        """
        wait = wait if wait is not None else self.config.source(name).limits.lock
        with self._exclusive(name, f"source {name}", doing, wait):
            yield

    @contextmanager
    def copying(self, name: str, store: str) -> Iterator[None]:
        """Hold a source's place in a store: of two who copy to it, the second waits and finds it done.

        Raises Busy, BaseReadOnly.
        """
        wait = self.config.source(name).limits.lock
        with self._exclusive(f"{name}@{store}", f"the copy of {name} to {store}", "copy", wait):
            yield

    @contextmanager
    def _exclusive(self, lock: str, what: str, doing: str, wait: timedelta) -> Iterator[None]:
        if not self.places.writable:
            raise BaseReadOnly(self.places.base)
        with lease.exclusive(
            self.places.locks / f"{lock}.lock",
            holder=f"{doing}, process {os.getpid()}, since {self.clock.now():%Y-%m-%d %H:%M:%S} UTC",
            wait=wait,
            what=f"{what} (waited {human_duration(wait)})",
        ):
            yield
