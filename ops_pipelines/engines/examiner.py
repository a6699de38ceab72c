"""What an engine can say of itself before a backup: its programs, its rights, the server's clock. Changes nothing.

Beside `Engine`, since nothing that backs up or restores needs it.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from ops_pipelines.repository import Repository


@dataclass(frozen=True)
class Lack:
    """Something that a source's role may not do.

    Attributes:
        what: in words.
        grant: the statement or command that allows it, ready to be pasted by whoever may run it.
        needed: whether a backup fails without it; otherwise it only does less.
    """

    what: str
    grant: str
    needed: bool = True


class Examiner(Protocol):
    """Questions about one source. Each raises OpsError when it cannot be answered."""

    def programs(self) -> str:
        """The clients that dump and restore this very server, and what it is proved with, by version.

        Raises ToolMissing, or Inconclusive where only the proof is not possible.
        """
        ...

    def lacks(self) -> Sequence[Lack]:
        """What the role may not do, tried with the role itself."""
        ...

    def clock(self) -> datetime | None:
        """The time it is on the server; None where there is none."""
        ...


@dataclass(frozen=True)
class Stray:
    """Data of ours in a repository that belongs to no restore point; `facts` say how to forget it."""

    what: str
    made_at: datetime
    facts: dict[str, str]


@runtime_checkable
class Repositories(Protocol):
    """An examiner of a source whose data lies in a repository of its own (`Carrier`)."""

    def strays(self, repository: Repository, published: Set[str]) -> Sequence[Stray]:
        """What we put there and never published.

        Args:
            published: the tags of all restore points that are.
        """
        ...
