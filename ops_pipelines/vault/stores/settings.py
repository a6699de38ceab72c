"""What `ops.yaml` says of one store, whatever its kind; each kind's own model stands beside its store."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from pydantic import Field

from ops_pipelines.settings.common import Keep, Model
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.trust import Trust


class StoreSettings(Model, ABC):
    """One store. What is asked of every kind has an answer here; a kind overrides what it answers differently."""

    kind: str
    medium: str
    offsite: bool
    pruned_elsewhere: bool = Field(
        False,
        description="another installation deletes what is no longer kept in this store: this one does not, and misses "
        "nothing there",
    )
    keep: Keep | None = Field(None, description="retention in this store, for sources that have any; else the source's")

    @abstractmethod
    def open(self, name: str, base: Path, trust: Trust) -> Store:
        """The store, whose driver is imported now.

        Args:
            name: of the store.
            base: where this machine keeps what it knows of it.
        """

    @property
    @abstractmethod
    def shell_address(self) -> str:
        """Where it is, in the words of the kit's script: a path, or an address it can fetch from."""

    @abstractmethod
    def fetched(self, copy: str, folder: str) -> Iterator[str]:
        """Shell commands that bring a copy into a new folder and go there.

        Args:
            copy: where it is, quoted.
            folder: the folder's name, quoted.
        """

    @property
    def root(self) -> Path | None:
        """The directory of this machine that it is."""
        return None

    @property
    def lockable(self) -> bool:
        """Whether it can refuse deletion for a time."""
        return False

    @property
    def locked_for(self) -> timedelta | None:
        """For how long it refuses to delete what was copied there."""
        return None

    @property
    def shell_environment(self) -> Mapping[str, str]:
        """Variables that a fetching program needs, no secrets among them."""
        return {}

    @property
    def key_variables(self) -> Sequence[str]:
        """Variables that hold its keys for a fetching program."""
        return ()

    @property
    def fetcher(self) -> str:
        """The program that reads it by hand, `a|b` where either will do; empty where the shell can."""
        return ""

    def as_here(self, today: "StoreSettings | None") -> "StoreSettings":
        """The same, with what depends on this machine.

        Args:
            today: what is configured under its name here.
        """
        return self

    def with_keys(self, keys: Mapping[str, str]) -> "StoreSettings":
        """The same with these keys, where all that it needs are among them.

        Args:
            keys: by `key_variables`.
        """
        return self


def copied(copy: str, folder: str) -> Iterator[str]:
    """`StoreSettings.fetched` of a store that is a directory of this machine."""
    yield "# a working copy: what is decrypted must not lie in the store"
    yield f"cp -r {copy} {folder} && cd {folder}"
