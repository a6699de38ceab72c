"""What a prune deletes, refuses and leaves alone: real stores and a real ledger, restore points made by hand."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.retention import SourcePruned, StorePruned
from ops_pipelines.config.load import load_config
from ops_pipelines.config.models import UnknownSource
from ops_pipelines.errors import StoreError
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.unit.histories import made, publish

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=timezone.utc)
KEEP = {"last": 2, "daily": 0, "weekly": 0, "monthly": 0, "min_verified": 1}


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return opened(tmp_path)


def opened(path: Path, *, crm: Any = None, **stores: Any) -> Workspace:
    """A database with its folders, and another database, kept the last two, in three stores."""
    document = {
        "base": "base",
        "defaults": {"keep": KEEP, "limits": {"lock": "0s"}},
        "stores": {name: {"kind": "directory", "path": name, **stores.get(name, {})} for name in ("nas", "usb")},
        "sources": {
            "crm": {"kind": "postgres", "url": "dbname=crm", **(crm or {})},
            "crm_uploads": {"kind": "files", "paths": ["uploads"], "with": "crm"},
            "hotel": {"kind": "postgres", "url": "dbname=hotel"},
        },
    }
    (path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    return Workspace(load_config(path / "ops.yaml", environ={}), StoppedClock(NOW))


def fill(workspace: Workspace, points: Sequence[RestorePoint]) -> None:
    for point in points:
        stores = [workspace.stores[name] for name in point.stores]
        publish(point, *[store for store in stores if isinstance(store, DirectoryStore)])


def later(workspace: Workspace) -> None:
    assert isinstance(workspace.clock, StoppedClock)
    workspace.clock.at += timedelta(minutes=1)


def five(*stores: str, source: str = "crm") -> list[RestorePoint]:
    """One a day, all verified, oldest first."""
    return [made(ago(day), "verified", source=source, stores=stores or ("local",)) for day in (5, 4, 3, 2, 1)]


def held(workspace: Workspace, store: str, source: str = "crm") -> list[str]:
    return workspace.stores[store].ids(source)


def only(pruned: Sequence[SourcePruned], store: str = "local") -> StorePruned:
    (source,) = pruned
    assert not source.refused
    (found,) = (each for each in source.stores if each.store == store)
    return found


def test_a_dry_run_says_what_would_go_and_touches_nothing(workspace: Workspace) -> None:
    points = five("local", "nas")
    fill(workspace, points)
    pruned = prune(workspace, ["crm"], apply=False)
    for store in ("local", "nas"):
        assert [each.point.id for each in only(pruned, store).doomed] == [point.id for point in points[:3]]
        assert only(pruned, store).deleted == ()
        assert held(workspace, store) == [point.id for point in points]
    assert workspace.ledger.recent() == []


def test_applied_it_deletes_from_every_store_and_records_each_deletion_before(workspace: Workspace) -> None:
    points = five("local", "nas")
    fill(workspace, points)
    pruned = prune(workspace, ["crm"], apply=True)
    for name in ("local", "nas"):
        store = workspace.stores[name]
        assert isinstance(store, DirectoryStore)
        assert only(pruned, name).deleted == [point.id for point in points[:3]]
        assert held(workspace, name) == [point.id for point in points[3:]]
        left = {path.name for path in (store.root / ".verdicts" / "crm").iterdir()}
        assert left == {point.id for point in points[3:]}, "verdicts go with their restore point"
    rows = workspace.ledger.recent(source="crm", kind="prune")
    assert {(row.backup_id, row.store) for row in rows} == {
        (point.id, store) for point in points[:3] for store in ("local", "nas")
    }
    assert all(row.status == "succeeded" and row.meta["because"] == "no rule of keep needs it" for row in rows)
    assert only(prune(workspace, ["crm"], apply=True)).deleted == [], "a second time there is nothing to do"


def test_without_keep_nothing_is_ever_deleted_not_even_by_the_policy_of_a_store(tmp_path: Path) -> None:
    workspace = opened(tmp_path, crm={"keep": None}, nas={"keep": KEEP})
    fill(workspace, five("local", "nas"))
    (source,) = prune(workspace, ["crm"], apply=True)
    assert source == SourcePruned("crm", None)
    assert len(held(workspace, "nas")) == 5


def test_a_store_may_keep_more_than_the_sources_say(tmp_path: Path) -> None:
    workspace = opened(tmp_path, nas={"keep": {**KEEP, "last": 4}})
    fill(workspace, five("local", "nas", "usb"))
    prune(workspace, ["crm"], apply=True)
    assert [len(held(workspace, store)) for store in ("local", "nas", "usb")] == [2, 4, 2]


def test_only_the_named_store_is_pruned(workspace: Workspace) -> None:
    fill(workspace, five("local", "nas"))
    prune(workspace, ["crm"], store="nas", apply=True)
    assert [len(held(workspace, store)) for store in ("local", "nas")] == [5, 2]


def test_unknown_names_are_refused_before_anything_is_deleted(workspace: Workspace) -> None:
    fill(workspace, five())
    with pytest.raises(UnknownSource):
        prune(workspace, ["crm", "cmr"], apply=True)
    with pytest.raises(StoreError, match="no store is called 'nass'"):
        prune(workspace, ["crm"], store="nass", apply=True)
    assert len(held(workspace, "local")) == 5


@pytest.mark.parametrize("kind", ["dump", "verify"])
def test_nothing_goes_after_a_failed_run_and_the_refusal_is_recorded(workspace: Workspace, kind: str) -> None:
    fill(workspace, five())
    with workspace.ledger.activity(kind, source="crm") as entry:
        entry.fail("the server hung up")
    (failed,) = workspace.ledger.recent()
    for apply in (False, True):
        (source,) = prune(workspace, ["crm"], apply=apply)
        assert source.refused.startswith(f"the last {kind} failed")
        assert failed.id in source.refused and "the server hung up" in source.refused
    assert len(held(workspace, "local")) == 5
    (row,) = workspace.ledger.recent(kind="prune")
    assert row.status == "failed" and row.error == f"refused: {source.refused}"

    later(workspace)
    with workspace.ledger.activity(kind, source="crm"):
        pass
    prune(workspace, ["crm"], apply=True)
    assert len(held(workspace, "local")) == 2


def test_a_failed_run_of_another_source_holds_nothing_up(workspace: Workspace) -> None:
    fill(workspace, [*five(), *five(source="hotel")])
    with workspace.ledger.activity("dump", source="hotel") as entry:
        entry.fail("no")
    found = {each.source: each for each in prune(workspace, ["crm", "hotel"], apply=True)}
    assert not found["crm"].refused and found["hotel"].refused
    assert [len(held(workspace, "local", source)) for source in ("crm", "hotel")] == [2, 5]


@pytest.mark.parametrize("outcomes", [(), ("inconclusive",), ("bad",)])
def test_nothing_goes_before_the_newest_is_verified(workspace: Workspace, outcomes: Sequence[Any]) -> None:
    fill(workspace, [*five(), made(ago(0.1), *outcomes)])
    (source,) = prune(workspace, ["crm"], apply=True)
    assert "is not verified" in source.refused
    assert len(held(workspace, "local")) == 6


def test_a_store_that_cannot_be_read_whole_is_left_alone_and_the_others_are_pruned(workspace: Workspace) -> None:
    points = five("local", "nas")
    fill(workspace, points)
    nas = workspace.stores["nas"]
    assert isinstance(nas, DirectoryStore)
    (nas.directory("crm", points[4].id) / "manifest.json").write_text("{}", encoding="utf-8")
    pruned = prune(workspace, ["crm"], apply=True)
    assert "cannot be read whole" in only(pruned, "nas").problems[0]
    assert [len(held(workspace, store)) for store in ("local", "nas")] == [2, 5]


def test_a_store_that_fails_does_not_stop_the_others(workspace: Workspace) -> None:
    fill(workspace, five("local", "nas", "usb"))
    nas = workspace.stores["nas"]
    assert isinstance(nas, DirectoryStore)
    # Nothing can be moved out of sight there, not even by root.
    staging = nas.root / ".staging"
    for path in staging.iterdir():
        path.unlink()
    staging.rmdir()
    staging.write_text("", encoding="utf-8")
    pruned = prune(workspace, ["crm"], apply=True)
    assert "store nas" in only(pruned, "nas").problems[0]
    assert [len(held(workspace, store)) for store in ("local", "nas", "usb")] == [2, 5, 2]
    (row,) = (row for row in workspace.ledger.recent(kind="prune") if row.store == "nas")
    assert row.status == "failed", "it gave up after the first"


def test_a_store_to_which_the_last_copy_failed_is_left_alone(workspace: Workspace) -> None:
    fill(workspace, five("local", "nas"))
    with workspace.ledger.activity("copy", source="crm", store="nas") as entry:
        entry.fail("disk full")
    pruned = prune(workspace, ["crm"], apply=True)
    assert "the last copy to it failed" in only(pruned, "nas").problems[0]
    assert [len(held(workspace, store)) for store in ("local", "nas")] == [2, 5]


def test_what_somebody_is_restoring_stays(workspace: Workspace) -> None:
    points = five("local", "nas")
    fill(workspace, points)
    with workspace.ledger.activity("restore", source="crm", backup_id=points[0].id, store="nas"):
        pruned = prune(workspace, ["crm"], apply=True)
    assert only(pruned).decisions[-1].reasons[0].startswith("in use: restore since")
    assert held(workspace, "local")[0] == points[0].id
    prune(workspace, ["crm"], apply=True)
    assert points[0].id not in held(workspace, "local")


def test_a_busy_source_is_refused_with_its_holder_and_the_next_one_is_pruned(workspace: Workspace) -> None:
    fill(workspace, [*five(), *five(source="hotel")])
    with workspace.locks.held("crm", doing="dump"):
        found = prune(workspace, ["crm", "hotel"], apply=True)
    assert "dump, process" in found[0].refused
    assert [len(held(workspace, "local", source)) for source in ("crm", "hotel")] == [5, 2]
    assert workspace.ledger.recent(source="crm", kind="prune")[0].status == "failed"


def test_what_a_killed_prune_left_half_gone_is_removed_by_the_next(workspace: Workspace) -> None:
    points = five()
    fill(workspace, points)
    half = workspace.local.root / ".staging" / f"deleted-{points[0].id}"
    with workspace.ledger.activity("prune", source="crm", backup_id=points[0].id, store="local") as entry:
        workspace.local.directory("crm", points[0].id).rename(half)
        entry.fail("the process that worked on it died")
    verdicts = workspace.local.root / ".verdicts" / "crm" / points[0].id
    assert verdicts.is_dir()
    later(workspace)
    assert only(prune(workspace, ["crm"], apply=True)).deleted == [point.id for point in points[1:3]]
    assert not verdicts.exists()
    assert not half.exists()


def uploads(day: float, tied_to: RestorePoint, *stores: str) -> RestorePoint:
    return made(ago(day), "verified", source="crm_uploads", stores=stores, tied_to=tied_to.id)


def test_a_database_stays_as_long_as_the_folders_that_were_saved_with_it(workspace: Workspace) -> None:
    points = five("local", "nas")
    # The folders' newest two are of days 5 and 2.
    folders = [uploads(5, points[0], "local", "nas"), uploads(2, points[3], "local", "nas")]
    fill(workspace, [*points, *folders])
    pruned = prune(workspace, ["crm"], apply=True)
    assert only(pruned).decisions[-1].reasons == (f"crm_uploads {folders[0].id} is tied to it",)
    assert held(workspace, "local") == held(workspace, "nas") == [points[0].id, points[3].id, points[4].id]
    for store in ("local", "nas"):
        workspace.stores[store].delete("crm_uploads", folders[0].id)
    prune(workspace, ["crm"], apply=True)
    assert held(workspace, "nas") == [points[3].id, points[4].id]


def test_while_folders_are_not_signed_their_database_is_left_alone_in_that_store(workspace: Workspace) -> None:
    points = five("local", "nas")
    folders = uploads(5, points[0], "local", "nas")
    fill(workspace, [*points, folders])
    nas = workspace.stores["nas"]
    assert isinstance(nas, DirectoryStore)
    (nas.directory("crm_uploads", folders.id) / "manifest.json.minisig").unlink()
    [pruned] = prune(workspace, ["crm"], apply=True)
    assert any("not signed" in line or "no signature" in line for line in pruned.problems)
    assert len(held(workspace, "nas")) == 5 and points[0].id in held(workspace, "local")


def test_a_database_is_held_in_the_store_that_has_its_folders_too(workspace: Workspace) -> None:
    points = five("local", "nas")
    fill(workspace, [*points, uploads(5, points[0], "nas")])
    prune(workspace, ["crm"], apply=True)
    assert points[0].id in held(workspace, "nas")
    assert points[0].id not in held(workspace, "local")


def test_a_database_is_held_wherever_it_is_when_no_store_has_both(workspace: Workspace) -> None:
    points = five("local", "nas")
    fill(workspace, [*points, uploads(5, points[0], "usb")])
    prune(workspace, ["crm"], apply=True)
    assert points[0].id in held(workspace, "nas")
    assert points[0].id in held(workspace, "local")


def test_a_dry_run_counts_on_the_folders_that_would_go(workspace: Workspace) -> None:
    points = five()
    fill(
        workspace,
        [*points, *(uploads(day, point, "local") for day, point in zip((5, 4, 3, 2, 1), points, strict=True))],
    )
    crm, folders = prune(workspace, ["crm", "crm_uploads"], apply=False)
    assert [each.point.id for each in only([crm]).doomed] == [point.id for point in points[:3]]
    assert len(only([folders]).doomed) == 3
    alone = prune(workspace, ["crm"], apply=False)
    assert only(alone).doomed == []
