"""Old backups are verified again, in turn and within a time a day; every proof leaves a log; drift is told."""

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.recovery.rotation import reprove, turns
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock, execute, flip_byte, write_config

START = datetime(2026, 11, 1, 2, tzinfo=timezone.utc)


def made(tmp_path: Path, crm: Server, *, days: int, verify_settings: str = "") -> tuple[Workspace, StoppedClock]:
    """A restore point a day, each copied to `nas` and proved from there on its day."""
    source = f"    verify: {{{verify_settings}}}" if verify_settings else ""
    clock = StoppedClock(START)
    workspace = Workspace(load_config(write_config(tmp_path, crm, source=source)), clock)
    for day in range(days):
        clock.at = START + timedelta(days=day)
        take_backup(workspace, "crm")
        copy_to(workspace, newest(workspace), "nas")
        assert verify(workspace, newest(workspace)).outcome == "verified"
    return workspace, clock


def newest(workspace: Workspace) -> RestorePoint:
    point = workspace.catalogue("crm").newest
    assert point is not None
    return point


def proved(workspace: Workspace) -> list[tuple[str, str]]:
    return [(verdict.backup_id, verdict.store) for verdict in reprove(workspace, "crm")]


def test_the_copy_that_was_proved_longest_ago_has_its_turn(tmp_path: Path, crm: Server) -> None:
    workspace, clock = made(tmp_path, crm, days=2)
    first, second = workspace.catalogue("crm").points
    clock.at += timedelta(days=2)
    expected = [(first.id, "local"), (first.id, "nas"), (second.id, "local"), (second.id, "nas")]
    assert [
        (point.id, store) for _at, point, store in turns(workspace.catalogue("crm"), workspace.clock.now())
    ] == expected
    for turn in expected:
        assert proved(workspace) == [turn]
    assert proved(workspace) == [], "nothing is proved twice within a day"


def test_what_is_nearly_overdue_is_proved_at_once(tmp_path: Path, crm: Server) -> None:
    workspace, clock = made(tmp_path, crm, days=2, verify_settings="reprove_within: 10d")
    clock.at += timedelta(days=9)
    assert len(proved(workspace)) == 4
    oldest = min(at for at, _point, _store in turns(workspace.catalogue("crm"), workspace.clock.now()))
    assert clock.at - oldest < timedelta(days=10)


@pytest.mark.daily(0)
def test_the_time_a_day_bounds_it(tmp_path: Path, crm: Server) -> None:
    workspace, clock = made(tmp_path, crm, days=2, verify_settings="reprove_daily: 0s")
    clock.at += timedelta(days=40)
    assert proved(workspace) == []


def test_an_old_copy_that_rotted_is_found(tmp_path: Path, crm: Server) -> None:
    workspace, clock = made(tmp_path, crm, days=2)
    first = workspace.catalogue("crm").points[0]
    flip_byte(Path(workspace.stores["nas"].location("crm", first.id)) / "dump.pgc.zst.age")
    clock.at += timedelta(days=40)
    outcomes = {(each.backup_id, each.store): each.outcome for each in reprove(workspace, "crm")}
    assert outcomes.pop((first.id, "nas")) == "bad"
    assert set(outcomes.values()) == {"verified"}
    assert list(workspace.catalogue("crm").points[0].damaged) == ["nas"]


def test_every_proof_leaves_a_log_for_people_and_one_for_scripts(tmp_path: Path, crm: Server) -> None:
    workspace, _clock = made(tmp_path, crm, days=1)
    directory = workspace.config.base / "verify" / "crm"
    log = (directory / "verify-20261101-0200.log").read_text("utf-8")
    assert "VERIFIED" in log
    assert "passed  rows" in log
    assert re.search(r"passed  amcheck .* \(\d+\.\d{3} s\)", log), "and what each assertion cost"
    assert "load" in log
    document = json.loads((directory / "verify-20261101-0200.json").read_text("utf-8"))
    assert (document["version"], document["outcome"], document["store"]) == (1, "verified", "nas")
    assert {"fetch", "start", "load", "compare", "assert", "drop"} <= document["seconds"].keys()


def test_a_backup_much_smaller_than_before_is_good_and_needs_a_look(tmp_path: Path, crm: Server) -> None:
    workspace, clock = made(tmp_path, crm, days=1)
    execute(crm, "create table spare as table contacts; delete from contacts; delete from spare where id > 10")
    clock.at += timedelta(hours=6)
    take_backup(workspace, "crm")
    verdict = verify(workspace, newest(workspace))
    assert verdict.outcome == "verified"
    drifted = next(check for check in verdict.notable if check.name == "row drift")
    assert drifted.detail == "60, -97 % against 2,050, the median of the last 1 verified"
