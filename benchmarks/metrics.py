"""How long does a scrape take? `/metrics` of many sources with a long history, over HTTP and as a function.

    python benchmarks/metrics.py --sources 1000 --days 365 --kept-days 365 --runs 11 --json figures.json

Fills a ledger with what the product would have written: four runs a day of dump, copy and verify for each source, the
tallies of every day, and a snapshot of each source's health. A scrape reads snapshots and tallies, and of activities
only those under way, by an index: a year of a thousand sources (4.4 million rows, a quarter of an hour to write) is
scraped as quickly as a day of them. `--kept-days` makes that table shorter where time is short.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from ops_pipelines.config.load import load_config
from ops_pipelines.ledger.models import EVER, Activity, Health, Tally
from ops_pipelines.vault.verdict import Check
from ops_pipelines.watch.metrics import exposition
from ops_pipelines.watch.snapshots import CopiesSeen, DumpSeen, PhaseSeen, SeenWhole, VerdictWhole
from ops_pipelines.workspace import Workspace

_KINDS = {"dump": "succeeded", "copy": "succeeded", "verify": "verified"}
_RUNS_A_DAY = 4
_KEPT = 40
_BATCH = 50_000


def main() -> None:
    """Fill, scrape, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--days", type=int, default=365, help="of tallies")
    parser.add_argument("--kept-days", type=int, default=365, help="of activities")
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as directory:
        workspace = house(Path(directory), given.sources)
        activities = fill(workspace, given.days, given.kept_days)
        figures = {
            "sources": given.sources,
            "activities": activities,
            "function_s": timed(lambda: exposition(workspace), given.runs),
            "function_cpu_s": timed(lambda: exposition(workspace), given.runs, clock=time.process_time),
            **over_http(Path(directory), given.runs),
        }
    print(json.dumps(figures, indent=1))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def house(directory: Path, sources: int) -> Workspace:
    """A configuration with that many sources, each with two copies."""
    stores = {name: {"kind": "directory", "path": name} for name in ("nas", "usb")}
    source = {"kind": "postgres", "url": "postgresql://nowhere/", "copies": list(stores), "keep": {"last": 4}}
    named = {f"source_{number}": source for number in range(sources)}
    config = directory / "ops.yaml"
    config.write_text(json.dumps({"base": "base", "stores": stores, "sources": named}), encoding="utf-8")
    return Workspace(load_config(config, environ={}))


def fill(workspace: Workspace, days: int, kept_days: int) -> int:
    """Write the history; returns how many activities it has."""
    now, written = datetime.now(timezone.utc), 0
    with workspace.ledger.session() as session:
        names = list(workspace.config.sources)
        for rows in _batches(_tallies(names, now, days)):
            session.execute(insert(Tally), rows)
        for rows in _batches(_activities(names, now, kept_days)):
            session.execute(insert(Activity), rows)
            written += len(rows)
        session.add_all(
            Health(source=name, at=now, watched_at=now, document=_seen(name, now).model_dump_json()) for name in names
        )
    return written


def over_http(directory: Path, runs: int) -> dict[str, Any]:
    """The same through `ops serve`, as Prometheus would see it."""
    argv = [str(Path(sys.executable).with_name("ops")), "serve", "--port", "0", "--config", str(directory / "ops.yaml")]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        url = json.loads(server.stderr.readline())["url"]
        try:

            def scrape() -> bytes:
                with urllib.request.urlopen(f"{url}metrics", timeout=60) as answer:
                    content: bytes = answer.read()
                return content

            page = scrape()
            samples = sum(not line.startswith(b"#") for line in page.splitlines())
            return {"http_s": timed(scrape, runs), "samples": samples, "bytes": len(page)}
        finally:
            server.terminate()


def timed(call: Any, runs: int, *, clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Median and extremes of the time by a clock, after one to warm up."""
    call()
    taken = []
    for _run in range(runs):
        begun = clock()
        call()
        taken.append(clock() - begun)
    return {"median": round(statistics.median(taken), 4), "min": round(min(taken), 4), "max": round(max(taken), 4)}


def _tallies(names: list[str], now: datetime, days: int) -> Iterator[dict[str, Any]]:
    periods = [(EVER, days), *((f"{now - timedelta(days=day):%Y-%m-%d}", 1) for day in range(days))]
    for period, length in periods:
        for name in names:
            for kind, outcome in _KINDS.items():
                row = {"period": period, "source": name, "kind": kind, "outcome": outcome}
                yield {**row, "attempts": _RUNS_A_DAY * length, "seconds": 60.0 * length}


def _activities(names: list[str], now: datetime, days: int) -> Iterator[dict[str, Any]]:
    """Oldest first, with sizes that grow; of each source's restore points the newest are kept, the others pruned."""
    number, runs = 0, days * _RUNS_A_DAY
    for run in range(runs):
        at = now - timedelta(hours=24 / _RUNS_A_DAY * (runs - run))
        backup = f"{at:%Y%m%dT%H%M%SZ}-0001"
        size = 10**9 + run * 10**5
        facts: Mapping[str, Mapping[str, Any]] = {
            "dump": {"size_bytes": size, "plain_bytes": 8 * size, "rows": 10**6 + 100 * run, "number": run + 1},
            "copy": {"size_bytes": size, "from": "local"},
            "verify": {"outcome": "verified", "words": "verified", "reason": "14 checks passed",
                       "seconds": {"restore": 1.0}},
            "prune": {"because": "keep", "size_bytes": size},
        }  # fmt: skip
        for name in names:
            for kind, meta in facts.items():
                number += 1
                if kind == "prune" and run >= runs - _KEPT:
                    continue
                yield {
                    "id": f"{at:%Y%m%dT%H%M%SZ}-{number:016x}", "source": name, "kind": kind, "status": "succeeded",
                    "turn": number, "started_at": at, "finished_at": at, "duration_s": 60.0 + run % 7,
                    "backup_id": backup, "store": "nas" if kind == "copy" else "local", "host": "here", "holder": "1",
                    "run_id": None, "error": None, "meta": meta,
                }  # fmt: skip


def _seen(name: str, now: datetime) -> SeenWhole:
    at, backup = now - timedelta(hours=2), "20261121T020000Z-0001"
    stores = ("local", "nas", "usb")
    steps: list[tuple[Any, str | None]] = [("dump", None), ("copy", "nas"), ("copy", "usb"), ("verify", None)]
    return SeenWhole(
        source=name, kind="postgres", state="OK", cause="restored and compared", next="", rpo_s=86400.0,
        warn_after_s=72000.0, rto_s=1800.0, recovery_point=backup, recovery_point_at=at, restore_points=40, verified=40,
        verified_at=at, restore_s=12.5,
        newest=DumpSeen(id=backup, started_at=at, duration_s=9.5, size_bytes=10**9, plain_bytes=10**10, rows=10**7),
        verdict=VerdictWhole(
            backup_id=backup, store="nas", outcome="verified", reason="14 checks passed", finished_at=at, failed=0,
            checks=[Check(name=f"check_{number}", passed=True, detail="as it was") for number in range(14)],
        ),
        stores=[
            CopiesSeen(store=store, medium="disk", offsite=False, readable=True, copies=40, damaged=0,
                       size_bytes=10**10, newest_at=at)
            for store in stores
        ],
        phases=[
            PhaseSeen(phase=phase, store=store, state="OK", well_at=at, allowed_s=86400.0, cause="2h 00m old", next="")
            for phase, store in steps
        ],
        problems=[],
    )  # fmt: skip


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


if __name__ == "__main__":
    main()
