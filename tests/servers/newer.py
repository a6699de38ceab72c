"""Servers and tools of versions that the distribution does not have, as `tools/newer_servers.sh` unpacks them.

    newer.bin_dir("mysql", "mysqld")    # the folder that has this program, for `bin_dirs`

A test of a version that is not there is skipped and says why; where `OPS_NEWER_REQUIRED` is set it fails.
"""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("OPS_NEWER") or Path(__file__).parents[2] / "var/newer")
_PLACES = ("usr/bin", "usr/sbin", "usr/lib/postgresql/*/bin")


def bin_dirs(name: str, program: str) -> list[Path]:
    """The folders with programs of one unpacked version, that of `program` first; for `bin_dirs` of a source.

    Args:
        name: as `tools/newer_servers.sh` names it: mysql, mariadb, pg17, pg18, restic, restic-old.
        program: one that must be there.
    """
    root = (FOLDER / name).resolve()
    found = [folder for place in _PLACES for folder in sorted(root.glob(place))]
    if not any(os.access(folder / program, os.X_OK) for folder in found):
        why = f"{root} has no {program}: run make newer-servers"
        if os.environ.get("OPS_NEWER_REQUIRED"):
            pytest.fail(why)
        pytest.skip(why)
    return sorted(found, key=lambda folder: not os.access(folder / program, os.X_OK))
