"""An adoption killed at any moment leaves the catalogue as it was, or with one whole restore point more."""

import random
import subprocess
import time

from ops_pipelines.engines.postgres import clients
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sweeping import sweep
from tests.faults.conftest import House, Source, wait_until
from tests.faults.tries import tries


def test_an_adoption_killed_at_any_moment_leaves_nothing_half(house: House, source: Source) -> None:
    old = house.path / "crm-20260203-0415.sql"
    argv = [clients.for_dump(18).path("pg_dump"), f"--dbname={source.server.argument()}", f"--file={old}"]
    subprocess.run(argv, env=source.server.environment(), check=True)
    original = old.read_bytes()
    began = time.monotonic()
    with house.worker("adopt") as worker:
        assert worker.wait() == 0
    lasts_s = time.monotonic() - began
    (whole,) = house.ids()
    house.workspace().local.delete("crm", whole)
    chance, killed = random.Random(1), 0
    for _ in range(10 * tries(2)):
        with house.worker("adopt") as worker:
            time.sleep(chance.uniform(0, lasts_s))  # the moment of the kill is the experiment
            killed += worker.poll() is None
            worker.kill()
        sweep(house.workspace())
        wait_until(lambda: not house.leftovers())
        for backup_id in house.ids():
            # Killed between the rename and the last words it is a whole one; it is never half of one.
            house.workspace().local.delete("crm", backup_id)
        if killed == tries(2):
            break
    assert killed == tries(2)
    with house.worker("adopt") as worker:
        assert worker.wait() == 0
    (once,) = house.ids()
    point = house.workspace().catalogue("crm").find(once)
    assert point is not None and verify(house.workspace(), point).outcome == "verified"
    assert old.read_bytes() == original
