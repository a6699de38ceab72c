"""A house of one SQLite database: what a restore says when there is nothing to restore, no key, no room for doubt."""

import json
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.config.models import UnknownSource
from ops_pipelines.errors import CorruptCopy, Inconclusive, OpsError, SafetyRefusal, StoreError
from ops_pipelines.recovery import by_hand, leftovers
from ops_pipelines.recovery.choose import choose, choose_store, require_source
from ops_pipelines.recovery.export import NotExported, export
from ops_pipelines.recovery.logbook import last_entry, write_log
from ops_pipelines.recovery.replace import replace_source
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace
from tests.engines.sqlite.conftest import House
from tests.sample import flip_byte

TWO = "create table t (a); insert into t values (1), (2)"


def house_in(path: Path) -> House:
    """A house with one database, and an age key."""
    (path / "age.key").touch(mode=0o600)
    (path / "age.key").write_text(str(pyrage.x25519.Identity.generate()), encoding="utf-8")
    house = House(path)
    house.database("app.db", TWO)
    return house


def newest(workspace: Workspace) -> RestorePoint:
    point = workspace.catalogue("app").newest
    assert point is not None
    return point


def changed(house: House, **top: Any) -> Workspace:
    """The workspace with other keys of `ops.yaml`."""
    document = json.loads((house.path / "ops.yaml").read_text("utf-8"))
    (house.path / "ops.yaml").write_text(json.dumps({**document, **top}), encoding="utf-8")
    return Workspace(load_config(house.path / "ops.yaml", environ={}))


def noted(workspace: Workspace, to: str, backup_id: str) -> AbstractContextManager[None]:
    """The target of a restore, noted as long as it is not finished."""
    return leftovers.noted(workspace.config, workspace.clock, workspace.places, "app", to, backup_id)


