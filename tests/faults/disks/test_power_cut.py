"""The power is cut between any two calls of a command, and what was not flushed is lost, all of it or any part.

A restore point is there whole or not at all, for a reader who looks meanwhile as for one who comes after the power cut.
What somebody was told is there, by a line, by the ledger or by the end of a command, is on the disk.

Three changes of the code would not be seen by looking at a living machine, and are caught here: files that are not
flushed before the publishing rename (half a restore point, "names alone"), parents that are not flushed after it (told,
and not on the disk), a copy in the place of one rename (half a restore point, "all of it").
"""

import hashlib
from pathlib import Path

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.verify import verify
from tests.faults.aftermath import back_up
from tests.faults.conftest import MakeHouse
from tests.faults.disks.conftest import House, newest
from tests.faults.disks.disk import Tree, everything, nothing
from tests.faults.disks.judged import look, points, worlds
from tests.faults.disks.recorded import record
from tests.faults.house import OPS, REPOSITORY
from tests.faults.tries import chance, long_run, tries


@pytest.mark.parametrize("name", ["app", "uploads"])
def test_the_first_backup_of_an_installation(house: House, name: str) -> None:
    disk, said = house.recorded(house.does("backup", name))
    assert "said backup" in said
    look(disk, chance(f"first backup {name}"), drawn=tries(1))


@pytest.mark.parametrize("name", ["app", "uploads"])
def test_a_backup_beside_others(used: House, name: str) -> None:
    disk, said = used.recorded(used.does("backup", name))
    assert "said backup" in said
    look(disk, chance(f"backup {name}"), drawn=tries(1))


def test_a_verdict(used: House) -> None:
    disk, said = used.recorded(used.does("verify", "app"))
    assert "said verified" in said
    look(disk, chance("verify"), drawn=tries(1))


@pytest.mark.parametrize("name", ["app", "uploads"])
def test_a_copy(used: House, name: str) -> None:
    take_backup(used.workspace(), name)
    disk, _said = used.recorded(used.ops("copy", name, "--to", "nas"))
    look(disk, chance(f"copy {name}"), drawn=tries(1))


def test_a_prune(used: House) -> None:
    workspace = used.workspace()
    take_backup(workspace, "app")
    copy_to(workspace, newest(workspace, "app"), "nas")
    assert verify(workspace, newest(workspace, "app")).outcome == "verified"
    disk, _said = used.recorded(used.ops("prune", "app", "--apply"))
    assert len(points(disk.tree(len(disk.steps), everything))) < len(points(disk.tree(0, nothing)))
    look(disk, chance("prune"), drawn=tries(1), pruned=True)


def test_the_recovery_kit(used: House) -> None:
    kit = used.ops("kit", "--to", str(used.path / "kit"), "--passphrase-file", str(used.path / "kit.pw"))
    disk, _said = used.recorded(kit, accept=(0, 1))
    look(disk, chance("kit"), drawn=tries(1))


def test_a_new_signing_key(used: House) -> None:
    disk, _said = used.recorded(used.ops("key", "new"))
    look(disk, chance("key"), drawn=tries(1))


def test_the_report(used: House) -> None:
    disk, _said = used.recorded(used.ops("report"), accept=(0, 1, 2))
    look(disk, chance("report"), drawn=tries(1))


def test_the_configuration_that_was_last_good(used: House) -> None:
    disk, _said = used.recorded(used.does("remember"))
    assert (used.path / "base" / "last-good" / "ops.yaml").exists()
    look(disk, chance("last good"), drawn=tries(1))


def test_signatures_of_what_was_taken_under_ours(used: House) -> None:
    for store in (used.path / "base" / "restore-points", used.path / "nas"):
        for signature in store.glob("app/*/manifest.json.minisig"):
            signature.unlink()
    disk, _said = used.recorded(used.ops("sign", "app", "--yes"), accept=(0, 1))
    look(disk, chance("sign"), drawn=tries(1), signed=False)


def test_a_restored_database(used: House) -> None:
    disk, _said = used.recorded(used.ops("restore", "app", "--to", str(used.path / "out")), accept=(0, 1))
    look(disk, chance("restore"), drawn=tries(1))


@pytest.mark.parametrize("scenario", ["random_restore_point", *(["corruption", "lost_keys"] if long_run() else [])])
def test_the_report_of_a_drill(used: House, scenario: str) -> None:
    seed = ("--seed", "1") if scenario == "random_restore_point" else ()
    disk, _said = used.recorded(used.ops("drill", scenario, "--application", "app", *seed), accept=(0, 1))
    assert list((used.path / "base" / "drills").glob("*/SHA256SUMS.minisig"))
    look(disk, chance(f"drill {scenario}"), drawn=tries(1))


_DATABASES = ("postgres", "mysql") if long_run() else ("postgres",)


@pytest.mark.parametrize("engine", _DATABASES)
def test_an_exported_file_and_its_sum_in_the_place_of_older_ones(
    make_house: MakeHouse, engine: str, tmp_path: Path
) -> None:
    house = make_house(engine)
    back_up(house)
    (house.path / "pass").write_text("each time it gives other bytes", encoding="utf-8")
    (house.path / "pass").chmod(0o600)
    to = ("--to", str(house.path / "exported"), "--passphrase-file", str(house.path / "pass"))
    assert house.ops("export", "crm", *to).returncode == 0
    disk, _said = record(
        house.path, [OPS, "export", "crm", *to, "--config", str(house.config)], cwd=REPOSITORY, log=tmp_path / "strace"
    )
    look(disk, chance(f"export {engine}"), drawn=tries(1))
    for at, which, kept in worlds(disk, chance(f"sums {engine}"), drawn=tries(1)):
        assert not _wrong_sums(disk.tree(at, kept)), f"after step {at}, {which} on the disk"
    assert len(list((house.path / "exported").iterdir())) == 2


def _wrong_sums(tree: Tree) -> list[str]:
    """Files with the sum of other bytes beside them: on the bad day, nobody would trust them."""
    sums = {path: content for path, content in tree.items() if path.startswith("exported/full") and content}
    return [
        path
        for path, content in sums.items()
        if path.endswith(".sha256")
        and content.split()[0].decode() != hashlib.sha256(sums.get(path[: -len(".sha256")], b"")).hexdigest()
    ]


@pytest.mark.parametrize("engine", _DATABASES)
def test_a_backup_by_other_means_that_is_taken_in(make_house: MakeHouse, engine: str, tmp_path: Path) -> None:
    house = make_house(engine)
    assert house.protected.legacy is not None
    house.protected.legacy(house.path / "crm-20250101-0410.dump")
    back_up(house)
    argv = [OPS, "adopt", str(house.path / "crm-20250101-0410.dump"), "--source", "crm", "--apply", "--other-database"]
    disk, _said = record(house.path, [*argv, "--config", str(house.config)], cwd=REPOSITORY, log=tmp_path / "strace")
    assert len(house.ids()) == 2
    look(disk, chance(f"adopt {engine}"), drawn=tries(1))


def test_a_first_configuration(used: House) -> None:
    argv = [OPS, "init", str(used.path / "project"), "--yes", "--no-database", "--uploads", str(used.path / "uploads")]
    disk, _said = used.recorded([*argv, "--store", str(used.path / "nas")])
    look(disk, chance("init"), drawn=tries(1))
