"""Small files that others wrote: what they say, or nothing."""

from pathlib import Path
from typing import Any

import yaml

from ops_pipelines.config import document

_LARGEST = 4 * 2**20


def text_of(path: Path) -> str:
    """What a file says; nothing where it is not there, cannot be read, is not text, or is too large for such a file."""
    try:
        if not path.is_file():
            return ""
        with path.open(encoding="utf-8") as file:
            text = file.read(_LARGEST + 1)
    except (OSError, ValueError):  # ValueError: it is not text, or the name holds what no name can
        return ""
    return text if len(text) <= _LARGEST else ""


def yaml_of(path: Path) -> list[Any]:
    """The values of every document in a YAML file; nothing where it cannot be read."""
    try:
        return document.plain(text_of(path))
    except yaml.YAMLError:
        return []
