"""`ops prune` as a user types it."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.trust import Trust
from tests.end_to_end.conftest import Shell
from tests.sample import write_config
from tests.unit.histories import made, publish

NOW = datetime.now(timezone.utc)
KEEP = {"last": 2, "daily": 0, "weekly": 0, "monthly": 0, "min_verified": 1}


@pytest.fixture
def pruned_shell(shell: Shell, crm: Server) -> Shell:
    """Five verified restore points in two stores; two are to stay."""
    write_config(shell.folder, crm, source=f"    keep: {json.dumps(KEEP)}")
    trust = Trust(Keys(shell.folder / "base" / "keys"))
    stores = [DirectoryStore(name, shell.folder / path, trust) for name, path in STORES.items()]
    for hours in range(5):
        point = made(NOW - timedelta(hours=hours + 1), "verified", stores=("local", "nas"))
        publish(point, *stores)
    return shell


STORES = {"local": "base/restore-points", "nas": "nas"}


def held(shell: Shell) -> list[int]:
    return [len(list((shell.folder / path / "crm").iterdir())) for path in STORES.values()]


def test_a_dry_run_shows_every_decision_and_how_to_carry_them_out(pruned_shell: Shell) -> None:
    printed = pruned_shell.ops("prune")
    assert printed.count(" delete    no rule of keep") == 6 and printed.count(" keep      ") == 4
    assert "newest verified" in printed and "no rule of keep needs it" in printed
    assert "dry run: nothing was deleted; 6 copies" in printed
    assert "type: ops prune --apply" in printed
    assert held(pruned_shell) == [5, 5]


def test_applied_it_deletes_and_a_second_time_finds_nothing(pruned_shell: Shell) -> None:
    assert "3 copies deleted" in pruned_shell.ops("prune", "crm", "--store", "nas", "--apply")
    assert held(pruned_shell) == [5, 2]
    document = pruned_shell.json("prune", "--apply")
    (source,) = document["sources"]
    local, nas = source["stores"]
    assert (document["ok"], document["applied"], len(local["deleted"]), nas["deleted"]) == (True, True, 3, [])
    assert [point["decision"] for point in local["restore_points"]] == ["keep"] * 2 + ["deleted"] * 3
    assert held(pruned_shell) == [2, 2]


def test_after_a_failed_backup_it_refuses_with_status_3_and_names_the_run(pruned_shell: Shell, crm: Server) -> None:
    (pruned_shell.folder / "crm.url").write_text(crm.at(password="wrong").url(), encoding="utf-8")
    pruned_shell.ops("backup", expect=2)
    assert "the last dump failed" in pruned_shell.ops("prune", expect=1)
    assert "the last dump failed" in pruned_shell.ops("prune", "--apply", expect=3)
    assert held(pruned_shell) == [5, 5]


def test_without_keep_it_says_that_nothing_is_ever_deleted(shell: Shell) -> None:
    assert "nothing of it is ever deleted" in shell.ops("prune", "--apply")


def test_an_unknown_source_or_store_is_named(shell: Shell) -> None:
    assert "ops.yaml has: crm" in shell.ops("prune", "cmr", expect=2)
    assert "there are: local, nas, usb" in shell.ops("prune", "--store", "nsa", expect=2)


def test_it_explains_itself_with_an_example(shell: Shell) -> None:
    assert "Example: ops prune" in shell.ops("prune", "--help")
