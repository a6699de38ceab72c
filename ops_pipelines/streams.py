"""The two seams that bytes cross: something to read from, and somebody to tell how far it is."""

from collections.abc import Callable
from typing import Protocol


class Reader(Protocol):
    """A stream of bytes: up to `size` of them a call, none at the end."""

    def read(self, size: int = -1, /) -> bytes: ...


Progress = Callable[[str, int, int | None], None]
"""Called with a phase, the bytes done so far and the bytes expected (None when unknown)."""


def silent(phase: str, done_bytes: int, total_bytes: int | None) -> None:
    """A `Progress` for when nobody is watching."""
