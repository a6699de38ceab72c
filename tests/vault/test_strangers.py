"""Whoever can write to a store puts things into it: each is told apart, and nothing uses it."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.sign import candidates, forget_missing, sign
from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import CorruptCopy, StoreError
from ops_pipelines.recovery.choose import choose
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import read_catalogue
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.trust import Untrusted
from ops_pipelines.workspace import Workspace
from tests.conftest import Made, MakeWorkspace, TestServer
from tests.unit.vaults import AT, rewrite, seal, verdict
from tests.vault.house import FIRST, SECOND, both, house_in, ids, nas_of, standings


def test_a_restore_point_without_a_signature_is_unsigned_and_nothing_uses_it(house: Workspace) -> None:
    planted = both(house)
    (planted / "manifest.json.minisig").unlink()
    catalogue = house.catalogue("crm")
    assert ids(catalogue) == [(FIRST, ("local",))]
    assert standings(catalogue) == [("unsigned", FIRST, "nas")]
    assert "not signed" in catalogue.messages[0]
    with pytest.raises(Untrusted):
        house.stores["nas"].manifest("crm", FIRST)


def test_a_planted_manifest_is_never_parsed(house: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = both(house)
    (planted / "manifest.json.minisig").unlink()

    def parsed(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("it was parsed")

    monkeypatch.setattr(Manifest, "model_validate_json", parsed)
    with pytest.raises(Untrusted):
        nas_of(house).manifest("crm", FIRST)


def test_a_manifest_that_was_changed_with_its_sums_is_forged_and_its_store_is_left_alone(house: Workspace) -> None:
    planted = both(house)
    signature = (planted / "manifest.json.minisig").read_bytes()
    manifest = nas_of(house).manifest("crm", FIRST)
    rewrite(planted, manifest.model_copy(update={"host": "elsewhere"}), house.trust)
    (planted / "manifest.json.minisig").write_bytes(signature)
    catalogue = house.catalogue("crm")
    assert standings(catalogue) == [("forged", FIRST, "nas")]
    assert catalogue.troubled == {"nas"}
    assert "FORGED" in catalogue.messages[0]


def test_an_old_restore_point_under_a_new_id_is_replayed(house: Workspace) -> None:
    planted = both(house)
    shutil.copytree(planted, planted.with_name(SECOND))
    catalogue = house.catalogue("crm")
    assert ids(catalogue) == [(FIRST, ("local", "nas"))]
    assert standings(catalogue) == [("replayed", SECOND, "nas")]


def test_what_another_source_was_signed_for_is_replayed(house: Workspace) -> None:
    planted = both(house)
    shutil.copytree(planted, nas_of(house).directory("shop", FIRST))
    assert standings(read_catalogue(house.stores, "shop")) == [("replayed", FIRST, "nas")]


def test_one_that_says_a_later_time_than_its_id_is_re_dated(house: Workspace) -> None:
    planted = both(house)
    manifest = nas_of(house).manifest("crm", FIRST)
    rewrite(planted, manifest.model_copy(update={"started_at": AT + timedelta(days=9)}), house.trust)
    assert standings(house.catalogue("crm")) == [("re-dated", FIRST, "nas")]


def test_what_the_ledger_saw_published_with_other_bytes_is_replayed(house: Workspace) -> None:
    """Even who has the key cannot change what was published."""
    planted = both(house)
    manifest = nas_of(house).manifest("crm", FIRST)
    rewrite(planted, manifest.model_copy(update={"host": "elsewhere"}), house.trust)
    catalogue = house.catalogue("crm")
    assert ids(catalogue) == [(FIRST, ("local",))]
    assert standings(catalogue) == [("replayed", FIRST, "nas")]


def test_a_number_that_was_given_twice_is_replayed(house: Workspace) -> None:
    both(house)
    with house.local.stage(SECOND) as staging:
        twin = seal(staging, SECOND, trust=house.trust)
        rewrite(staging, twin.model_copy(update={"number": house.catalogue("crm").points[0].manifest.number}))
        rewrite(
            staging, twin.model_copy(update={"number": house.catalogue("crm").points[0].manifest.number}), house.trust
        )
        house.local.publish(staging, twin)
    catalogue = house.catalogue("crm")
    assert ids(catalogue) == [(FIRST, ("local", "nas"))]  # the one that the ledger knows
    assert standings(catalogue) == [("replayed", SECOND, "local")]


def test_what_is_in_no_store_and_was_not_pruned_is_missing_until_somebody_accepts_it(house: Workspace) -> None:
    planted = both(house)
    shutil.rmtree(planted)
    assert standings(house.catalogue("crm")) == []
    shutil.rmtree(house.local.directory("crm", FIRST))
    assert standings(house.catalogue("crm")) == [("missing", FIRST, "")]
    forget_missing(house.ledger, "crm", [FIRST])
    assert standings(house.catalogue("crm")) == []


def test_while_a_store_is_away_nothing_is_missing(house: Workspace) -> None:
    planted = both(house)
    shutil.rmtree(house.local.directory("crm", FIRST))
    shutil.move(nas_of(house).root, planted.parents[2] / "away")
    catalogue = house.catalogue("crm")
    assert catalogue.problems and standings(catalogue) == []


def test_what_prune_removed_is_not_missing(house: Workspace) -> None:
    both(house, FIRST)
    both(house, SECOND)
    for backup_id in (FIRST, SECOND):
        for store in house.stores.values():
            store.keep_verdict(verdict(backup_id, "verified", store="local"))
            store.keep_verdict(verdict(backup_id, "verified", store="nas", at=AT + timedelta(hours=1)))
    point = house.catalogue("crm").find(FIRST)
    assert point is not None
    for name in house.stores:
        with house.ledger.activity("prune", source="crm", backup_id=FIRST, store=name):
            house.stores[name].delete("crm", FIRST)
            assert standings(house.catalogue("crm")) == []  # nor while it is removed
    assert standings(house.catalogue("crm")) == []


def test_a_planted_verdict_is_not_believed_and_deletes_nothing(house: Workspace) -> None:
    """A file on the NAS that says that the good local copy is bad, or that a bad one is good."""
    both(house)
    house.local.keep_verdict(verdict(FIRST, "verified").model_copy(update={"number": 1}))
    planted = nas_of(house).root / ".verdicts" / "crm" / FIRST
    planted.mkdir(parents=True)
    lie = verdict(FIRST, "bad", at=AT + timedelta(days=1)).model_copy(update={"blames": "backup", "number": 99})
    (planted / lie.file_name).write_bytes(lie.to_bytes())
    catalogue = house.catalogue("crm")
    point = catalogue.recovery_point
    assert point is not None and point.verified and point.damaged == []
    assert [(each.standing, each.name) for each in catalogue.strangers] == [("unsigned", lie.file_name)]
    assert lie.file_name in catalogue.messages[0]
    [pruned] = prune(house, ["crm"], apply=True)
    assert [each.deleted for each in pruned.stores] == [[], []]


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b'{"outcome": "verified"}', b"\xff\xfe"])
def test_a_verdict_of_ours_that_cannot_be_read_proves_nothing(house: Workspace, content: bytes) -> None:
    """With our signature: only a release of ours, or its disk before it signed, could have written that."""
    both(house)
    good = verdict(FIRST, "verified", store="nas").model_copy(update={"number": 1})
    for store in (house.local, nas_of(house)):
        proofs = store.root / ".verdicts" / "crm" / FIRST
        proofs.mkdir(parents=True)
        (proofs / good.file_name).write_bytes(content)
        (proofs / f"{good.file_name}.minisig").write_bytes(house.trust.sign_verdict(content, good))
    catalogue = house.catalogue("crm")
    assert catalogue.recovery_point is None
    (point,) = catalogue.points
    assert point.verdict is None and not point.verified
    assert [(each.store, each.name) for each in catalogue.damaged_verdicts] == [
        ("local", good.file_name), ("nas", good.file_name),
    ]  # fmt: skip
    assert "the verdict cannot be read" in " ".join(catalogue.messages)
    later = good.model_copy(update={"number": 2, "started_at": AT + timedelta(hours=1)})
    house.local.keep_verdict(later)
    assert house.catalogue("crm").recovery_point is not None, "and hides none that can be read"


def test_a_planted_newer_restore_point_pushes_none_of_ours_out(house: Workspace) -> None:
    """With `last: 1` a verified one from tomorrow would be the only one to stay."""
    both(house)
    house.local.keep_verdict(verdict(FIRST, "verified").model_copy(update={"number": 1}))
    nas = nas_of(house)
    planted = nas.directory("crm", "20261122T020000Z-ffff")
    rewrite_as_a_stranger(house, planted)
    lie = verdict(planted.name, "verified", store="nas", at=AT + timedelta(days=1))
    proofs = nas.root / ".verdicts" / "crm" / planted.name
    proofs.mkdir(parents=True)
    (proofs / lie.file_name).write_bytes(lie.to_bytes())
    catalogue = house.catalogue("crm")
    assert catalogue.recovery_point is not None and catalogue.recovery_point.id == FIRST
    [pruned] = prune(house, ["crm"], apply=True)
    assert [each.deleted for each in pruned.stores] == [[], []]
    assert planted.is_dir()  # what is not ours is not ours to remove


def rewrite_as_a_stranger(house: Workspace, planted: Path) -> None:
    """A whole restore point that is consistent in itself, signed by somebody else."""
    manifest = house.local.manifest("crm", FIRST)
    shutil.copytree(house.local.directory("crm", FIRST), planted)
    times = {"id": planted.name, "started_at": AT + timedelta(days=1), "snapshot_at": AT + timedelta(days=1)}
    rewrite(planted, manifest.model_copy(update=times))


def test_a_verdict_moved_to_another_restore_point_is_not_believed(house: Workspace) -> None:
    both(house, FIRST)
    both(house, SECOND)
    nas_of(house).keep_verdict(verdict(FIRST, "verified", store="nas"))
    verdicts = nas_of(house).root / ".verdicts" / "crm"
    shutil.copytree(verdicts / FIRST, verdicts / SECOND)
    catalogue = house.catalogue("crm")
    assert [point.id for point in catalogue.points if point.verified] == [FIRST]
    assert [each.standing for each in catalogue.strangers] == ["replayed"]


def test_the_later_verdict_counts_whatever_the_clock_said(house: Workspace) -> None:
    both(house)
    house.local.keep_verdict(verdict(FIRST, "verified", at=AT + timedelta(hours=3)).model_copy(update={"number": 1}))
    house.local.keep_verdict(verdict(FIRST, "bad", at=AT).model_copy(update={"number": 2, "blames": "backup"}))
    catalogue = house.catalogue("crm")
    assert catalogue.recovery_point is None
    told = catalogue.points[0].verdict
    assert told is not None and told.outcome == "bad"


def test_two_installations_share_a_store_and_leave_each_other_alone(
    house: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = house_in(tmp_path / "other", tmp_path / "nas", monkeypatch)
    both(house, FIRST)
    both(other, SECOND)
    catalogue = house.catalogue("crm")
    assert ids(catalogue) == [(FIRST, ("local", "nas"))]
    assert standings(catalogue) == [("foreign", SECOND, "nas")]
    assert catalogue.messages == ()  # somebody's own backups are no trouble
    assert ids(other.catalogue("crm")) == [(SECOND, ("local", "nas"))]
    with pytest.raises(StoreError):
        choose(house, "crm", SECOND)
    [theirs] = candidates(house, "crm")
    assert theirs.foreign and theirs.claimed and not theirs.known and not theirs.refused
    sign(house, "crm", [theirs])
    assert ids(house.catalogue("crm")) == [(FIRST, ("local", "nas")), (SECOND, ("nas",))]
    assert ids(other.catalogue("crm")) == [(SECOND, ("local",))]


@pytest.fixture
def crm(pg18: TestServer, make_workspace: MakeWorkspace) -> Made:
    """A real database."""
    name = pg18.new_database()
    pg18.sql("create table t (i int)", "insert into t values (1)", database=name)
    return make_workspace(pg18.url(name))


def test_a_real_backup_is_signed_numbered_and_proved_and_without_its_signature_refused(crm: Made) -> None:
    house = crm.workspace
    first = take_backup(house, "crm")
    second = take_backup(house, "crm")
    assert (first.number, second.number) == (1, 2)
    assert (first.previous, second.previous) == (None, first.sha256())
    assert first.installation == house.trust.installation_id
    assert {"database", "oid", "system_identifier"} == first.identity.keys() and second.identity == first.identity
    found = verify(house, choose(house, "crm", unverified=True))
    assert found.outcome == "verified" and found.number == 1
    again = verify(house, choose(house, "crm"))
    assert again.number == 2
    (house.local.directory("crm", second.id) / "manifest.json.minisig").unlink()
    with pytest.raises(StoreError, match="no restore point"):
        choose(house, "crm", second.id)
    (house.local.directory("crm", first.id) / "manifest.json").write_text(json.dumps({}))
    with pytest.raises(CorruptCopy):
        house.local.manifest("crm", first.id)


def test_a_lost_ledger_gives_no_number_twice(crm: Made) -> None:
    first = take_backup(crm.workspace, "crm")
    verify(crm.workspace, choose(crm.workspace, "crm", unverified=True))
    for path in crm.workspace.config.base.glob("ledger.sqlite*"):
        path.unlink()
    house = Workspace(crm.workspace.config)
    second = take_backup(house, "crm")
    assert (first.number, second.number, second.previous) == (1, 2, first.sha256())
    assert verify(house, choose(house, "crm", second.id)).number == 2
