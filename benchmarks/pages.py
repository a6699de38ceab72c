"""How long does a page of `ops serve` take, and how large is it? With a year of history, over HTTP.

    python -m benchmarks.pages --sources 6 1000 --days 365 --kept-days 60 --runs 11

The ledger is filled as in `benchmarks/metrics.py`. The overview reads snapshots of all sources and thirty days of those
on the page; a source's page reads every activity of that source: `--kept-days` says how long its own history is.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from benchmarks.metrics import fill, house, timed

PAGES = (
    "",
    "?language=cs",
    "?q=source_9&page=2",
    "sources/source_1",
    "sources/source_1?language=fr",
    "activity",
    "incidents",
    "stores",
    "calendar",
    "badge/source_1.svg",
)


def main() -> None:
    """Fill, ask, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, nargs="+", default=[6, 1000])
    parser.add_argument("--days", type=int, default=365, help="of tallies")
    parser.add_argument("--kept-days", type=int, default=365, help="of activities")
    parser.add_argument("--runs", type=int, default=11)
    given = parser.parse_args()
    print("| sources | activities | page | median | longest | bytes |\n|---|---|---|---|---|---|")
    for sources in given.sources:
        with tempfile.TemporaryDirectory(prefix="ops-bench-", dir="/var/tmp") as directory:
            activities = fill(house(Path(directory), sources), given.days, given.kept_days)
            for line in _asked(Path(directory), given.runs):
                print(f"| {sources} | {activities} | {line}", flush=True)


def _asked(directory: Path, runs: int) -> list[str]:
    document = json.loads((directory / "ops.yaml").read_text(encoding="utf-8"))
    document["web"] = {"limits": {"reads": 100_000}}
    (directory / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    argv = [str(Path(sys.executable).with_name("ops")), "serve", "--port", "0", "--config", str(directory / "ops.yaml")]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        url = json.loads(server.stderr.readline())["url"]
        try:
            found = []
            for page in PAGES:

                def ask(page: str = page) -> int:
                    with urllib.request.urlopen(f"{url}{page}", timeout=60) as answer:
                        return len(answer.read())

                took = timed(ask, runs)
                found.append(f"/{page} | {took['median'] * 1000:.0f} ms | {took['max'] * 1000:.0f} ms | {ask()} |")
            return found
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
