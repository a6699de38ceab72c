"""Dump programs that lie: a script in front of the real one, which leaves something else and exits with 0.

About itself, and about the accounts, each tells the truth: the lie is in the dump of the data.
"""

import shlex
from collections.abc import Iterable
from pathlib import Path


def false_program(directory: Path, real: Path, lie: str) -> None:
    """Put a script named like `real` into `directory`; in it, `$REAL` is the real one."""
    script = directory / real.name
    script.unlink(missing_ok=True)
    honest = 'case "$*" in *--version*|*--help*|*--system=*|version*) exec "$REAL" "$@";; esac'
    script.write_text(f"#!/bin/bash\nREAL={shlex.quote(str(real))}\n{honest}\n{lie}\n", encoding="utf-8")
    script.chmod(0o700)


def programs(directory: Path, real: Iterable[Path]) -> Path:
    """A directory with links to the real programs."""
    directory.mkdir()
    for path in real:
        (directory / path.name).symlink_to(path)
    return directory
