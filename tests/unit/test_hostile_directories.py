"""What was in a directory with us cannot hold up its end: deep trees, and something else where a mark should be."""

import os
from pathlib import Path

import pytest

from ops_pipelines import lease
from ops_pipelines.engines import verify_databases
from ops_pipelines.scratch import sweep_scratch

DEEP = 3000


def deepen(directory: Path) -> None:
    """A tree deeper than Python's stack and than any path."""
    here = os.open(directory, os.O_RDONLY)
    for _ in range(DEEP):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_a_deep_tree_goes_with_its_owner(tmp_path: Path) -> None:
    with lease.owned_directory(tmp_path / "work") as directory:
        deepen(directory)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("planted", ["link", "fifo", "directory"])
def test_a_dead_directory_goes_whatever_stands_for_its_mark(tmp_path: Path, planted: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept", encoding="utf-8")
    dead = tmp_path / "scratch" / "postgres-0123abcd"
    dead.mkdir(parents=True)
    for name in (".owner", "lodging.json"):
        if planted == "link":
            (dead / name).symlink_to(outside)
        elif planted == "fifo":
            os.mkfifo(dead / name)
        else:
            (dead / name).mkdir()
    assert verify_databases.noted(dead) is None
    assert sweep_scratch(tmp_path / "scratch", drop_database=lambda source, database: True) == [dead]
    assert outside.read_text(encoding="utf-8") == "kept"
