"""What is wrong with a store, or with one copy in it, as a fact: who acts on it reads no sentence."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Problem = Literal["away", "unreadable", "damaged", "verdict", "lost", "newer"]
"""`away`: the store as a whole cannot be read. `unreadable`: nobody can tell how this copy is. `damaged`: its bytes are
not the published ones. `verdict`: what was found out about it cannot be read. `lost`: it was there, and nothing of ours
removed it. `newer`: a newer version wrote it, or what was found out about it; nothing here touches it."""

UNREAD: Collection[Problem] = ("away", "unreadable", "newer")
"""With these nobody here can tell what a store has."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        id: the restore point it is about; empty when it is about the store.
        words: how it is told, in a sentence.
        name: of a verdict, its file.
    """

    store: str
    id: str
    problem: Problem
    words: str
    name: str = ""
