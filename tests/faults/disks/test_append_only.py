"""A store in which nothing may be deleted, as one has it against whoever steals the keys of the backup machine.

Backup, copy and verify work; prune says why it cannot, and takes nothing out of sight that it may not remove; nothing
is called damaged, and a prune that was refused holds up no later copy.
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.verify import verify
from tests.faults.disks.conftest import House, newest
from tests.faults.disks.filesystems import machine


def names_stay(nas: Path) -> list[Path]:
    """Names can be given in these, and not taken."""
    return [nas, nas / "app", *(nas / "app").glob("*/")]


def files_stay(nas: Path) -> list[Path]:
    """These can be moved with what they lie in, and are there for ever."""
    return [path for path in (nas / "app").rglob("*") if path.is_file()]


@contextmanager
def flagged(nas: Path, flag: str, paths: list[Path]) -> Iterator[None]:
    subprocess.run(["chattr", f"+{flag}", *map(str, paths)], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-R", f"-{flag}", str(nas)], check=True)


def protect(house: House) -> None:
    """One more restore point, in both stores and proved."""
    workspace = house.workspace()
    take_backup(workspace, "app")
    assert copy_to(workspace, newest(workspace, "app"), "nas").done == "copied"
    verdict = verify(workspace, newest(workspace, "app"))
    assert verdict.outcome == "verified", verdict.reason


@pytest.mark.parametrize(("flag", "chosen"), [("a", names_stay), ("i", files_stay)], ids=["append-only", "immutable"])
def test_a_store_in_which_nothing_may_be_deleted(flag: str, chosen: Callable[[Path], list[Path]]) -> None:
    with tempfile.TemporaryDirectory(prefix="ops-kept-") as folder, machine("ext4", Path(folder)) as disk:
        house = House(disk.mounted / "house")
        house.build()
        protect(house)
        held = house.workspace().stores["nas"].ids("app")
        nas = house.path / "nas"
        with flagged(nas, flag, chosen(nas)):
            protect(house)
            pruned = subprocess.run(house.ops("prune", "app", "--apply"), capture_output=True, text=True, check=False)
            said = pruned.stdout + pruned.stderr
            assert pruned.returncode == 1, said
            assert "store nas" in said
            assert "append-only or immutable" in " ".join(said.split())
            assert "Traceback" not in said
            protect(house)
            catalogue = house.workspace().catalogue("app")
            assert not [*catalogue.messages, *catalogue.damage, *catalogue.problems]
            assert set(held) < set(house.workspace().stores["nas"].ids("app"))
            assert not list((nas / ".staging").glob("*/"))
        after = subprocess.run(house.ops("prune", "app", "--apply"), capture_output=True, text=True, check=False)
        assert after.returncode == 0, after.stdout + after.stderr
        assert not set(held) & set(house.workspace().stores["nas"].ids("app"))
