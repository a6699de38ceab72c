"""Repositories that are lent to proofs: the note of the locks in them, which outlives a kill.

restic tells by its machine and its number whether the holder of a lock is dead; in a sandbox both are other ones. So
the note says which locks were a proof's. It lies beside the scratch directory, where nothing that is proved can reach
it, and is on the disk before the lock is in the store. Whose scratch directory is gone needs no lock any more.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ops_pipelines import durable, stopping

_NOTE = ".lent"


@dataclass(frozen=True)
class Lent:
    """Locks of one proof.

    Attributes:
        store, source: whose repository it is.
        locks: their names.
    """

    note: Path
    store: str
    source: str
    locks: tuple[str, ...]


@contextmanager
def noted(directory: Path, *, store: str, source: str) -> Iterator[Callable[[str], None]]:
    """A repository is lent for the length of the block; yields what is told of each lock before it is made.

    Args:
        directory: the proof's scratch directory.
    """
    path, locks = directory.with_name(f"{directory.name}{_NOTE}"), list[str]()

    def note(lock: str) -> None:
        locks.append(lock)
        durable.write(path, json.dumps({"store": store, "source": source, "locks": locks}).encode())

    with stopping.ending(lambda: path.unlink(missing_ok=True)):
        yield note


def abandoned(root: Path) -> list[Lent]:
    """What is noted of proofs below `root` that are over, because they were killed."""
    found = []
    for path in sorted(root.glob(f"*{_NOTE}")):
        if path.with_suffix("").exists():
            continue  # it lives, or is litter that waits to be swept
        with suppress(OSError, ValueError, KeyError, TypeError):
            said = json.loads(path.read_text(encoding="utf-8"))
            found.append(Lent(path, str(said["store"]), str(said["source"]), tuple(map(str, said["locks"]))))
    return found
