"""No leftovers: after kill -9 of a verification the next start leaves nothing of its scratch server."""

import random
import time
from pathlib import Path

from ops_pipelines.backup.take import take_backup
from ops_pipelines.sweeping import sweep
from tests.faults.conftest import House, wait_until
from tests.faults.tries import tries


def shared_memory() -> set[str]:
    """Named segments that no living process has open: System V ones, and those of servers in /dev/shm."""
    segments = [line.split() for line in Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]]
    named = {str(path) for path in Path("/dev/shm").glob("PostgreSQL.*")}
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            text = maps.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        named -= {line.split(maxsplit=5)[5] for line in text.splitlines() if " /dev/shm/" in line}
    return named | {columns[1] for columns in segments if columns[6] == "0"}


def test_a_verification_killed_in_any_phase_leaves_nothing_after_the_next_start(house: House) -> None:
    chance = random.Random(13)
    take_backup(house.workspace(), "crm")
    before = shared_memory()
    began = time.monotonic()
    with house.worker("verify") as worker:
        assert worker.wait() == 0
    lasts_s = time.monotonic() - began
    assert shared_memory() <= before
    for number in range(tries(3)):
        with house.worker("verify") as worker:
            time.sleep(
                lasts_s * (number + chance.random()) / (tries(3) + 1)
            )  # the moment of the kill is the experiment
            worker.kill()
        sweep(house.workspace())
        wait_until(lambda: not house.leftovers())
        assert shared_memory() <= before
        assert not list(house.base.glob("**/dump.pgc"))
    assert {row.status for row in house.workspace().ledger.recent(kind="verify")} <= {"failed", "succeeded"}
    with house.worker("verify") as worker:
        assert worker.wait() == 0
