"""What an engine may offer beyond the protocol `Engine`; who needs it asks with `isinstance`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from pydantic import JsonValue

from ops_pipelines.engines.base import PartReader
from ops_pipelines.errors import StoreError
from ops_pipelines.repository import Repository
from ops_pipelines.streams import Progress, silent


class RepositoryDamaged(StoreError):
    """A repository that was to take data in is damaged."""


@runtime_checkable
class Carrier(Protocol):
    """An engine whose data lies in a repository of its own, beside the parts (restic)."""

    def carry(
        self,
        facts: Mapping[str, JsonValue],
        origin: Repository,
        target: Repository,
        *,
        anew: bool = False,
        progress: Progress = silent,
    ) -> None:
        """Bring a restore point's data into another store's repository; does nothing twice.

        Args:
            anew: what the target has of it is not to be relied on; damaged objects were put aside. What else is broken
                there and whole in the origin is made whole, too; nothing that is whole is touched.
        Raises:
            RepositoryDamaged: the target has it already, and is damaged.
            StoreError: the target cannot be written.
            CorruptCopy: the origin is damaged.
        """
        ...

    def forget(self, facts: Sequence[Mapping[str, JsonValue]], repository: Repository) -> None:
        """Remove restore points' data from a repository. Raises StoreError."""
        ...

    def unlock(self, repository: Repository) -> None:
        """Take away the locks of processes that are dead, as far as that can be known and done here."""
        ...


@runtime_checkable
class Reloader(Protocol):
    """An engine whose server may print a definition differently after it was dumped and loaded.

    Definitions are then compared by effect: the source's own text takes the same way once more.
    """

    def reloaded(self, target: str, definitions: Mapping[str, str]) -> Mapping[str, str]:
        """What the server prints for these definitions of the source after it has read them.

        Args:
            target: a scratch server's database that holds what was restored; it is left as it was.
            definitions: as in `Contents.objects`.
        Returns:
            By the same names. What cannot be loaded, or has no such way, is left out.
        """
        ...

    def restore_definitions(
        self, parts: PartReader, facts: Mapping[str, JsonValue], target: str, *, work: Path
    ) -> None:
        """Load the definitions alone, without rows, into a scratch server; for `reloaded`.

        Raises RestoreFailed, CorruptCopy, Inconclusive as `Engine.restore` does.
        """
        ...


@runtime_checkable
class Swapper(Protocol):
    """An engine that can put a restored target in its source's place in one step, and keep what was there."""

    def beside(self, suffix: str) -> str:
        """A name for a target from which a swap is possible; it ends in `suffix`."""
        ...

    def former(self, suffix: str) -> Sequence[str]:
        """What the source will be called after such a swap, as a target is named."""
        ...

    def swap(self, beside: str, suffix: str) -> str:
        """Give the restored target the source's name, and the source a name that ends in `suffix`.

        Args:
            beside: the target's URL.
        Returns:
            Where the former source is now, for a human.
        Raises:
            OpsError: it was not done, and the source is as it was.
        """
        ...

    def discard(self, beside: str) -> None:
        """Remove a target that was restored for a swap that is not wanted any more."""
        ...


@runtime_checkable
class InPlaceRestorer(Protocol):
    """An engine that can only drop what its source holds, and load anew."""

    def beside(self, suffix: str) -> str:
        """A name for a target to restore into and to look at before anything is dropped."""
        ...

    def empty(self, facts: Mapping[str, JsonValue]) -> str:
        """Drop everything the source holds, make it anew, and return its URL to restore into. Raises SourceError."""
        ...

    def discard(self, beside: str) -> None:
        """Remove a target that is not wanted any more."""
        ...


@runtime_checkable
class Flusher(Protocol):
    """An engine that restores into folders of this machine: no server flushes what it wrote there."""

    def flush(self, target: str) -> None:
        """Wait until what was restored into a target is on the disk. Raises SourceError."""
        ...


@runtime_checkable
class VerifyServerUser(Protocol):
    """An engine that can verify on a server it is given (`verify.server`), in databases of its own making."""

    def drop_verify_database(self, name: str, /) -> None:
        """Drop a database that a killed verification made there. Raises OpsError when it cannot be reached."""
        ...


@runtime_checkable
class Scripted(Protocol):
    """An engine that can write a restore point's data as a script for its own command-line client."""

    def script(self, parts: PartReader, facts: Mapping[str, JsonValue], work: Path) -> Path:
        """The dump as one SQL script; roles and accounts are not in it.

        Args:
            work: a private directory, where the file is written.
        Raises:
            CorruptCopy: the copy is damaged.
            CommandFailed, CommandTimedOut: the archive cannot be read.
        """
        ...
