"""Databases of ours on a server that was lent to us (`verify.server`): their names, and the note that outlives a kill.

The note lies in the scratch directory, is written before the database is created and holds no secret: whoever sweeps
finds the server through the configuration.
"""

import json
import os
import re
import secrets
from pathlib import Path

from ops_pipelines import durable

_NOTE = "lodging.json"
_NAME = re.compile(r"verify_[0-9a-f]{16}")


def new_name() -> str:
    """A name that nobody else has."""
    return f"verify_{secrets.token_hex(8)}"


def is_ours(database: str) -> bool:
    """Whether a database can be one that we made."""
    return _NAME.fullmatch(database) is not None


def note(directory: Path, source: str, database: str) -> None:
    """Write down, and wait until it is on the disk, that `database` is about to be made for a source."""
    path = directory / _NOTE
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
        json.dump({"source": source, "database": database}, opened)
    durable.flush(path)
    durable.flush(directory)


def noted(directory: Path) -> tuple[str, str] | None:
    """Source and database of a note; None when there is none, or it was torn before anything was made."""
    path = directory / _NOTE
    if path.is_symlink() or not path.is_file():
        return None  # what was proved here may have put something else in its place
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        return str(written["source"]), str(written["database"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
