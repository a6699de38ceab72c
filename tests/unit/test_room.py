"""What the disk of a scratch directory has left is told where it may be why a proof failed."""

import os
from pathlib import Path

import pytest

from ops_pipelines.scratch import Room

MIB = 2**20


@pytest.mark.parametrize(
    ("free_bytes", "inodes", "little", "words"),
    [
        (0, 9, True, "has 0 B left"),
        (500 * MIB, 9, False, "has 500.0 MiB left"),  # too little for MariaDB's log, enough for most
        (50 * 1024 * MIB, 0, True, "has no inodes left"),
        (50 * 1024 * MIB, 9, False, ""),
    ],
)
def test_a_full_disk_and_one_that_is_nearly_full(
    free_bytes: int, inodes: int, little: bool, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = os.statvfs(tmp_path)
    seen = os.statvfs_result((1, 1, asked.f_blocks, free_bytes, free_bytes, 99, inodes, inodes, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _path: seen)
    room = Room()
    with room.watched(tmp_path / "scratch"):
        pass
    assert room.little is little
    assert room.words.endswith(words)
    assert (str(tmp_path) in room.words) is bool(words)
