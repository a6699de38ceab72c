"""Drills killed -9 at random moments, of every scenario: what is left once anything else has started?

    python -m benchmarks.drill_kills [--kills 50] [--seed 1]

A server, a folder, a key, a lock, an open row or a decrypted byte counts. The house is that of the tests: a CRM on
PostgreSQL with uploads, backed up twice to a directory, a recovery kit, an alert channel.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from ops_pipelines.config.drills import SCENARIOS, Scenario
from tests.conftest import start_server
from tests.drill.conftest import House, build
from tests.drill.kills import drilling, kill_one, leftovers
from tests.watch.receivers import webhook


def main() -> int:
    """Kill, count, print; 0 when nothing was left."""
    wanted = argparse.ArgumentParser()
    wanted.add_argument("--kills", type=int, default=50)
    wanted.add_argument("--seed", type=int, default=1)
    given = wanted.parse_args()
    chance = random.Random(given.seed)
    with (
        # Short: a socket's path is.
        tempfile.TemporaryDirectory(prefix="ops-kills-") as name,
        start_server(18, _made(Path(name) / "pg")) as server,
        webhook() as channel,
    ):
        store = {"kind": "directory", "path": "far", "offsite": True}
        house = build(_made(Path(name) / "house"), server, channel.url, store, sys.executable)
        lasts = {scenario: _length(house, scenario) for scenario in SCENARIOS}
        kills = []
        for number in range(given.kills):
            scenario = SCENARIOS[number % len(SCENARIOS)]
            kills.append(kill_one(house, scenario, chance.random() * lasts[scenario]))
            done = kills[-1]
            print(f"{number + 1:3} {scenario:21} {done.after_s:6.1f} s of {lasts[scenario]:5.1f}  "
                  f"{'had ended' if done.ended else f'{len(done.before)} things left'}, then {len(done.left)}",
                  *done.left, flush=True)  # fmt: skip
        last = _length(house, "total_loss")
        kinds = Counter(thing.split()[0] for kill in kills for thing in kill.before)
        shutil.rmtree(house.path / "tmp")
    hit = sum(not kill.ended for kill in kills)
    print(f"{len(kills)} kills, {hit} of a living drill; before the next start: {dict(kinds)}")
    print(f"after the next start: {sum(len(kill.left) for kill in kills)} left; a drill then passes in {last:.1f} s")
    return int(any(kill.left for kill in kills))


def _made(path: Path) -> Path:
    path.mkdir(mode=0o700)
    return path


def _length(house: House, scenario: Scenario) -> float:
    """Seconds a whole drill takes; it must pass and leave nothing."""
    with drilling(house, scenario) as process:
        began = time.monotonic()
        status = process.wait()
        took = time.monotonic() - began
    assert status in (0, 1) and not leftovers(house), (scenario, status, leftovers(house))
    return took


if __name__ == "__main__":
    sys.exit(main())
