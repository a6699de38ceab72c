"""How long it takes to check the signatures of many restore points: `python -m benchmarks.signatures`.

Prints the time for the signatures alone, and for a whole catalogue of as many in a directory.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from ops_pipelines.vault.catalogue import read_catalogue
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.trust import Trust
from tests.unit.vaults import publish

RUNS = 5


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1000)
    points = parser.parse_args().points
    with tempfile.TemporaryDirectory() as directory:
        trust = Trust(Keys(Path(directory) / "keys"))
        store = DirectoryStore("local", Path(directory) / "store", trust)
        ids = [f"20261122T{n // 3600:02}{n // 60 % 60:02}{n % 60:02}Z-{n:04x}" for n in range(points)]
        for backup_id in ids:
            publish(store, backup_id, dump=b"x", recipients=())
        sealed = {backup_id: store.sealed("crm", backup_id) for backup_id in ids}
        alone, whole = [], []
        for _ in range(RUNS):
            started = time.perf_counter()
            for backup_id, each in sealed.items():
                trust.open_point(each, "crm", backup_id, where="here")
            alone.append(time.perf_counter() - started)
            started = time.perf_counter()
            assert len(read_catalogue({"local": store}, "crm").points) == points
            whole.append(time.perf_counter() - started)
    for what, seconds in (("signatures checked, manifests parsed", alone), ("catalogue read", whole)):
        print(f"{points} {what}: median {statistics.median(seconds):.3f} s, {min(seconds):.3f}-{max(seconds):.3f} s")


if __name__ == "__main__":
    main()
