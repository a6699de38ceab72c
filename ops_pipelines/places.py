"""Where what belongs to one installation lies: below `base`, and its scratch space where that cannot be written."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ops_pipelines.scratch import elsewhere


@dataclass(frozen=True)
class Places:
    """The directories below a `base`.

    Attributes:
        base: the directory itself.
        lent: where scratch servers live instead: a drill's, below the real base, so that any later start sweeps them.
    """

    base: Path
    lent: Path | None = None

    @cached_property
    def writable(self) -> bool:
        """Whether `base`, or where it would be made, can be written: on a bad day its disk may be mounted read-only."""
        return os.access(next(each for each in (self.base, *self.base.parents) if each.exists()), os.W_OK | os.X_OK)

    @cached_property
    def scratch(self) -> Path:
        """Where scratch servers live: below `base`; where that cannot be written, among this user's temporary files.

        Raises OSError when there is no place for temporary files either.
        """
        if self.lent is not None:
            return self.lent
        return self.base / "scratch" if self.writable else elsewhere()

    @property
    def ledger(self) -> Path:
        """The ledger, unless it is kept in a database."""
        return self.base / "ledger.sqlite"

    @property
    def keys(self) -> Path:
        """Who this installation is, and what it signs with."""
        return self.base / "keys"

    @property
    def locks(self) -> Path:
        """Kernel locks, a file for each thing that is held."""
        return self.base / "locks"

    @property
    def outages(self) -> Path:
        """Where drills note what they stopped."""
        return self.base / "outages"

    @property
    def drills(self) -> Path:
        """Reports of drills."""
        return self.base / "drills"

    @property
    def reports(self) -> Path:
        """Backup reports."""
        return self.base / "reports"

    @property
    def verifications(self) -> Path:
        """What verifications saw change."""
        return self.base / "verify"

    @property
    def targets(self) -> Path:
        """Notes of what restores made."""
        return self.base / "targets"
