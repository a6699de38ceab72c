"""Definitions that came back differently, line by line, for a human.

They are told on this machine only, below `base/verify`: a definition may hold what a store in the clear must not.
"""

import difflib
from collections.abc import Iterator, Mapping


def as_lines(changed: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """The lines that differ, below the name of their object: `-` the source has, `+` came back."""
    for name, (source, restored) in changed.items():
        yield name
        lines = difflib.unified_diff(source.splitlines(), restored.splitlines(), "source", "restored", n=0, lineterm="")
        yield from (f"  {line}" for line in lines if not line.startswith("@@"))


def by_name(changed: Mapping[str, tuple[str, str]]) -> dict[str, dict[str, str]]:
    """The same for a program: the two texts of each object."""
    return {name: {"source": source, "restored": restored} for name, (source, restored) in changed.items()}


def command(source: str) -> str:
    """What shows them."""
    return f"ops verify {source} --show"
