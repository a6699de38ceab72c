"""Small files that others wrote: what they say, or nothing."""

from pathlib import Path


def text_of(path: Path) -> str:
    """What a file says; nothing where it is not there, cannot be read, or is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
