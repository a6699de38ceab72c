"""How long does a live backup wait behind a backfill? Through the real daemon, and `dagster.yaml` as it is.

    python -m benchmarks.backfill --days 90

Makes a database with a restore point on each of the last days, starts `dagster dev`, asks for a backfill of `verified`
over all of them, waits until every run of it is queued, and then asks for a backup as a schedule does. Told are the
seconds from asking until its dump begins, and how many runs of the backfill had ended by then.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.workspace import Workspace

PROJECT = Path(__file__).parents[1]
_DAYS = '{ assetNodeOrError(assetKey: {path: ["shop", "verified"]}) { ... on AssetNode { partitionKeys } } }'
_BACKFILL = """
mutation ($days: [String!]) { launchPartitionBackfill(backfillParams: {
  assetSelection: [{path: ["shop", "verified"]}], partitionNames: $days}) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }
"""
_LIVE = """
mutation ($tags: [ExecutionTag!]!) { launchRun(executionParams: {
  selector: {repositoryName: "__repository__", repositoryLocationName: "ops_pipelines", jobName: "backup",
             assetSelection: [{path: ["shop", "dump"]}, {path: ["shop", "verified"]}]}
  executionMetadata: {tags: $tags}, runConfigData: {} }) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
_RUNS = "{ runsOrError(limit: 1000) { ... on Runs { results { runId status } } } }"
_STEPS = """
query ($run: ID!) { runOrError(runId: $run) { ... on Run { stepStats { stepKey startTime } } } }
"""


def prepare(folder: Path, days: int) -> None:
    """A database, and what protects it, with a restore point on each of the last days."""
    with closing(sqlite3.connect(folder / "shop.sqlite")) as opened:
        opened.execute("create table orders (id integer primary key, note text)")
        opened.execute("insert into orders values (1, 'a')")
        opened.commit()
    # What a proof itself costs is told elsewhere, and a sandbox wants the installed release.
    source = {"kind": "sqlite", "paths": ["shop.sqlite"], "verify": {"isolation": "none"}}
    document = {"base": "base", "sources": {"shop": source}}
    (folder / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(PROJECT / name, folder / name)
    config = load_config(folder / "ops.yaml")
    today = datetime.now(timezone.utc).replace(hour=12)
    for ago in range(days, 0, -1):
        take_backup(Workspace(config, clock=_At(today - timedelta(days=ago))), "shop")


class _At:
    """A clock that stands still."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """Always the same."""
        return self._at


@contextmanager
def dagster(folder: Path) -> Iterator[Callable[..., Any]]:
    """A running `dagster dev`; the block gets what asks its GraphQL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster", "dev", "--host", "127.0.0.1", "--port", str(port), "-w", "workspace.yaml"],
        cwd=folder, env={**os.environ, "OPS_CONFIG": str(folder / "ops.yaml"), "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.DEVNULL, stderr=(folder / "log").open("wb"), start_new_session=True,
    )  # fmt: skip

    def ask(query: str, **variables: object) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["data"]

    try:
        yield ask
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def until(ask: Callable[[], Any], every_s: float = 0.5) -> Any:
    """Ask until there is an answer."""
    while True:
        try:
            if found := ask():
                return found
        except OSError:
            pass  # it starts
        time.sleep(every_s)


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--days", type=int, default=90)
    days: int = parser.parse_args().days
    with tempfile.TemporaryDirectory(prefix="ops-backfill-", ignore_cleanup_errors=True) as directory:
        folder = Path(directory)
        prepare(folder, days)
        with dagster(folder) as ask:
            keys = until(lambda: ask(_DAYS)["assetNodeOrError"].get("partitionKeys"))
            started = ask(_BACKFILL, days=keys[:-1])["launchPartitionBackfill"]
            assert started["__typename"] == "LaunchBackfillSuccess", started

            def runs() -> list[dict[str, str]]:
                found: list[dict[str, str]] = ask(_RUNS)["runsOrError"]["results"]
                return found

            until(lambda: len(runs()) >= days)
            before = sum(each["status"] == "SUCCESS" for each in runs())
            tags = {"dagster/partition": keys[-1], "ops/source": "shop", "dagster/priority": "10"}
            asked = time.time()
            listed = [{"key": key, "value": value} for key, value in tags.items()]
            live = ask(_LIVE, tags=listed)["launchRun"]["run"]["runId"]

            def begun() -> float | None:
                steps = ask(_STEPS, run=live)["runOrError"].get("stepStats") or []
                return next((each["startTime"] for each in steps if each["stepKey"] == "shop__dump"), None)

            began = until(begun)
            after = sum(each["status"] == "SUCCESS" for each in runs())
            print(
                f"a live backup behind a backfill of {days} days: its dump began after {began - asked:.1f} s, "
                f"while {after - before} runs of the backfill ended"
            )


if __name__ == "__main__":
    main()
