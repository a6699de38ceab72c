"""What a sandbox takes is measured as the disk has it: wherever it lies, and where it has no name any more."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from ops_pipelines import durable
from ops_pipelines.recovery.enclosed.watch import unnamed_bytes, written_bytes

MIB = 2**20


def written(path: Path) -> int:
    """A file of a MiB; returns what it takes."""
    durable.write(path, os.urandom(MIB))
    taken = path.stat().st_blocks * 512
    assert taken >= MIB
    return taken


def test_files_at_any_depth_count_and_what_a_link_leads_to_does_not(tmp_path: Path) -> None:
    (folder := tmp_path / "work").mkdir()
    (below := folder / "a/b/c").mkdir(parents=True)
    taken = written(folder / "one") + written(below / "two")
    written(tmp_path / "outside")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "back").symlink_to(folder)
    links = sum((folder / name).lstat().st_blocks * 512 for name in ("link", "back"))
    assert written_bytes(folder) == taken + links


def test_a_tree_too_deep_to_be_measured_is_larger_than_anything(tmp_path: Path) -> None:
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(tmp_path)
        for _ in range(30):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
        assert written_bytes(tmp_path) == sys.maxsize
    finally:
        os.chdir(before)
        os.close(before)
        shutil.rmtree(tmp_path / ("d" * 200))


def test_a_file_without_a_name_counts_once_as_long_as_somebody_has_it_open(tmp_path: Path) -> None:
    ours, before = [os.getpid(), os.getpid()], unnamed_bytes(tmp_path, [os.getpid()])  # of the tests before this one
    with tempfile.TemporaryFile(dir=tmp_path) as opened, (tmp_path / "named").open("wb") as named:
        for file in (opened, named):
            file.write(os.urandom(MIB))
            file.flush()
            os.fsync(file.fileno())
        again = os.dup(opened.fileno())
        assert MIB <= unnamed_bytes(tmp_path, ours) - before < 2 * MIB
        os.close(again)
    assert unnamed_bytes(tmp_path, ours) == before
