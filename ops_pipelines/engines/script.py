"""Engines whose dump can be told as one SQL script, for tools that read nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from pydantic import JsonValue

from ops_pipelines.engines.base import PartReader


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