def test_what_can_be_restored_is_told_where_what_was_wanted_is_not_there(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    workspace = house.configure()
    with pytest.raises(StoreError, match="app has no verified restore point") as none:
        choose(workspace, "app")
    assert none.value.why == "looked in local, nas" and none.value.next.startswith("ops list app, then name one")
    first = take_backup(workspace, "app")
    with pytest.raises(StoreError, match="app has no verified restore point") as unverified:
        choose(workspace, "app")
    assert f"1 unverified ones exist, the newest is {first.id}" in unverified.value.why
    assert f"ops verify app --backup {first.id}" in unverified.value.next
    assert choose(workspace, "app", unverified=True).id == first.id
    with pytest.raises(StoreError, match="has no restore point nonsense") as unknown:
        choose(workspace, "app", "nonsense")
    assert "the oldest there is was taken" in unknown.value.why
    with pytest.raises(StoreError, match=r"taken at .* UTC or before") as before:
        choose(workspace, "app", at=first.started_at - timedelta(days=1))
    assert "unverified ones exist" not in before.value.why
    with pytest.raises(StoreError, match="no store is called 'moon'"):
        choose(workspace, "app", store="moon")
    assert choose(workspace, "app", first.id, store="nas").id == first.id
    with pytest.raises(StoreError, match=f"{first.id} is not in nas") as elsewhere:
        choose_store(newest(workspace), "nas")
    assert elsewhere.value.why == "it is in local" and choose_store(newest(workspace), "local") == "local"

    others = changed(house, sources={"new": {"kind": "sqlite", "paths": ["data/app.db"], "copies": []}})
    with pytest.raises(UnknownSource, match=r"app is not in ops\.yaml any more, but 1 restore points of it exist"):
        require_source(others.config, others.catalogue, "app")
    with pytest.raises(UnknownSource, match="no source"):
        require_source(others.config, others.catalogue, "never")
    printed = list(by_hand.commands(others.config, others.stores, newest(workspace), "local"))
    assert "# never verified" in printed and any("# KEY: a file with the identity" in each for each in printed) is False


def test_a_backup_that_was_found_bad_is_not_restored_unasked_and_a_damaged_copy_not_fetched(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    workspace = house.configure()
    take_backup(workspace, "app")
    copy_to(workspace, newest(workspace), "nas")
    (dump,) = (tmp_path / "base" / "restore-points").rglob("dump.tar*")
    flip_byte(dump)
    assert verify(workspace, newest(workspace), store="local").outcome == "bad"
    assert choose_store(newest(workspace), None) == "nas"
    with pytest.raises(StoreError, match="app has no verified restore point"):
        choose(workspace, "app", unverified=True)
    assert choose(workspace, "app", newest(workspace).id).id == newest(workspace).id, "by its id it is meant"


def test_the_printed_commands_say_where_the_key_is(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    recipient = str(pyrage.x25519.Identity.from_str((tmp_path / "age.key").read_text("utf-8")).to_public())
    for encrypt, said in (
        (None, ["KEY"]),
        ({"age": [recipient]}, ["# KEY: a file with the identity of", "(in your kit)"]),
        ({"age": [recipient], "identity": {"env": "AGE"}}, ["in the environment variable AGE"]),
        ({"age": [recipient], "identity": {"file": "age.key"}}, [f"age -d -i {tmp_path / 'age.key'}"]),
    ):
        house.configure()
        workspace = changed(house, defaults={"encrypt": encrypt} if encrypt else {})
        point = workspace.catalogue("app").find(take_backup(workspace, "app").id)
        assert point is None or point.manifest.recipients is not None
        printed = "\n".join(by_hand.commands(workspace.config, workspace.stores, newest(workspace), "local"))
        for each in said if encrypt else ():
            assert each in printed, printed
        assert ("age -d" in printed) is bool(encrypt)


def test_everything_that_stands_in_the_way_is_told_at_once(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    workspace = house.configure()
    take_backup(workspace, "app")
    point = newest(workspace)
    another = pyrage.x25519.Identity.generate()
    (tmp_path / "age.key").write_text(str(another), encoding="utf-8")
    keyless = Workspace(load_config(house.path / "ops.yaml", environ={}))
    verdict = verify(keyless, point)
    assert verdict.outcome == "inconclusive" and "none of the given identities opens it" in verdict.reason
    with pytest.raises(OpsError) as alone:
        restore_to(keyless, point, str(tmp_path / "to"))
    assert alone.value.what == "the key of app does not open this backup"
    assert str(point.manifest.recipients[0]) in alone.value.why and alone.value.safe == "nothing was changed"
    (tmp_path / "age.key").unlink()
    with pytest.raises(OpsError, match=r"age\.key"):
        restore_to(Workspace(load_config(house.path / "ops.yaml", environ={})), point, str(tmp_path / "to"))


def test_a_damaged_fingerprint_is_not_taken_for_a_wrong_key(tmp_path: Path) -> None:
    workspace = house_in(tmp_path).configure()
    take_backup(workspace, "app")
    (part,) = (tmp_path / "base" / "restore-points").rglob("contents.json*")
    flip_byte(part)
    (tmp_path / "age.key").write_text(str(pyrage.x25519.Identity.generate()), encoding="utf-8")
    with pytest.raises(CorruptCopy, match="contents") as damaged:
        restore_to(workspace, newest(workspace), str(tmp_path / "to"))
    assert damaged.value.check != "decrypt" and not (tmp_path / "to").exists()


def test_what_is_no_script_is_not_exported(tmp_path: Path) -> None:
    workspace = house_in(tmp_path).configure()
    take_backup(workspace, "app")
    with pytest.raises(NotExported, match="a sqlite backup is no SQL script"):
        export(workspace, newest(workspace), tmp_path / "exports")
    assert not (tmp_path / "exports").exists()


def test_production_is_not_replaced_by_what_differs_nor_without_the_safety_that_was_asked_for(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    workspace = house.configure(checks=[{"name": "three", "sql": "select count(*) from t", "min": 3}])
    take_backup(workspace, "app")
    with pytest.raises(SafetyRefusal, match=r"was not replaced: what .* restored differs from the backup") as differs:
        replace_source(workspace, newest(workspace), take_safety=None)
    assert "check three: " in differs.value.why and "app is untouched" in differs.value.safe

    def fails() -> str:
        raise StoreError("the disk is full", why="no space")

    with pytest.raises(SafetyRefusal, match="no safety restore point") as unsafe:
        replace_source(workspace, newest(workspace), take_safety=fails)
    assert unsafe.value.why == "the disk is full: no space" and "--without-safety" in unsafe.value.next


def test_what_a_failed_restore_left_is_kept_where_nobody_can_tell_what_it_holds(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    workspace = house.configure()
    taken = take_backup(workspace, "app")
    to = str(tmp_path / "half")

    def fail(*, made: bool) -> None:
        with pytest.raises(Inconclusive), noted(workspace, to, taken.id):
            if made:
                Path(to).mkdir()
            raise Inconclusive("killed")

    fail(made=False)
    assert restore_to(workspace, newest(workspace), str(tmp_path / "whole")).good
    (whole,) = leftovers.restored(workspace.config, workspace.places)
    assert whole.to == str(tmp_path / "whole")
    leftovers.remove(workspace, whole)
    assert not (tmp_path / "whole").exists()
    assert leftovers.leftovers(workspace.config, workspace.places) == []
    fail(made=True)
    fail(made=False)  # what was there before stays noted
    (left,) = leftovers.leftovers(workspace.config, workspace.places)
    assert (left.to, left.purpose) == (to, "restore")
    with pytest.raises(SafetyRefusal, match="somebody") as told, noted(workspace, to, taken.id):
        raise SafetyRefusal("somebody works there")
    assert told.value.next.startswith("it is what a restore left that did not finish: ops leftovers")
    for number in range(7):
        house.database(f"../half/new{number}.db", "create table mine (a)")
    with pytest.raises(SafetyRefusal, match="was not removed") as theirs:
        leftovers.remove(workspace, left)
    assert "it holds what" in theirs.value.why and "more; somebody works with it" in theirs.value.why
    gone = left.model_copy(update={"backup_id": "20200101T000000Z-0000"})
    with pytest.raises(SafetyRefusal, match="was not removed") as unknown:
        leftovers.remove(workspace, gone)
    assert "is gone, or says nothing of its contents" in unknown.value.why
    (workspace.config.base / "targets" / "broken.json").write_text("{", encoding="utf-8")
    others = changed(house, sources={"new": {"kind": "sqlite", "paths": ["data/app.db"], "copies": []}})
    (lost,) = leftovers.leftovers(others.config, others.places)
    assert "app" in lost.problem
    assert [leftovers.lasting(others.config, each, "half") for each in ("app", "new")] == ["half"] * 2


def test_a_proof_leaves_a_page_that_can_be_read_again(tmp_path: Path) -> None:
    workspace = house_in(tmp_path).configure()
    take_backup(workspace, "app")
    verdict = verify(workspace, newest(workspace)).model_copy(update={"warnings": ["look here"]})
    pages = tmp_path / "pages"
    first, second = (write_log(pages, verdict, {"table t": ("a\nb", "a\nc")}) for _ in range(2))
    assert first != second and "warning look here" in first.read_text("utf-8")
    assert "Definitions that differ" in second.read_text("utf-8") and "+c" in second.read_text("utf-8")
    (pages / "app" / "verify-0.json").write_text("{", encoding="utf-8")
    kept = last_entry(pages, "app", verdict.backup_id)
    assert kept is not None and kept.differences and last_entry(pages, "app", "another") is None
    later = verdict.model_copy(update={"started_at": verdict.started_at + timedelta(hours=1)})
    write_log(pages, later, {})
    newest_entry = last_entry(pages, "app")
    assert newest_entry is not None and newest_entry.started_at == later.started_at
