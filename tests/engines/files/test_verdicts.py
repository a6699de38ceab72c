"""A damaged copy is bad, with the name of what is wrong; a verifier that cannot look leaves it open."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import CorruptCopy
from ops_pipelines.healing import bring
from ops_pipelines.recovery.compare import compare
from ops_pipelines.recovery.verify import fingerprint_of
from ops_pipelines.vault.reader import Copy
from ops_pipelines.watch.health import source_health
from tests.engines.files.conftest import House, MakeHouse, flip


def failed(house: House, store: str = "local") -> tuple[str, list[str]]:
    verdict = house.verify(store)
    return verdict.outcome, [check.name for check in verdict.failed]


def test_a_flipped_bit_in_any_pack_is_found(house: House) -> None:
    house.backup()
    for pack in house.packs():
        whole = pack.read_bytes()
        flip(pack)
        assert failed(house) == ("bad", ["packs"])
        pack.write_bytes(whole)
    assert house.verify().outcome == "verified"


def test_a_missing_pack_is_found(house: House) -> None:
    house.backup()
    house.packs()[0].unlink()
    assert failed(house) == ("bad", ["packs"])


def test_a_missing_snapshot_is_found(house: House) -> None:
    house.backup()
    house.backup()
    newest = house.point().manifest.engine["snapshot"]
    (house.repository() / "snapshots" / str(newest)).unlink()
    assert failed(house) == ("bad", ["snapshot"])


def test_a_repository_that_is_gone_or_lost_its_config_is_found(house: House) -> None:
    house.backup()
    (house.repository() / "config").unlink()
    assert failed(house) == ("bad", ["repository"])
    shutil.rmtree(house.repository())
    assert failed(house) == ("bad", ["repository"])


def test_a_repository_that_was_swapped_for_another_source_s_is_found(house: House) -> None:
    (house.path / "other").mkdir()
    (house.path / "other" / "file").touch()
    other = {"kind": "files", "paths": ["other"], "password": {"file": "password"}}
    house.configure(sources={"other": other})
    house.backup()
    take_backup(house.workspace, "other")
    theirs = Path(house.workspace.local.repository("other").address)
    shutil.rmtree(house.repository())
    theirs.rename(house.repository())
    assert failed(house) == ("bad", ["repository"])


def test_a_wrong_password_condemns_no_copy(house: House) -> None:
    house.backup()
    (house.path / "password").write_text("another", encoding="utf-8")
    outcome, checks = failed(house)
    assert (outcome, checks) == ("inconclusive", ["verifier"])


def test_a_snapshot_of_other_files_is_not_what_was_recorded(house: House) -> None:
    """The fingerprint speaks for the source, not for restic: a file that was altered unseen is found."""
    house.backup()
    altered = house.uploads / "invoices" / "1.pdf"
    seen = altered.stat()
    altered.write_bytes(b"two " * 1000)
    os.utime(altered, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    house.backup()
    first, second = house.workspace.catalogue("files").points[:2]
    ids = {str(point.manifest.engine["snapshot"]): point for point in (first, second)}
    assert len(ids) == 2
    workspace, engine = house.workspace, house.engine
    copy = Copy(workspace.local, first.manifest, lambda: workspace.identities("files"))
    target = house.path / "mixed"
    target.mkdir()
    swapped = {**first.manifest.engine, "snapshot": second.manifest.engine["snapshot"]}
    engine.restore(copy, swapped, target.as_uri(), work=house.path, globals_too=False)
    checks = compare(fingerprint_of(copy), engine.contents(target.as_uri(), "full"))
    assert {check.name for check in checks if not check.passed} == {"schema", "content"}


def test_a_large_snapshot_is_proved_by_a_sample_that_says_what_it_was(make_house: MakeHouse) -> None:
    house = make_house(verify_all_below="20kB")
    for number in range(200):
        (house.uploads / f"{number} [*].txt").write_bytes(b"%d" % number * 300)
    os.link(house.uploads / "0 [*].txt", house.uploads / "zero")
    house.backup()
    verdict = house.verify()
    assert verdict.outcome == "verified", verdict.reason
    sample = next(check for check in verdict.checks if check.name == "sample")
    restored = int(sample.detail.split()[0])
    assert 0 < restored < 100
    assert "/14 of the repository's packs read" in sample.detail
    schema = next(check for check in verdict.checks if check.name == "schema")
    assert schema.detail.startswith(f"{restored} objects unchanged, ")
    content = next(check for check in verdict.checks if check.name == "content")
    assert content.detail.startswith("0 of 1 tables")


def test_a_copy_is_verified_in_its_own_store_whatever_became_of_the_first(house: House) -> None:
    house.backup()
    house.copy()
    house.copy()
    shutil.rmtree(house.repository())
    assert house.verify("nas").outcome == "verified"
    flip(house.packs("nas")[0])
    assert failed(house, "nas") == ("bad", ["packs"])


def test_a_damaged_origin_is_not_copied(house: House) -> None:
    house.backup()
    flip(house.packs()[0])
    with pytest.raises(CorruptCopy) as caught:
        copy_to(house.workspace, house.point(), "nas")
    assert caught.value.check == "packs"
    assert house.workspace.stores["nas"].ids("files") == []


@pytest.mark.parametrize("kind", ["packs", "index and snapshot"])
@pytest.mark.daily(1)
def test_a_damaged_repository_is_made_whole_by_the_copy_that_replaces_it(house: House, kind: str) -> None:
    """And what only this repository has is left as it is: the oldest restore point is gone from the local store."""
    oldest = house.backup()
    house.copy()
    house.uploads.joinpath("more.bin").write_bytes(os.urandom(200_000))
    second = house.backup()
    house.copy()
    house.engine.forget([oldest.engine], house.workspace.local.repository("files"))
    nas = house.repository("nas")
    snapshots = house.snapshots("nas")
    if kind == "packs":
        flip(house.packs("nas")[1])
        house.packs("nas")[0].unlink()  # the proof that finds out is stopped, and its lock must not stay
    else:
        flip(max((nas / "index").iterdir()))
        (nas / "snapshots" / snapshots[str(second.engine["tag"])]).unlink()
    assert failed(house, "nas")[0] == "bad"
    (brought,) = bring(house.workspace, "files", "nas", [second.id])
    assert (brought.done, brought.ok) == ("replaced", True), str(brought.error)
    assert brought.verdict is not None and brought.verdict.outcome == "verified"
    assert house.snapshots("nas").keys() == snapshots.keys(), "of each restore point there is one snapshot"
    if kind != "packs":
        assert house.verify("nas", oldest.id).outcome == "verified"
    shutil.rmtree(nas / "damaged", ignore_errors=True)  # restic does not look there
    for path in (each for each in nas.rglob("*") if each.is_file() and each.parent.name not in ("locks", nas.name)):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


@pytest.mark.daily(0)
def test_making_a_repository_whole_costs_nothing_that_was_good_there(house: House) -> None:
    """The one that is replaced is good in the local store alone, another one in the store that is mended alone."""
    house.backup()
    house.copy()
    before = {store: set(house.packs(store)) for store in ("local", "nas")}
    only = house.uploads / "only.bin"
    only.write_bytes(os.urandom(200_000))
    first = house.backup()
    house.copy()
    of_first = set(house.packs("local")) - before["local"]
    before["nas"] = set(house.packs("nas"))
    only.unlink()
    house.uploads.joinpath("more.bin").write_bytes(os.urandom(200_000))
    second = house.backup()
    house.copy()
    for pack in (*of_first, *(set(house.packs("nas")) - before["nas"])):
        pack.unlink()
    assert house.verify("nas", second.id).outcome == "bad"
    (brought,) = bring(house.workspace, "files", "nas", [second.id])
    assert (brought.done, brought.ok) == ("replaced", True), str(brought.error)
    assert house.verify("nas", first.id).outcome == "verified"


def test_a_damaged_pack_is_put_aside_and_not_deleted(house: House) -> None:
    """Most of it is good, and may be all that is left of what no other store has."""
    house.backup()
    house.copy()
    pack = house.packs("nas")[0]
    flip(pack)
    damaged = pack.read_bytes()
    assert house.verify("nas").outcome == "bad"
    (brought,) = bring(house.workspace, "files", "nas")
    assert (brought.done, brought.ok) == ("replaced", True), str(brought.error)
    assert [path.read_bytes() for path in house.repository("nas").glob("damaged/*/*")] == [damaged]


def test_what_is_forgotten_is_gone_and_the_others_are_intact(house: House) -> None:
    first = house.backup()
    house.copy()
    (house.uploads / "logo.png").unlink()
    second = house.backup()
    house.copy()
    for store in ("local", "nas"):
        size = sum(pack.stat().st_size for pack in house.packs(store))
        house.engine.forget([first.engine], house.workspace.stores[store].repository("files"))
        assert sum(pack.stat().st_size for pack in house.packs(store)) < size - 2_000_000
        assert house.verify(store, second.id).outcome == "verified"
        gone = house.verify(store, first.id)
        assert (gone.outcome, gone.failed[0].name) == ("bad", "snapshot")
        house.engine.forget([first.engine], house.workspace.stores[store].repository("files"))


def test_a_link_that_leads_out_of_the_folders_is_attention_and_never_plain_verified(house: House) -> None:
    """Laravel's `public/storage`: the link is backed up, and nothing of what it points to."""
    outside = house.path / "storage"
    outside.mkdir()
    (outside / "invoice.pdf").write_bytes(b"lost")
    (house.uploads / "storage").symlink_to("../storage")
    (house.uploads / "newest").symlink_to("logo.png")
    (house.uploads / "nowhere").symlink_to("/not/mounted")
    house.backup()
    house.copy()
    verdict = house.verify()
    assert (verdict.outcome, verdict.words) == ("verified", "partly verified, 1 not compared")
    (gap,) = verdict.gaps
    assert gap.what == f"what the link {house.uploads}/storage points to"
    assert f"add {outside} to paths of files" in gap.cure
    health = source_health(house.workspace, "files")
    assert health.state == "WEAK" and f"it leads out of the folders, to {outside}" in health.cause
    (lack,) = house.examiner.lacks()
    assert not lack.needed and str(outside) in lack.what
    house.configure(allow_links_out=True)
    house.backup()
    assert house.verify().words == "verified"
    assert not house.examiner.lacks()
    house.configure(paths=["uploads", "storage"])
    house.backup()
    assert house.verify().words == "verified"
