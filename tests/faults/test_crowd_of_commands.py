"""Ten commands and more at once on one house, as users and crontabs type them: all do their work, nothing is lost.

The ledger is in SQLite or in PostgreSQL, Dagster's storage in SQLite. Those who make or remove something wait for each
other; those who only look are held up by nobody.
"""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.models import RUNNING
from ops_pipelines.orchestration.instance import dagster_instance
from tests.faults.aftermath import aftermath, back_up, standing
from tests.faults.conftest import MakeHouse
from tests.faults.forked import FORK, open_dagster, start
from tests.faults.house import REPOSITORY, House
from tests.faults.protected import ENGINES
from tests.faults.tries import chance, long_run, tries
from tests.faults.verbs import prepared_for_kits, tidy

_REFUSED = 3
_PASS = ("--passphrase-file", "pass")
_WELL, _LOOKS = (0,), (0, 1)
_ENDS_WITHIN_S = 300


def _target(house: House) -> str:
    """Of this house alone: servers are shared."""
    return house.protected.beside(f"back_{house.path.name[-8:]}")


def commands(house: House) -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    """What is typed, and the exit statuses that are fine: who looks may find something that wants attention."""
    return [
        (("backup", "crm"), _WELL),
        (("backup", "crm", "--no-verify"), _WELL),
        (("verify", "crm"), _WELL),
        (("copy", "crm", "--to", "nas"), _WELL),
        (("prune", "crm", "--apply"), _WELL),
        (("restore", "crm", "--to", _target(house)), _WELL),
        (("kit", "--to", "kit", *_PASS), _LOOKS),
        (("doctor",), _LOOKS),
        (("doctor", "--sweep"), _WELL),
        (("status",), _LOOKS),
        (("report",), _LOOKS),
        (("list",), _LOOKS),
        (("plan",), _LOOKS),
        (("alerts", "run"), _LOOKS),
        *([(("export", "crm", "--to", "out"), _WELL)] if house.protected.kind in ("postgres", "mysql") else []),
    ]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", ENGINES if long_run() else ["sqlite"])
def test_commands_at_once_do_all_of_their_work_and_lose_nothing(
    make_house: MakeHouse, new_ledger: Callable[[House], None], engine: str
) -> None:
    house = make_house(engine)
    new_ledger(house)
    prepared_for_kits(house)
    for number in range(tries(1)):
        back_up(house)
        _all_at_once(house, engine, number)


def test_dagsters_storage_that_many_open_first_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    shutil.copy(REPOSITORY / "dagster.yaml", tmp_path)
    gate = FORK.Event()
    openers = [FORK.Process(target=open_dagster, args=(str(tmp_path), gate)) for _ in range(8)]
    for each in openers:
        each.start()
    gate.set()
    for each in openers:
        each.join(120)
    assert [each.exitcode for each in openers] == [0] * 8
    with dagster_instance(tmp_path) as instance:
        assert instance.get_runs() == []


def test_a_storage_that_dagster_cannot_open_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    shutil.copy(REPOSITORY / "dagster.yaml", tmp_path)
    with dagster_instance(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "var/dagster/history/runs.db")) as opened, opened:
        opened.execute("insert into alembic_version values ('another')")
    with pytest.raises(OpsError, match="cannot be used") as caught, dagster_instance(tmp_path):
        pass
    assert "every backup is untouched" in caught.value.safe
    assert "move aside what storage: names in" in caught.value.next


def _all_at_once(house: House, engine: str, number: int) -> None:
    before, typed = standing(house), commands(house)
    random = chance(f"commands at once {engine} {number}")
    began = max(row.turn for row in house.workspace().ledger.recent(limit=1))
    started = [(words, fine, start(house, *words)) for words, fine in random.sample(typed, len(typed))]
    wrong = []
    for words, fine, command in started:
        status = command.wait(_ENDS_WITHIN_S)
        if status == _REFUSED and words[0] == "prune" and "is not verified; ops verify crm" in command.said:
            continue  # it deletes nothing while another's backup waits for its proof
        if status not in fine or "Traceback" in command.said:
            wrong.append(f"ops {' '.join(words)}: exit status {status}: {command.said}")
    rows = [row for row in house.workspace().ledger.recent(limit=1000) if row.turn > began]
    dumps = [row for row in rows if row.kind == "dump"]
    pruned = {row.backup_id for row in rows if row.kind == "prune" and row.backup_id}
    aftermath(
        house,
        before,
        kind="commands at once",
        swept=False,
        gone=pruned,
        more=lambda: [*wrong, *_doubled(house), *(f"it goes on: {row.kind}" for row in rows if row.status == RUNNING)],
        allowed=("ledger.url", "pass", "kit", "out", "back*"),
    )
    assert len(dumps) == 2, "each of two backups took one restore point"
    tidy(house)


def _doubled(house: House) -> list[str]:
    """Restore points that were taken at the same time, or have one number."""
    points = house.workspace().catalogue("crm").points
    return [
        f"{later.id} began before {earlier.id} had ended, or has its number"
        for earlier, later in pairwise(points)
        if later.manifest.started_at < earlier.manifest.finished_at or later.number == earlier.number
    ]
