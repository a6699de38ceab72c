"""Many runs at once under Dagster: daemons that know nothing of each other, a backfill beside schedules, fifty sources.

A turn is one tick of a schedule, or one partition of a backfill. Each gets one dump, and dumps of one source follow
each other.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.tags import BACKFILL_ID_TAG, RUN_KEY_TAG

from ops_pipelines.config.load import load_config
from ops_pipelines.ledger.models import RUNNING, SUCCEEDED, Activity
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.build import build_definitions
from tests.faults.aftermath import aftermath, back_up, standing
from tests.faults.conftest import MakeHouse
from tests.faults.house import LIMITS, House
from tests.faults.tries import long_run, tries
from tests.faults.watched import Watched, patiently, watched

_MANY, _AT_ONCE = 50, 4  # the second is max_concurrent_runs of dagster.yaml
_OWN = ("ledger.url", "other")

pytestmark = [
    pytest.mark.skipif(not long_run(), reason="a daemon and its ticks take minutes: make faults"),
    pytest.mark.timeout(7200),
]


@pytest.fixture
def house(make_house: MakeHouse, new_ledger: Callable[[House], None]) -> House:
    """A house with one proved backup, in either ledger."""
    made = make_house("sqlite")
    new_ledger(made)
    back_up(made)
    return made


def every_minute(house: House, *sources: str) -> dict[str, Any]:
    """Sources that are the house's own, each with a schedule that ticks every minute."""
    return {name: {**house.protected.source, "every": "* * * * *", "limits": LIMITS} for name in sources}


def dumps(house: House) -> list[Activity]:
    """Every dump that the ledger knows, oldest first."""
    rows = house.workspace().ledger.recent(kind="dump", limit=10_000)
    return sorted(rows, key=lambda row: row.started_at)


def most_at_once(looked: Watched) -> int:
    """How many runs were under way at the same time, at most. A dump is too short a part of one to meet another."""
    ends = [(run.end_time, -1) for run in looked.instance.get_run_records() if run.end_time is not None]
    starts = [(run.start_time, 1) for run in looked.instance.get_run_records() if run.start_time is not None]
    now = most = 0
    for _at, change in sorted([*ends, *starts]):
        now += change
        most = max(most, now)
    return most


def overlapping(house: House, *sources: str) -> list[str]:
    """Restore points of one source that were made at the same time, or have the same number."""
    return [
        f"{earlier.id} and {later.id}"
        for name in sources
        for earlier, later in pairwise(house.workspace().catalogue(name).points)
        if later.manifest.started_at < earlier.manifest.finished_at or later.number == earlier.number
    ]


