"""The number that every kept file has for its format: one that is higher than ours was written by a newer version."""

import json
from typing import Any

from ops_pipelines.errors import NewerFormat


def refuse_newer(data: bytes, *, known: int, where: str) -> None:
    """Raise NewerFormat for a file with a higher number; what is no such file is somebody else's matter.

    Args:
        data: JSON, which could not be read as `known`.
        where: it was found, for the error.
    """
    try:
        read: Any = json.loads(data)
    except (ValueError, RecursionError):
        return
    found = read.get("version") if isinstance(read, dict) else None
    if isinstance(found, int) and found > known:
        raise NewerFormat(where, found=found, known=known)
