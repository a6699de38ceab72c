"""The keys that an installation signs with: made, kept private, rotated, lost, and brought to a new machine."""

import shutil
from pathlib import Path

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.sign import candidates, sign
from ops_pipelines.errors import SafetyRefusal, StoreError
from ops_pipelines.vault.signing.keys import SIGNING, TRUSTED, Keys
from ops_pipelines.vault.trust import Trust, Untrusted
from ops_pipelines.workspace import Workspace
from tests.unit.vaults import AT, publish, rewrite, verdict
from tests.vault.house import FIRST, SECOND, both, house_in, ids, nas_of, standings


def test_restore_points_from_before_signatures_are_signed_once_against_the_ledger(house: Workspace) -> None:
    both(house)
    started = house.clock.now()
    with house.ledger.activity("verify", source="crm", backup_id=FIRST, store="nas") as entry:
        entry.meta = {"outcome": "verified"}
        proof = verdict(FIRST, "verified", store="nas", at=max(started, house.clock.now()))
        nas_of(house).keep_verdict(proof)
    invented = verdict(FIRST, "verified", store="nas", at=AT)
    nas_of(house).keep_verdict(invented)
    for store in (house.local, nas_of(house)):
        for path in store.root.rglob("*.minisig"):
            path.unlink()
    assert house.catalogue("crm").points == ()
    assert "ops sign crm" in house.catalogue("crm").messages[0]
    [found] = candidates(house, "crm")
    assert found.known and found.stores == ["local", "nas"]
    [done] = sign(house, "crm", [found])
    assert done.verdicts == 1 and not done.problems
    catalogue = house.catalogue("crm")
    assert ids(catalogue) == [(FIRST, ("local", "nas"))]
    assert catalogue.points[0].verified
    assert [each.name for each in catalogue.strangers] == [invented.file_name]
    assert candidates(house, "crm") == []


def test_what_the_ledger_saw_published_otherwise_is_never_signed(house: Workspace) -> None:
    planted = both(house)
    manifest = nas_of(house).manifest("crm", FIRST)
    rewrite(planted, manifest.model_copy(update={"host": "elsewhere"}), house.trust)
    (planted / "manifest.json.minisig").unlink()
    [found] = candidates(house, "crm")
    assert "other bytes" in found.refused
    with pytest.raises(SafetyRefusal):
        sign(house, "crm", [found])


def test_after_a_rotation_old_and_new_restore_points_are_ours(house: Workspace) -> None:
    both(house, FIRST)
    before = house.trust.keys.trusted.keys()
    house.signing.rotate(house.clock.now())
    both(house, SECOND)
    assert len(house.signing.trusted) == len(before) + 1
    assert [point.id for point in house.catalogue("crm").points] == [FIRST, SECOND]
    # Another process, which has read the keys before, sees the new one.
    assert standings(house.catalogue("crm")) == []


def test_a_lost_key_costs_an_afternoon_and_no_backup(house: Workspace) -> None:
    both(house)
    shutil.rmtree(house.signing.directory)
    assert standings(house.catalogue("crm")) == [("foreign", FIRST, "local"), ("foreign", FIRST, "nas")]
    house.signing.renew(house.clock.now())
    [found] = candidates(house, "crm")
    assert found.known and not found.foreign
    sign(house, "crm", [found])
    assert ids(house.catalogue("crm")) == [(FIRST, ("local", "nas"))]


def test_a_missing_signing_key_is_not_replaced_in_silence(house: Workspace) -> None:
    both(house)
    (house.signing.directory / SIGNING).unlink()
    with pytest.raises(Exception, match="is gone") as caught:
        publish(house.local, SECOND)
    assert "ops key new" in str(caught.value)
    assert ids(house.catalogue("crm")) == [(FIRST, ("local", "nas"))]


def test_the_keys_of_a_kit_make_a_new_machine_the_old_one(
    house: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(house)
    kit = tmp_path / "opened"
    kit.mkdir()
    for name, content in house.signing.files().items():
        (kit / name).write_bytes(content)
    other = house_in(tmp_path / "other", tmp_path / "nas", monkeypatch)
    assert ids(other.catalogue("crm")) == []
    both(other, SECOND)  # what it made before stays its own
    before = other.trust.installation_id
    taken = other.signing.take_over(kit, other.clock.now())
    assert taken.id == house.trust.installation_id and before in taken.ids
    assert ids(other.catalogue("crm")) == [(FIRST, ("nas",)), (SECOND, ("local", "nas"))]
    assert other.trust.installation_id == house.trust.installation_id


def test_a_copy_without_its_signature_gets_it_back_and_one_with_other_bytes_is_not_overwritten(
    house: Workspace,
) -> None:
    planted = both(house)
    (planted / "manifest.json.minisig").unlink()
    [point] = house.catalogue("crm").points
    copy_to(house, point, "nas")
    assert ids(house.catalogue("crm")) == [(FIRST, ("local", "nas"))]
    (planted / "manifest.json").write_bytes(b"{}")
    [point] = house.catalogue("crm").points
    with pytest.raises(StoreError, match="another restore point"):
        copy_to(house, point, "nas")


def test_every_byte_of_a_signature_counts(house: Workspace) -> None:
    both(house)
    path = house.local.directory("crm", FIRST) / "manifest.json.minisig"
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Untrusted):
            house.local.manifest("crm", FIRST)
    for length in (0, 1, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(Untrusted):
            house.local.manifest("crm", FIRST)
    path.write_bytes(whole)
    house.local.manifest("crm", FIRST)


def test_a_signature_of_a_drill_report_is_none_of_a_restore_point(house: Workspace) -> None:
    both(house)
    directory = house.local.directory("crm", FIRST)
    _, signer = house.signing.signer(house.clock.now())
    content = (directory / "manifest.json").read_bytes()
    (directory / "manifest.json.minisig").write_text(signer.sign(content, comment="drill 1 passed"))
    assert standings(house.catalogue("crm"))[0] == ("replayed", FIRST, "local")


def test_the_keys_are_private_and_who_only_reads_makes_none(house: Workspace) -> None:
    house.catalogue("crm")
    assert not house.signing.directory.exists()
    publish(house.local, FIRST)
    modes = {path.name: path.stat().st_mode & 0o777 for path in house.signing.directory.iterdir()}
    assert modes == {"installation.json": 0o600, SIGNING: 0o600, TRUSTED: 0o600, f".{TRUSTED}.lock": 0o600}
    assert Trust(Keys(house.signing.directory)).installation_id == house.trust.installation_id
