"""What holds for every store: a directory, a bucket of moto, a bucket of Ceph."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.errors import CorruptCopy, SafetyRefusal
from ops_pipelines.vault.catalogue import read_catalogue
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.stores.volume import Volume
from ops_pipelines.vault.trust import Untrusted
from tests.stores.conftest import PART_MIB, MakeStore
from tests.unit.vaults import AT, DUMP, IDENTITY, TRUST, publish, rewrite, verdict

FIRST, SECOND = "20261121T020000Z-0001", "20261121T080000Z-0002"


def nothing(size_bytes: int) -> None:
    """Nobody is watching."""


@dataclass(frozen=True)
class Place:
    """A store, and the way around it: what it holds is changed behind its back."""

    store: Store
    read: Callable[[str], bytes]
    write: Callable[[str, bytes], None]
    remove: Callable[[str], None]


@pytest.fixture(params=["directory", "moto", "ceph"])
def place(request: pytest.FixtureRequest, tmp_path: Path, open_store: MakeStore) -> Place:
    if request.param == "directory":
        root = tmp_path / "nas"
        volume = Volume("far", root, tmp_path / "far.mark", mounted=False)
        return Place(
            DirectoryStore("far", root, TRUST, offsite=True, volume=volume),
            lambda key: (root / key).read_bytes(),
            lambda key, content: (root / key).write_bytes(content) and None,
            lambda key: (root / key).unlink(),
        )
    bucket = request.getfixturevalue("moto_bucket" if request.param == "moto" else "bucket")
    return Place(
        open_store(bucket),
        lambda key: bucket.read(f"backups/{key}"),
        lambda key, content: bucket.write(f"backups/{key}", content),
        lambda key: bucket.client.delete_object(Bucket=bucket.name, Key=f"backups/{key}") and None,
    )


def read_all(store: Store, backup_id: str) -> bytes:
    copy = Copy(store, store.manifest("crm", backup_id, fresh=True), lambda: [IDENTITY])
    copy.data("contents")
    return copy.data("dump")


def test_a_copy_is_listed_and_opens_byte_for_byte(place: Place, local: DirectoryStore) -> None:
    dump = os.urandom(2 * PART_MIB * 1024 * 1024 + 12345)
    manifest, copied = publish(local, FIRST, dump=dump), list[int]()
    place.store.receive(manifest, local.directory("crm", FIRST), copied.append)
    assert (place.store.sources(), place.store.ids("crm")) == (["crm"], [FIRST])
    (point,) = read_catalogue({"far": place.store}, "crm").points
    assert point.manifest.to_bytes() == manifest.to_bytes()
    assert sum(copied) >= manifest.size_bytes
    assert read_all(place.store, FIRST) == dump
    for path in local.directory("crm", FIRST).iterdir():
        assert place.read(f"crm/{FIRST}/{path.name}") == path.read_bytes()


def test_nothing_is_copied_twice(place: Place, local: DirectoryStore) -> None:
    manifest, again = publish(local, FIRST), list[int]()
    place.store.receive(manifest, local.directory("crm", FIRST), nothing)
    place.store.receive(manifest, local.directory("crm", FIRST), again.append)
    assert again == []


@pytest.mark.parametrize("victim", ["dump.pgc.zst.age", "contents.json.zst.age", "SHA256SUMS", "manifest.json"])
def test_one_flipped_bit_on_the_way_is_not_copied(place: Place, local: DirectoryStore, victim: str) -> None:
    manifest = publish(local, FIRST)
    path = local.directory("crm", FIRST) / victim
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    path.write_bytes(damaged)
    with pytest.raises(CorruptCopy, match="not copied"):
        place.store.receive(manifest, path.parent, nothing)
    assert place.store.ids("crm") == []


@pytest.mark.parametrize("change", [lambda whole: whole[:-1], lambda whole: whole + whole, lambda whole: b""])
def test_a_part_that_was_cut_off_or_grew_is_not_copied(
    place: Place, local: DirectoryStore, change: Callable[[bytes], bytes]
) -> None:
    manifest = publish(local, FIRST, dump=os.urandom(PART_MIB * 1024 * 1024 + 99))
    path = local.directory("crm", FIRST) / manifest.parts[0].name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(CorruptCopy, match="not copied"):
        place.store.receive(manifest, path.parent, nothing)
    assert place.store.ids("crm") == []


def test_a_part_that_vanished_is_the_copys_fault(place: Place, local: DirectoryStore) -> None:
    manifest = publish(local, FIRST)
    (local.directory("crm", FIRST) / manifest.parts[0].name).unlink()
    with pytest.raises(CorruptCopy) as caught:
        place.store.receive(manifest, local.directory("crm", FIRST), nothing)
    assert caught.value.check == "parts"


def _secret(path: Path) -> None:
    (outside := path.parents[3] / "outside").write_bytes(DUMP)
    path.symlink_to(outside)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("victim", ["dump.pgc.zst.age", "manifest.json"])
@pytest.mark.parametrize("instead", [os.mkfifo, Path.mkdir, _secret], ids=["fifo", "directory", "link"])
def test_what_is_no_file_is_not_copied_and_keeps_nobody_waiting(
    place: Place, local: DirectoryStore, instead: Callable[[Path], None], victim: str
) -> None:
    manifest = publish(local, FIRST)
    (path := local.directory("crm", FIRST) / victim).unlink()
    instead(path)
    with pytest.raises(CorruptCopy, match="is damaged and was not copied") as caught:
        place.store.receive(manifest, path.parent, nothing)
    assert "and not a regular file" in caught.value.why
    assert place.store.ids("crm") == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("instead", [os.mkfifo, Path.mkdir, _secret], ids=["fifo", "directory", "link"])
def test_what_is_no_file_is_told_as_damage_where_it_is_also_of_a_copy_that_is_there(
    place: Place, local: DirectoryStore, instead: Callable[[Path], None]
) -> None:
    manifest = publish(local, FIRST)
    place.store.receive(manifest, local.directory("crm", FIRST), nothing)
    (path := local.directory("crm", FIRST) / "manifest.json").unlink()
    instead(path)
    with pytest.raises(CorruptCopy, match="is damaged and was not copied"):
        place.store.receive(manifest, path.parent, nothing)
    assert place.store.ids("crm") == [FIRST]


def test_an_offsite_store_refuses_what_is_not_encrypted(place: Place, local: DirectoryStore) -> None:
    manifest = publish(local, FIRST, recipients=())
    with pytest.raises(SafetyRefusal, match="not encrypted"):
        place.store.receive(manifest, local.directory("crm", FIRST), nothing)
    assert place.store.sources() == []


@pytest.mark.parametrize("name", ["dump.pgc.zst.age", "contents.json.zst.age", "SHA256SUMS", "manifest.json"])
def test_damage_in_the_store_is_found_by_name(place: Place, local: DirectoryStore, name: str) -> None:
    manifest, key = publish(local, FIRST), f"crm/{FIRST}/{name}"
    place.store.receive(manifest, local.directory("crm", FIRST), nothing)
    assert read_all(place.store, FIRST) == DUMP
    damaged = bytearray(place.read(key))
    damaged[len(damaged) // 3] ^= 16
    place.write(key, bytes(damaged))
    with pytest.raises(CorruptCopy) as caught:
        read_all(place.store, FIRST)
    assert caught.value.check in (("manifest", "checksum") if name == "manifest.json" else ("checksum",))


def test_a_part_that_is_missing_in_the_store_is_named(place: Place, local: DirectoryStore) -> None:
    manifest = publish(local, FIRST)
    place.store.receive(manifest, local.directory("crm", FIRST), nothing)
    place.remove(f"crm/{FIRST}/{manifest.parts[0].name}")
    with pytest.raises(CorruptCopy, match=manifest.parts[0].name) as caught:
        read_all(place.store, FIRST)
    assert caught.value.check == "parts"


def test_what_has_no_manifest_is_not_a_copy(place: Place, local: DirectoryStore) -> None:
    for backup_id in (FIRST, SECOND):
        place.store.receive(publish(local, backup_id), local.directory("crm", backup_id), nothing)
    place.remove(f"crm/{FIRST}/manifest.json")
    assert place.store.ids("crm") == [SECOND]


def test_sources_whose_names_begin_alike_are_kept_apart(place: Place, local: DirectoryStore) -> None:
    for source, backup_id in (("crm", FIRST), ("crm_uploads", SECOND)):
        place.store.receive(publish(local, backup_id, source=source), local.directory(source, backup_id), nothing)
    assert place.store.sources() == ["crm", "crm_uploads"]
    assert (place.store.ids("crm"), place.store.ids("crm_uploads")) == ([FIRST], [SECOND])
    place.store.delete("crm", FIRST)
    assert (place.store.ids("crm"), place.store.ids("crm_uploads")) == ([], [SECOND])


def test_verdicts_stay_beside_the_copies_and_the_newest_decides(place: Place, local: DirectoryStore) -> None:
    place.store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    assert place.store.verdicts("crm", FIRST) == []
    for outcome, hours in (("verified", 0), ("bad", 2), ("inconclusive", 1)):
        kept = verdict(FIRST, outcome, at=AT + timedelta(hours=hours), store="far")  # type: ignore[arg-type]
        place.store.keep_verdict(kept)
        assert kept.file_name in [each.file_name for each in place.store.verdicts("crm", FIRST)]
    assert [each.outcome for each in place.store.verdicts("crm", FIRST)] == ["verified", "inconclusive", "bad"]
    (point,) = read_catalogue({"far": place.store}, "crm").points
    assert point.verdict is not None and point.verdict.outcome == "bad"


def test_an_unreadable_verdict_proves_nothing_and_is_told(place: Place, local: DirectoryStore) -> None:
    place.store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    kept = verdict(FIRST, "verified", store="far")
    place.store.keep_verdict(kept)
    place.write(f".verdicts/crm/{FIRST}/{kept.file_name}", b"{")
    catalogue = read_catalogue({"far": place.store}, "crm")
    assert [point.id for point in catalogue.points] == [FIRST]
    assert catalogue.recovery_point is None
    assert kept.file_name in catalogue.messages[0]


def test_what_is_deleted_is_gone_with_its_verdicts_and_deleting_again_is_fine(
    place: Place, local: DirectoryStore
) -> None:
    for backup_id in (FIRST, SECOND):
        place.store.receive(publish(local, backup_id), local.directory("crm", backup_id), nothing)
        place.store.keep_verdict(verdict(backup_id, "verified", store="far"))
    for _ in range(2):
        place.store.delete("crm", FIRST)
        assert place.store.ids("crm") == [SECOND]
        assert place.store.verdicts("crm", FIRST) == []
    assert len(place.store.verdicts("crm", SECOND)) == 1
    assert read_all(place.store, SECOND) == DUMP


def test_a_copy_that_was_deleted_can_be_made_again(place: Place, local: DirectoryStore) -> None:
    manifest = publish(local, FIRST)
    for _ in range(2):
        place.store.receive(manifest, local.directory("crm", FIRST), nothing)
        assert read_all(place.store, FIRST) == DUMP
        place.store.delete("crm", FIRST)


def test_sweeping_leaves_what_is_complete_or_young(place: Place, local: DirectoryStore) -> None:
    place.store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    assert place.store.sweep() == []
    assert read_all(place.store, FIRST) == DUMP


def test_a_copy_without_its_signature_is_unsigned_until_it_is_copied_or_signed_again(
    place: Place, local: DirectoryStore
) -> None:
    manifest, published = publish(local, FIRST), local.directory("crm", FIRST)
    place.store.receive(manifest, published, nothing)
    key = f"crm/{FIRST}/manifest.json.minisig"
    signature = place.read(key)
    for mend in (
        lambda: place.store.receive(manifest, published, nothing),
        lambda: place.store.sign("crm", FIRST, signature),
    ):
        place.remove(key)
        catalogue = read_catalogue({"far": place.store}, "crm")
        assert catalogue.points == () and [each.standing for each in catalogue.strangers] == ["unsigned"]
        with pytest.raises(Untrusted):
            place.store.manifest("crm", FIRST, fresh=True)
        mend()
        assert place.read(key) == signature
        assert len(read_catalogue({"far": place.store}, "crm").points) == 1


def test_what_was_signed_for_another_id_or_changed_with_its_sums_is_told_apart(
    place: Place, local: DirectoryStore, tmp_path: Path
) -> None:
    manifest, published = publish(local, FIRST), local.directory("crm", FIRST)
    place.store.receive(manifest, published, nothing)
    place.store.receive(publish(local, SECOND), local.directory("crm", SECOND), nothing)
    for path in local.directory("crm", FIRST).iterdir():
        place.write(f"crm/{SECOND}/{path.name}", path.read_bytes())
    (tmp_path / "forged").mkdir()
    rewrite(tmp_path / "forged", manifest.model_copy(update={"host": "elsewhere"}))
    for name in ("manifest.json", "SHA256SUMS"):
        place.write(f"crm/{FIRST}/{name}", (tmp_path / "forged" / name).read_bytes())
    catalogue = read_catalogue({"far": place.store}, "crm")
    assert [(each.id, each.standing) for each in catalogue.strangers] == [(FIRST, "forged"), (SECOND, "replayed")]
    assert catalogue.points == () and catalogue.troubled == {"far"}


def test_a_verdict_that_nobody_signed_is_not_believed(place: Place, local: DirectoryStore) -> None:
    place.store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    place.store.keep_verdict(verdict(FIRST, "verified", store="far"))
    lie = verdict(FIRST, "bad", at=AT + timedelta(days=1), store="far").model_copy(update={"number": 9})
    place.write(f".verdicts/crm/{FIRST}/{lie.file_name}", lie.to_bytes())
    (point,) = read_catalogue({"far": place.store}, "crm").points
    assert point.verified and not point.damaged
