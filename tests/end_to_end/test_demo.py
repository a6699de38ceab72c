"""`make demo` in a fresh copy of the project, twice, and `make clean` after it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import PROJECT
from tests.faults.tries import long_run


def make(folder: Path, target: str) -> str:
    """Run a target with this environment's programs, as if they had just been installed."""
    done = subprocess.run(
        ["make", "--old-file=install-demo", "--old-file=install", f"BIN={Path(sys.executable).parent}", target],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.timeout(900)  # two backups and a disaster of six sources, beside other tests
def test_the_demo_runs_and_clean_removes_every_trace(tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    ignored = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis")
    shutil.copytree(PROJECT, folder, ignore=ignored)
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    try:
        # The disaster is played once: it takes as long as the rest.
        for target in ("demo-backup", "demo") if long_run() else ("demo",):
            printed = make(folder, target)
            assert printed.count("verified from bucket") == 6
        assert "PASSED: 6 of 6 sources were restored and verified" in printed and "by recover.sh" in printed
        assert ("2/2" if long_run() else "1/1") in printed
        for line in ("report    ", "restore   ", "web UI    make up"):
            assert line in printed
        assert (folder / "var/demo/backups/reports/latest.md").is_file()
    finally:
        make(folder, "clean")
    assert {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} == files
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(folder) not in processes
