"""A damaged copy is found, is an incident, is replaced by the command that status names, and is proved."""

from collections.abc import Callable
from datetime import datetime, timezone

import dagster as dg
import pytest

from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.launch import run_assets
from ops_pipelines.recovery.verify import verify
from ops_pipelines.watch.health import source_health
from tests.healing.conftest import Files, House

MANIFEST, SUMS, SIGNATURE = "manifest.json", "SHA256SUMS", "manifest.json.minisig"


def newest(house: House) -> str:
    point = house.catalogue.newest
    assert point is not None
    return point.id


def flip(files: Files, name: str) -> None:
    content = bytearray(files.read(name))
    content[len(content) // 2] ^= 1
    files.write(name, bytes(content))


def largest(files: Files) -> str:
    return next(name for name in files.names() if name.endswith(".age"))


DAMAGE: dict[str, Callable[[Files], None]] = {
    "manifest flipped": lambda files: flip(files, MANIFEST),
    "manifest emptied": lambda files: files.write(MANIFEST, b""),
    "sums flipped": lambda files: flip(files, SUMS),
    "sums gone": lambda files: files.remove(SUMS),
    "signature flipped": lambda files: flip(files, SIGNATURE),
    "part gone": lambda files: files.remove(largest(files)),
    "part cut off": lambda files: files.write(largest(files), files.read(largest(files))[:-1]),
    "part grown": lambda files: files.write(largest(files), files.read(largest(files)) + b"\0"),
}


def told_and_healed(house: House, store: str, rule: str = "copy_damaged") -> None:
    """The incident opens; the command that status names replaces the copy and proves it; the incident ends."""
    assert house.incidents() == ({f"{rule}/app/{store}"}, set())
    health = source_health(house.workspace, "app")
    assert not health.ok or health.state == "STALE"
    assert health.next == f"ops copy app --to {store}"
    status, said = house.ops(*health.next.split()[1:])
    assert status == 0, said
    assert house.incidents() == (set(), {f"{rule}/app/{store}"})
    assert source_health(house.workspace, "app").state == "OK"
    assert (house.catalogue.damage, house.catalogue.problems) == ([], ())


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.daily(4)
def test_damage_that_a_listing_shows(house: House, kind: str) -> None:
    backup_id = newest(house)
    files = house.files("nas", backup_id)
    whole = {name: files.read(name) for name in files.names()}
    DAMAGE[kind](files)
    (fault,) = house.catalogue.damage
    assert (fault.store, fault.id, fault.problem) == ("nas", backup_id, "damaged")
    told_and_healed(house, "nas")
    assert {name: files.read(name) for name in files.names()} == whole
    proof = house.catalogue.points[-1].proof("nas")
    assert proof is not None and proof.outcome == "verified"
    assert house.workspace.ledger.recent(kind="verify", limit=1)[0].store == "nas", "what was replaced is proved"


@pytest.mark.parametrize("store", ["local", "far"])
@pytest.mark.parametrize("kind", ["manifest flipped", "sums gone", "part cut off"])
@pytest.mark.daily(3)
def test_in_every_kind_of_store(house: House, store: str, kind: str) -> None:
    files = house.files(store, newest(house))
    DAMAGE[kind](files)
    told_and_healed(house, store)


@pytest.mark.parametrize("store", ["local", "nas", "far"])
def test_damage_that_only_a_proof_shows(house: House, store: str) -> None:
    files = house.files(store, newest(house))
    flip(files, largest(files))
    point = house.catalogue.newest
    assert point is not None and verify(house.workspace, point, store=store).outcome == "bad"
    told_and_healed(house, store)


@pytest.mark.parametrize("kind", ["flipped", "emptied", "without its signature"])
def test_a_damaged_verdict_is_put_back(house: House, kind: str) -> None:
    folder = house.path / "nas" / ".verdicts" / "app" / newest(house)
    (kept,) = folder.glob("*.json")
    whole = kept.read_bytes()
    {
        "flipped": lambda: kept.write_bytes(whole.replace(b"verified", b"verifief")),
        "emptied": lambda: kept.write_bytes(b""),
        "without its signature": lambda: kept.with_name(f"{kept.name}.minisig").unlink(),
    }[kind]()
    told_and_healed(house, "nas", "verdict_damaged")
    assert kept.read_bytes() == whole


def test_a_verdict_that_no_store_has_whole_is_found_out_anew(house: House) -> None:
    stores = (house.path / "nas", house.path / "base" / "restore-points")
    for root in stores:
        (kept,) = (root / ".verdicts" / "app" / newest(house)).glob("*-nas.json")
        kept.write_bytes(b"{}")
    for store in ("nas", "local"):
        status, said = house.ops("copy", "app", "--to", store)
        assert status == 0, said
    assert (house.catalogue.damaged_verdicts, source_health(house.workspace, "app").state) == ([], "OK")


def test_a_copy_that_nothing_of_ours_removed_is_missed(house: House) -> None:
    files = house.files("nas", house.catalogue.points[0].id)
    for name in files.names():
        files.remove(name)
    (fault,) = [each for each in house.catalogue.faults if each.problem == "lost"]
    assert (fault.store, fault.id) == ("nas", house.catalogue.points[0].id)
    told_and_healed(house, "nas", "copy_lost")


def test_one_that_cannot_be_copied_stops_no_other(house: House) -> None:
    """Of the oldest no sound copy is left; the second lies in the bucket alone; the third is as it should be."""
    first, second, third = (point.id for point in house.catalogue.points)
    for store in ("local", "far"):
        files = house.files(store, first)
        flip(files, largest(files))
    for store, backup_id in (("nas", first), ("nas", second), ("nas", third), ("local", second)):
        files = house.files(store, backup_id)
        for name in files.names():
            files.remove(name)
    status, said = house.ops("copy", "app", "--to", "nas")
    assert status == 2
    assert "2 restore points copied to nas" in said
    assert f"{first} of app" in said and "is damaged and was not copied to nas" in said
    assert [point.id for point in house.catalogue.points if "nas" in point.stores] == [second, third]
    damage = {(each.id, each.store) for each in house.catalogue.damage}
    assert damage == {(first, "local"), (first, "far")}, "what copying found out is kept as a verdict"


def test_the_asset_replaces_what_is_damaged_and_a_failure_stops_no_other(house: House) -> None:
    first, second, _ = (point.id for point in house.catalogue.points)
    flip(house.files("nas", second), MANIFEST)
    for store in ("local", "far"):
        house.files(store, first).remove(SUMS)
    files = house.files("nas", first)
    flip(files, largest(files))
    point = house.catalogue.find(first)
    assert point is not None and verify(house.workspace, point, store="nas").outcome == "bad"
    config, key = house.workspace.config, names.PLAIN.copy("app", "nas")
    day = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_assets(config, instance, source="app", day=day, selection=[key])
        assert not result.success and first in result.failures[0]
        assert [each.id for each in house.catalogue.damage if each.store == "nas"] == [first]
        for store in ("local", "far"):
            house.files(store, first)
        house.files("local", first).write(SUMS, house.files("nas", first).read(SUMS))
        result = run_assets(config, instance, source="app", day=day, selection=[key])
        assert result.success, result.failures
        event = instance.get_latest_materialization_event(key)
        assert event is not None and event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        assert (metadata["replaced"].value, metadata["copied"].value) == ([first], [])
    assert [each for each in house.catalogue.damage if each.store == "nas"] == []


def test_what_no_store_has_whole_is_told_and_not_passed_over(house: House) -> None:
    first = house.catalogue.points[0].id
    for store in ("local", "nas", "far"):
        house.files(store, first).remove(SUMS)
    status, said = house.ops("copy", "app", "--to", "nas")
    assert status == 2
    assert f"{first} of app in nas is damaged, and no other store has it" in " ".join(said.split())
