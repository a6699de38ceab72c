"""Ten calls at once, on one source and on several: nothing is doubled or lost, and who loses is told what to do.

The ledger is in SQLite or in PostgreSQL. Each verb is a process of its own (`crowd.py`); all begin together.
"""

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import pytest

from ops_pipelines.ledger.models import RUNNING
from ops_pipelines.vault.signing.keys import Keys
from tests.faults.aftermath import aftermath, standing
from tests.faults.house import REPOSITORY, House
from tests.faults.tries import chance, tries

ALL = (
    ["backup:crm"] * 10 + ["backup:shop"] * 3 + ["copy:crm"] * 3 + ["copy:shop"] * 2 + ["verify:crm"]
    + ["prune:crm"] * 2 + ["look:"] + ["alerts:"] * 2 + ["key:"] * 2
)  # fmt: skip


@dataclass(frozen=True)
class End:
    """How one of them ended: `done`, the class of an error of ours, or `traceback`."""

    verb: str
    source: str
    how: str
    said: str


def at_once(house: House, *works: str) -> list[End]:
    """Do all of it at the same moment; how each ended."""
    argv = [sys.executable, "-m", "tests.faults.crowd", str(house.config), *works]
    done = subprocess.run(argv, cwd=REPOSITORY, env=house.environment(), capture_output=True, text=True, check=True)
    ends = [End(**json.loads(line)) for line in done.stdout.splitlines()]
    assert sorted((each.verb, each.source) for each in ends) == sorted(tuple(work.split(":")) for work in works)
    assert not [each.said for each in ends if each.how == "traceback"]
    return ends


@pytest.mark.daily(1)
def test_ten_calls_on_one_source_and_more_on_another_double_and_lose_nothing(busy_house: House) -> None:
    for number in range(tries(1)):
        random = chance(f"a crowd {number}")
        before = standing(busy_house)
        had = {name: busy_house.workspace().catalogue(name).points for name in ("crm", "shop")}
        ends = at_once(busy_house, *random.sample(ALL, len(ALL)))
        # Everybody got what he came for: those who wait for a source or a store find it free, or the work done.
        assert not [each for each in ends if each.how != "done"]
        workspace = busy_house.workspace()
        pruned = {each for end in ends if end.verb == "prune" for each in end.said.split(",") if each}
        for name in ("crm", "shop"):
            catalogue = workspace.catalogue(name)
            taken = {each.said for each in ends if (each.verb, each.source) == ("backup", name)}
            assert {each.id for each in catalogue.points} == ({each.id for each in had[name]} | taken) - pruned
            numbers = [each.number or 0 for each in catalogue.points]
            assert numbers == sorted(set(numbers)), "no number is given twice"
            assert not catalogue.messages and not catalogue.damage
            # One dump at a time: each began when the one before it had ended.
            for earlier, later in pairwise(catalogue.points):
                assert earlier.manifest.finished_at <= later.manifest.started_at
        copied = Counter(each for end in ends if end.verb == "copy" for each in end.said.split(",") if each)
        assert not [each for each, times in copied.items() if times > 1], "the second finds the copy of the first"
        rows = workspace.ledger.recent(limit=10_000)
        assert not [row for row in rows if row.status == RUNNING]
        assert len({row.turn for row in rows}) == len(rows), "each attempt has a turn of its own"
        keys = {end.said for end in ends if end.verb == "key"}
        assert keys <= {key.name for key in workspace.signing.trusted.values()}, "what signed once is believed for ever"
        aftermath(busy_house, before, kind="a crowd", gone=pruned, allowed=("ledger.url",))


def test_who_may_not_wait_is_told_who_holds_the_source_and_what_to_do(busy_house: House) -> None:
    busy_house.write(lock="0s")
    before = standing(busy_house)
    ends = at_once(busy_house, *["backup:crm"] * 10)
    assert [end for end in ends if end.how == "done"]
    for end in ends:
        if end.how != "done":
            assert end.how == "Busy" and "source crm (waited 0.0s) is busy: dump, process" in end.said
            assert "safe: nothing was started, nothing was changed" in end.said or "verified" in end.said
            assert "next: wait for it to finish (ops status), then run this again" in end.said
    points = busy_house.workspace().catalogue("crm").points
    assert {each.id for each in points} == {end.said for end in ends if end.how == "done"}
    aftermath(busy_house, before, kind="a crowd that may not wait", allowed=("ledger.url",))


def test_of_many_new_keys_at_once_each_is_believed_for_ever(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = [threads.submit(Keys(tmp_path).rotate, datetime.now(timezone.utc)) for _ in range(16)]
    assert {each.result().number for each in made} <= Keys(tmp_path).trusted.keys()
