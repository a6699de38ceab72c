"""An opened configuration: its stores, its ledger, its locks. What the verbs work in."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from ops_pipelines import lease, logs
from ops_pipelines.clock import Clock, SystemClock, human_duration
from ops_pipelines.config.models import Config
from ops_pipelines.engines.base import Engine
from ops_pipelines.engines.offers import VerifyServerUser
from ops_pipelines.engines.source import Source
from ops_pipelines.errors import OpsError
from ops_pipelines.known import published
from ops_pipelines.ledger.ledger import Ledger, LedgerError, sqlite_url
from ops_pipelines.outages import Ended, end_outages
from ops_pipelines.outside import errors
from ops_pipelines.outside.observer import Outside
from ops_pipelines.private import private_process
from ops_pipelines.scratch import elsewhere, sweep_scratch, used_elsewhere
from ops_pipelines.text import shell
from ops_pipelines.vault.catalogue import Catalogue, read_catalogue
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.stores.registry import local_store, open_stores
from ops_pipelines.vault.trust import Published, Trust


class UnknownSource(OpsError):
    """No source of that name is configured."""


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


class LogMissing(OpsError):
    """Structured logs are wanted in a file that cannot be written."""


@dataclass(frozen=True)
class Swept:
    """One thing that a dead run left.

    Attributes:
        what: it, in words.
        problem: why it is still there; empty when it is gone.
        lodged: it is a database on a server that was lent to us.
    """

    what: str
    problem: str = ""
    lodged: bool = False

    def __str__(self) -> str:
        return f"not swept: {self.what}: {self.problem}" if self.problem else self.what


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
    def ledger(self) -> Ledger:
        """The ledger. Raises LedgerError."""
        configured = self.config.ledger
        url = configured.reveal(purpose="ledger") if configured else sqlite_url(self.config.base / "ledger.sqlite")
        return Ledger(url, clock=self.clock, observer=Outside(self.config))

    @cached_property
    def signing(self) -> Keys:
        """Who this installation is, and what it signs with."""
        return Keys(self.config.base / "keys")

    @cached_property
    def trust(self) -> Trust:
        """What says which restore points and verdicts are ours."""
        return Trust(self.signing, self.clock)

    @cached_property
    def stores(self) -> dict[str, Store]:
        """Every store by name, `local` first."""
        return open_stores(self.config.stores, self.config.base, self.trust)

    @cached_property
    def local(self) -> DirectoryStore:
        """The store every restore point is published in."""
        return local_store(self.config.base, self.trust)

    @cached_property
    def writable(self) -> bool:
        """Whether `base`, or where it would be made, can be written: on a bad day its disk may be mounted read-only."""
        base = self.config.base
        return os.access(next(each for each in (base, *base.parents) if each.exists()), os.W_OK | os.X_OK)

    @cached_property
    def scratch_root(self) -> Path:
        """Where scratch servers live: below `base`; where that cannot be written, among this user's temporary files."""
        return self.config.base / "scratch" if self.writable else elsewhere()

    @property
    def outages_root(self) -> Path:
        """Where drills note what they stopped."""
        return self.config.base / "outages"

    def end_outages(self) -> list[Ended]:
        """Start the servers that a dead drill has stopped."""
        found = end_outages(self.outages_root)
        for each in found:
            logs.event("outage_left", level="error", source=each.source, problem=each.problem or None)
        return found

    def source(self, name: str) -> Source:
        """A source's configuration. Raises UnknownSource."""
        if name not in self.config.sources:
            raise UnknownSource(
                f"no source is called {name!r}",
                why=f"ops.yaml has: {', '.join(self.config.sources)}",
                next="ops status lists them",
            )
        return self.config.sources[name]

    def engine(self, name: str) -> Engine:
        """The engine of a source."""
        return self.source(name).engine(name)

    def identities(self, name: str) -> Sequence[str]:
        """The age identities a verifier may use for a source. Raises SecretMissing."""
        encrypt = self.source(name).encrypt
        if encrypt is None or encrypt.identity is None:
            return ()
        return (encrypt.identity.reveal(purpose=f"source {name}, encrypt.identity"),)

    def catalogue(self, name: str) -> Catalogue:
        """What the stores hold of a source, and whether it is what the ledger knows."""
        found = read_catalogue(self.stores, name, self.published(name))
        if any(each.standing == "missing" for each in found.strangers):
            # A prune may have removed it between the look into the ledger and the look into the stores.
            found = read_catalogue(self.stores, name, self.published(name))
        return found

    def published(self, name: str) -> dict[str, Published] | None:
        """What the ledger knows of a source's restore points, by id; None when it cannot be asked."""
        try:
            return published(self.ledger.movements(name), self.stores)
        except LedgerError:
            return None

    @contextmanager
    def locked(self, name: str, *, doing: str, wait: timedelta | None = None) -> Iterator[None]:
        """Hold a source: no other run of it, in any process, until the block ends. Raises Busy, BaseReadOnly.

        Args:
            wait: for another run to end; `limits.lock` unless given.
        """
        wait = wait if wait is not None else self.source(name).limits.lock
        with self._held(name, f"source {name}", doing, wait):
            yield

    @contextmanager
    def copying(self, name: str, store: str) -> Iterator[None]:
        """Hold a source's place in a store: of two who copy to it, the second waits and finds it done.

        Raises Busy, BaseReadOnly.
        """
        with self._held(f"{name}@{store}", f"the copy of {name} to {store}", "copy", self.source(name).limits.lock):
            yield

    @contextmanager
    def _held(self, lock: str, what: str, doing: str, wait: timedelta) -> Iterator[None]:
        if not self.writable:
            raise BaseReadOnly(self.config.base)
        with lease.exclusive(
            self.config.base / "locks" / f"{lock}.lock",
            holder=f"{doing}, process {os.getpid()}, since {self.clock.now():%Y-%m-%d %H:%M:%S} UTC",
            wait=wait,
            what=f"{what} (waited {human_duration(wait)})",
        ):
            yield

    def sweep(self, *, stores: bool = True) -> list[Swept]:
        """Clear away what killed runs left: servers that stand still, scratch servers, staged parts, open activities.

        Args:
            stores: the stores' litter, too; one that is away is waited for.
        """
        swept: list[Swept] = []

        def drop_verify_database(source: str, database: str) -> bool:
            try:
                self._drop_verify_database(source, database)
            except OpsError as error:
                swept.append(Swept(f"{database}, made to verify {source}", error.what, lodged=True))
                return False
            return True

        swept += [
            Swept(f"{each.source} is down", each.problem) if each.problem else Swept(f"{each.source}, started again")
            for each in self.end_outages()
        ]
        for root in dict.fromkeys((self.scratch_root, *used_elsewhere())):
            try:
                swept += [Swept(str(path)) for path in sweep_scratch(root, drop_database=drop_verify_database)]
            except OSError as error:
                swept.append(Swept(str(root), error.strerror or str(error)))
        for store in self.stores.values() if stores else ():
            try:
                swept += map(Swept, store.sweep())
            except OpsError as error:
                # A store that is away has its litter later; the work at hand does not depend on it.
                swept.append(Swept(f"store {store.name}", error.what))
        try:
            swept += [Swept(f"activity {row.id} ({row.kind} of {row.source})") for row in self.ledger.fail_orphans()]
        except LedgerError as error:
            # Whoever has to write into it says so; a restore goes on without.
            swept.append(Swept("attempts of dead runs", error.what))
        return swept

    def _drop_verify_database(self, source: str, database: str) -> None:
        """Drop a database that a killed verification of a source made on its `verify.server`. Raises OpsError."""
        engine = self.engine(source)
        if isinstance(engine, VerifyServerUser):
            engine.drop_verify_database(database)