def test_two_daemons_of_one_instance_give_each_tick_one_dump(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    before = standing(house)
    had = {row.id for row in dumps(house)}
    house.change(sources=every_minute(house, "crm", "shop"))
    with watched(house, monkeypatch) as looked, looked.daemon() as one, looked.daemon():
        patiently(lambda: len(_times(looked)) > tries(1), 600 + 70 * tries(1))
        one.kill()
        ticked = len(_times(looked))
        patiently(lambda: len(_times(looked)) > ticked)
        looked.no_more_runs()
        runs = [run for run in looked.instance.get_runs() if RUN_KEY_TAG in run.tags]
    keys = {run.run_id: run.tags[RUN_KEY_TAG] for run in runs}
    taken = Counter(keys[row.run_id or ""] for row in dumps(house) if row.id not in had)
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert taken == Counter(dict.fromkeys(keys.values(), 1)), "one dump a tick and source"
    assert len(keys) == len(set(keys.values())), "and one run"
    assert not overlapping(house, "crm", "shop")
    aftermath(house, before, kind="two daemons of one instance", swept=False, allowed=_OWN)


def _times(looked: Watched) -> set[str]:
    return {key.split(":", 1)[1] for key in looked.ticks()}


def test_two_installations_on_one_base_take_turns(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    before, had = standing(house), {row.id for row in dumps(house)}
    house.change(sources=every_minute(house, "crm"))
    other = _another_instance(house)
    with (
        dg.DagsterInstance.from_config(str(other)) as second,
        watched(house, monkeypatch) as looked,
        looked.daemon(),
    ):
        beside = Watched(house, second)
        with beside.daemon(home=other):
            patiently(lambda: all(len(_times(each)) > tries(1) for each in (looked, beside)), 600 + 70 * tries(1))
            looked.no_more_runs()
            beside.no_more_runs()
        runs = [run for each in (looked, beside) for run in each.instance.get_runs() if RUN_KEY_TAG in run.tags]
    taken = Counter(row.run_id for row in dumps(house) if row.id not in had)
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert taken == Counter({run.run_id: 1 for run in runs}), "each has schedules of its own, and a dump for each tick"
    assert not overlapping(house, "crm")
    aftermath(house, before, kind="two installations on one base", swept=False, allowed=_OWN)


def _another_instance(house: House) -> Path:
    other = house.path / "other"
    other.mkdir()
    settings = (house.path / "dagster.yaml").read_text(encoding="utf-8")
    # Relative paths count from the current directory, and there is one for both.
    (other / "dagster.yaml").write_text(settings.replace("var/dagster", f"{other}/var/dagster"), encoding="utf-8")
    return other


def test_a_backfill_beside_a_schedule_and_the_sensors_doubles_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.change(sources=every_minute(house, "crm"))
    before, had = standing(house), {row.id for row in dumps(house)}
    backfills = [f"backfill{number}" for number in range(tries(1))]
    with watched(house, monkeypatch) as looked, looked.daemon():
        patiently(lambda: bool(looked.ticks()))
        for each in backfills:
            _fill_beside_a_tick(looked, each)
        looked.no_more_runs()
        runs = [run for run in looked.instance.get_runs() if run.tags.keys() & {RUN_KEY_TAG, BACKFILL_ID_TAG}]
    taken = Counter(row.run_id for row in dumps(house) if row.id not in had)
    dumping = [run for run in runs if names.PLAIN.dump("crm", "sqlite") in (run.asset_selection or ())]
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert taken == Counter({run.run_id: 1 for run in dumping}), "one dump a tick, one a partition of today"
    filled = Counter(run.tags[BACKFILL_ID_TAG] for run in dumping if BACKFILL_ID_TAG in run.tags)
    assert filled == Counter(dict.fromkeys(backfills, 1)), "one run for the one partition of each"
    assert not overlapping(house, "crm")
    aftermath(house, before, kind="a backfill beside a schedule", swept=False, allowed=_OWN)


def _fill_beside_a_tick(looked: Watched, backfill_id: str) -> None:
    ticked = len(_times(looked))
    _backfill(looked, backfill_id)
    patiently(lambda: _over(looked, backfill_id), 1200)
    patiently(lambda: len(_times(looked)) > ticked)


def _backfill(looked: Watched, backfill_id: str) -> None:
    """Ask for today's partition of the whole chain, as the UI's button does."""
    config = load_config(looked.house.config, environ={})
    graph = build_definitions(config).get_repository_def().asset_graph
    chain = [names.PLAIN.dump("crm", "sqlite"), names.PLAIN.copy("crm", "nas"), names.PLAIN.verified("crm")]
    now = datetime.now(timezone.utc)
    looked.instance.add_backfill(
        PartitionBackfill.from_asset_partitions(
            backfill_id=backfill_id, asset_graph=graph, partition_names=[f"{now:%Y-%m-%d}"], asset_selection=chain,
            backfill_timestamp=now.timestamp(), tags={}, dynamic_partitions_store=looked.instance,
            all_partitions=False, title=None, description=None, run_config=None,
        )
    )  # fmt: skip


def _over(looked: Watched, backfill_id: str) -> bool:
    found = looked.instance.get_backfill(backfill_id)
    assert found is not None and found.status is not BulkActionStatus.FAILED, found
    return found.status is BulkActionStatus.COMPLETED_SUCCESS


def test_fifty_sources_are_dumped_four_at_a_time_and_each_is_proved(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, had = standing(house), {row.id for row in dumps(house)}
    many = {f"app{number:02}": _small(house, number) for number in range(_MANY)}
    house.change(sources={"crm": house.protected.source, **many})
    with watched(house, monkeypatch) as looked, looked.daemon():
        patiently(lambda: len(looked.ticks()) >= _MANY)
        looked.no_more_runs(1800)
        at_once = most_at_once(looked)
    rows = [row for row in dumps(house) if row.id not in had]
    assert {row.status for row in rows} == {SUCCEEDED}
    assert {row.source for row in rows} == set(many)
    assert 1 < at_once <= _AT_ONCE
    workspace = house.workspace()
    assert not [row for row in workspace.ledger.recent(limit=10_000) if row.status == RUNNING]
    unproved = [point.id for name in many for point in workspace.catalogue(name).points if not point.verified]
    assert not unproved
    assert not overlapping(house, *many)
    aftermath(house, before, kind="fifty sources at once", swept=False, allowed=(*_OWN, "many"))


def _small(house: House, number: int) -> dict[str, Any]:
    """A source that is one small SQLite file, with a schedule that ticks every minute."""
    path = house.path / "many" / f"{number}.sqlite"
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as opened:
        opened.executescript(f"create table t (a); insert into t values ({number})")
    return {"kind": "sqlite", "paths": [str(path)], "every": "* * * * *", "limits": LIMITS}
