"""What a newer release wrote is refused in words, never half read, and neither replaced nor deleted."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_pipelines.backup.prune import prune
from ops_pipelines.errors import INSTALL_NEWER, NewerFormat
from ops_pipelines.healing import bring
from ops_pipelines.ledger.ledger import LedgerError
from ops_pipelines.recovery.choose import too_new
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.trust import SUFFIX
from ops_pipelines.watch.health import source_health
from ops_pipelines.workspace import Workspace
from tests.upgrade.make import lived_in, opened

Bytes = dict[Path, bytes]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Workspace]:
    """A house with two proved restore points, of which `keep` needs one."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    lived_in(tmp_path, url)
    workspace = opened(tmp_path, url)
    with workspace.ledger.activity("dump", source="crm"):
        pass  # the last one went well, so that nothing but the newer format keeps prune away
    yield workspace


def kept(house: Workspace) -> Bytes:
    """Every file of the stores."""
    folders = (house.config.base / "restore-points", house.config.base.parent / "nas")
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()
            and ".staging" not in path.parts}  # fmt: skip


def directory(house: Workspace, store: str, backup_id: str) -> Path:
    """Of a copy."""
    opened_store = house.stores[store]
    assert isinstance(opened_store, DirectoryStore)
    return opened_store.directory("crm", backup_id)


def write_newer(house: Workspace, backup_id: str, *, sums: bool) -> None:
    """Let a newer version have written the manifest of a restore point, in every store.

    Args:
        sums: SHA256SUMS is still written as it is today.
    """
    for store in house.stores:
        at = directory(house, store, backup_id)
        read = json.loads((at / "manifest.json").read_bytes())
        number = read["number"]
        read["version"], read["pieces"] = 2, read.pop("parts")
        content = json.dumps(read).encode()
        signature = house.trust.sign_point(content, source="crm", backup_id=backup_id, number=number)
        (at / "manifest.json").write_bytes(content)
        (at / f"manifest.json{SUFFIX}").write_bytes(signature)
        if not sums:
            (at / "SHA256SUMS").write_bytes(b"")


@pytest.mark.parametrize("which", ["newest", "oldest"])
@pytest.mark.parametrize("sums", [True, False])
def test_a_manifest_of_a_newer_version_is_told_and_left_alone(house: Workspace, which: str, sums: bool) -> None:
    points = house.catalogue("crm").points
    newer, other = (points[-1], points[0]) if which == "newest" else (points[0], points[-1])
    write_newer(house, newer.id, sums=sums)
    before = kept(house)
    catalogue = house.catalogue("crm")
    assert [point.id for point in catalogue.points] == [other.id]
    assert {(each.id, each.store, each.problem) for each in catalogue.faults} == {
        (newer.id, "local", "newer"), (newer.id, "nas", "newer")
    }  # fmt: skip
    assert not catalogue.damage and not catalogue.strangers, "it is unchanged"
    assert "written by a newer version of ops_pipelines: its format has number 2, and this version reads 1" in str(
        catalogue.messages
    )
    with pytest.raises(NewerFormat) as refused:
        house.local.manifest("crm", newer.id)
    assert (refused.value.next, refused.value.safe) == (
        INSTALL_NEWER, "it is unchanged: nothing uses, replaces or deletes it"
    )  # fmt: skip
    # No command that heals or deletes touches it, or what lies beside it.
    for store in house.stores:
        assert bring(house, "crm", store) == []
    (pruned,) = prune(house, ["crm"], apply=True)
    assert [each.deleted for each in pruned.stores] == [(), ()]
    assert all("left alone" in each for each in pruned.problems)
    assert kept(house) == before
    # Whoever restores hears that there is something newer; status has one advice for it.
    assert bool(too_new(house.stores, other, house.published(other.manifest.source))) == (
        newer.id[:16] >= other.id[:16]
    )
    health = source_health(house, "crm")
    assert INSTALL_NEWER in (health.next, *(each.next for each in health.besides))
    assert "is bad" not in health.cause and "ops copy" not in health.next
    told = [each.kind for each in health.situations if "newer version" in each.what]
    assert told and "strangers" not in told, "it is told as what it is, and not as something planted, too"


def test_a_source_with_nothing_but_newer_restore_points_was_not_never_backed_up(house: Workspace) -> None:
    for point in house.catalogue("crm").points:
        write_newer(house, point.id, sums=True)
    health = source_health(house, "crm")
    assert "newer version" in health.cause and "never" not in health.cause
    assert health.next == INSTALL_NEWER


def test_a_verdict_of_a_newer_version_is_not_taken_for_damage_and_not_replaced(house: Workspace) -> None:
    newest = house.catalogue("crm").points[-1]
    (verdict,) = newest.verdicts
    for path in [each for each in kept(house) if each.name == verdict.file_name]:
        read = json.loads(path.read_bytes())
        read["version"], read["found"] = 2, read.pop("outcome")
        content = json.dumps(read).encode()
        path.write_bytes(content)
        path.with_name(path.name + SUFFIX).write_bytes(house.trust.sign_verdict(content, verdict))
    before = kept(house)
    catalogue = house.catalogue("crm")
    assert not catalogue.damaged_verdicts and not catalogue.points[-1].verified
    assert {each.problem for each in catalogue.faults} == {"newer"}
    for store in house.stores:
        assert bring(house, "crm", store) == []
    (pruned,) = prune(house, ["crm"], apply=True)
    assert pruned.refused or all(not each.deleted for each in pruned.stores)
    assert kept(house) == before


@pytest.mark.parametrize("revision", ["0008", "0010", "0099", "1000", "9f3ab2c41d07", "0003beef"])
def test_a_ledger_of_a_newer_version_is_refused_and_not_changed(
    house: Workspace, tmp_path: Path, revision: str
) -> None:
    file = tmp_path / "ledger.sqlite"
    with sqlite3.connect(file) as database:
        database.execute("update alembic_version set version_num = ?", [revision])
        database.execute("create table ops_of_the_future (id integer)")
    before = list(sqlite3.connect(file).iterdump())
    anew = opened(tmp_path, f"sqlite:///{file}")
    with pytest.raises(LedgerError, match=f"the ledger has schema {revision}, and this version .* knows") as refused:
        _ = anew.ledger
    assert refused.value.safe and INSTALL_NEWER in refused.value.next
    assert list(sqlite3.connect(file).iterdump()) == before
    health = source_health(anew, "crm")
    told = [each for each in health.situations if each.kind == "ledger_unreadable"]
    if told:
        assert INSTALL_NEWER in told[0].next
    assert health.recovery_point, "what the stores have is known without a ledger"
