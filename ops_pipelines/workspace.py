"""An opened configuration: its stores, its ledger, its locks. Faces open it; the great verbs work in it."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from ops_pipelines import logs
from ops_pipelines.clock import Clock, SystemClock
from ops_pipelines.config.models import Config
from ops_pipelines.errors import OpsError
from ops_pipelines.known import published
from ops_pipelines.ledger.ledger import Ledger, LedgerError, sqlite_url
from ops_pipelines.locks import Locks
from ops_pipelines.outside import errors
from ops_pipelines.outside.observer import Outside
from ops_pipelines.places import Places
from ops_pipelines.private import private_process
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint, read_catalogue
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.stores.registry import LOCAL, local_store, open_stores
from ops_pipelines.vault.trust import Published, Trust


class LogMissing(OpsError):
    """Structured logs are wanted in a file that cannot be written."""


def open_workspace(config: Config) -> "Workspace":
    """A workspace on this configuration; from here on, what this process creates is private to its user.

    Raises:
        LogMissing: the file for structured logs cannot be written.
        OpsError: as `Workspace` raises it.
    """
    private_process()
    if (wanted := config.logging) is not None:
        try:
            logs.set_up(file=wanted.file, form=wanted.format, level=wanted.level, keep_mib=wanted.rotate_mib)
        except OSError as error:
            raise LogMissing(
                f"the log {wanted.file} cannot be written",
                why=error.strerror or str(error),
                safe="nothing was started; existing backups are untouched",
                next="make it writable for this user, or set logging.file in ops.yaml",
            ) from None
    errors.configure(config)
    return Workspace(config)


@dataclass(frozen=True)
class Workspace:
    """A configuration with everything it names opened when it is first needed.

    Raises:
        OpsError: this process would read the names of files in another encoding than UTF-8.
    """

    config: Config
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        if (encoding := sys.getfilesystemencoding()) != "utf-8":
            raise OpsError(
                f"this process reads the names of files as {encoding}",
                why="they would be other names to it than to the programs that back them up",
                safe="nothing was started; existing backups are untouched",
                next="export PYTHONUTF8=1, and start it again",
            )

    @cached_property
    def places(self) -> Places:
        """The directories below `base`."""
        return Places(self.config.base)

    @cached_property
    def locks(self) -> Locks:
        """Who works on what."""
        return Locks(self.places, self.config, self.clock)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger. Raises LedgerError."""
        configured = self.config.ledger
        url = configured.reveal(purpose="ledger") if configured else sqlite_url(self.places.ledger)
        return Ledger(url, clock=self.clock, observer=Outside(self.config))

    @cached_property
    def signing(self) -> Keys:
        """Who this installation is, and what it signs with."""
        return Keys(self.places.keys)

    @cached_property
    def trust(self) -> Trust:
        """What says which restore points and verdicts are ours."""
        return Trust(self.signing, self.clock, self.config.guests)

    @cached_property
    def stores(self) -> dict[str, Store]:
        """Every store by name, `local` first."""
        return open_stores(self.config.stores, self.config.base, self.trust)

    @cached_property
    def local(self) -> DirectoryStore:
        """The store every restore point is published in."""
        return local_store(self.config.base, self.trust)

    def identities(self, name: str) -> Sequence[str]:
        """The age identities a verifier may use for a source. Raises SecretMissing."""
        return self.config.identities(name)

    def catalogue(self, name: str) -> Catalogue:
        """What the stores hold of a source, and whether it is what the ledger knows."""
        found = read_catalogue(self.stores, name, self.published(name))
        if any(each.standing == "missing" for each in found.strangers):
            # A prune may have removed it between the look into the ledger and the look into the stores.
            found = read_catalogue(self.stores, name, self.published(name))
        return found

    def _missed(self, name: str) -> list[str]:
        """The stores in which what the ledger tells of must be: not the local one of another machine's source."""
        mine, configured = self.config.dumped_here(name), self.config.stores
        pruned_elsewhere = {each for each, store in configured.items() if store.pruned_elsewhere}
        return [each for each in self.stores if each not in pruned_elsewhere and (mine or each != LOCAL)]

    def unseen(self, name: str, point: RestorePoint | None) -> tuple[str, ...]:
        """Copies that the ledger tells of in the local store of another machine, in words."""
        if point is None or self.config.dumped_here(name):
            return ()
        with suppress(LedgerError):
            known = published(self.ledger.movements(name), [LOCAL]).get(point.id)
            return (f"the local store at {self.config.site(name)}",) if known is not None and known.kept else ()
        return ()

    def published(self, name: str) -> dict[str, Published] | None:
        """What the ledger knows of a source's restore points, by id; None when it cannot be asked."""
        try:
            return published(self.ledger.movements(name), self._missed(name))
        except LedgerError:
            return None
