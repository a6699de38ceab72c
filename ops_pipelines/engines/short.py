"""A short name for a directory: the path of a socket has room for 107 bytes."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHORTENED = re.compile(r"/proc/\d+/fd/\d+|%2Fproc%2F\d+%2Ffd%2F\d+")
"""What such a name looks like, in a URL as well; it is good while its process lives, and where that process is seen by
this number."""


@contextmanager
def short_path(directory: Path) -> Iterator[str]:
    """A path to a directory, for the length of the block."""
    opened = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/{os.getpid()}/fd/{opened}"
    finally:
        os.close(opened)
