"""Whoever has this machine's keys may write into a bucket or a restic repository, and delete nothing there.

Backup, copy and verify go on; prune says why it cannot, and that it may be on purpose; nothing is called damaged, and
once deletion is allowed the next prune does what is left.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.verify import verify
from tests.faults.conftest import MakeHouse
from tests.faults.disks.filesystems import machine
from tests.faults.house import House, build
from tests.faults.protected import protect
from tests.faults.test_networks_of_stores import with_bucket
from tests.faults.tries import long_run
from tests.servers.storm import Refused, storm
from tests.stores.conftest import moto  # noqa: F401 (a fixture)


def may_not_delete(method: str, path: str) -> Refused | None:
    """As keys are that may only add. restic's own locks are always let go."""
    deletes = method == "DELETE" or (method == "POST" and path.endswith(("?delete", "?delete=")))
    return Refused(403, "AccessDenied") if deletes and "/locks/" not in path else None


def protect_again(house: House, store: str) -> None:
    """One more restore point, in both stores and proved in the farther one."""
    house.protected.change()
    workspace = house.workspace()
    take_backup(workspace, "crm")
    assert copy_to(workspace, house.newest(), store).done == "copied"
    verdict = verify(workspace, house.newest(), store=store)
    assert verdict.outcome == "verified", verdict.reason


def prune(house: House) -> tuple[int, str]:
    """Exit status and words of a prune that would leave one restore point."""
    house.document["defaults"]["keep"]["last"] = 1
    house.write()
    done = house.ops("prune", "crm", "--apply")
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def all_is_well(house: House) -> None:
    """Nothing is missing, damaged or unreadable."""
    catalogue = house.workspace().catalogue("crm")
    assert not [*catalogue.messages, *catalogue.damage, *catalogue.problems]


@pytest.mark.parametrize("engine", ["sqlite", "files"] if long_run() else ["sqlite"])
def test_a_bucket_whose_keys_may_not_delete(engine: str, make_house: MakeHouse, moto: str) -> None:  # noqa: F811
    house = make_house(engine)
    with storm(moto) as sky:
        with_bucket(house, moto, sky.endpoint)
        protect_again(house, "far")
        held = house.workspace().stores["far"].ids("crm")
        sky.weather = may_not_delete
        protect_again(house, "far")
        status, said = prune(house)
        assert status == 1, said
        assert "these keys may write and not delete" in said and "where that is on purpose" in said, said
        assert set(held) < set(house.workspace().stores["far"].ids("crm"))
        protect_again(house, "far")
        all_is_well(house)
        sky.weather = lambda method, path: None
        status, said = prune(house)
        assert status == 0, said
        assert house.workspace().stores["far"].ids("crm") == [house.newest().id]


@contextmanager
def immutable(repository: Path) -> Iterator[None]:
    """What restic has written there can neither be changed nor removed; its locks can."""
    kept = [
        path for kind in ("data", "index", "snapshots") for path in (repository / kind).rglob("*") if path.is_file()
    ]
    subprocess.run(["chattr", "+i", *map(str, kept)], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-R", "-i", str(repository)], check=True)


@pytest.mark.skipif(not long_run(), reason="make faults plays it")
def test_a_restic_repository_in_which_nothing_may_be_deleted(request: pytest.FixtureRequest) -> None:
    with tempfile.TemporaryDirectory(prefix="ops-kept-") as folder, machine("ext4", Path(folder)) as disk:
        house = build(disk.mounted, protect("files", request, disk.mounted / "data"))
        protect_again(house, "nas")
        repository = Path(house.workspace().stores["nas"].repository("crm").address)
        with immutable(repository):
            protect_again(house, "nas")
            status, said = prune(house)
            assert status == 1, said
            assert "nothing may be removed from the repository" in said, said
            assert "where the repository is append-only, let its own host do it" in said, said
            protect_again(house, "nas")
            all_is_well(house)
        status, said = prune(house)
        assert status == 0, said
        assert len(list((repository / "snapshots").iterdir())) == 1
        assert verify(house.workspace(), house.newest(), store="nas").outcome == "verified"
