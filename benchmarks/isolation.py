"""What a sandbox adds to a verification: `python -m benchmarks.isolation --gb 2`.

The same backup is proved with and without one in turn; both medians are printed, and the seconds by phase of the last.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pyrage

from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.recovery.verify import verify
from ops_pipelines.workspace import Workspace
from tests.conftest import TestServer, start_server

WAYS: Sequence[str] = ("none", "sandbox")
_ROW_BYTES = 215  # of the table below, as it is dumped
_ROWS = """insert into t select i, md5(i::text) || md5((i + 1)::text) || md5((i + 2)::text),
  md5((i * 7)::text) || md5((i * 3)::text) || md5(i::text) from generate_series(1::bigint, {count}) i"""


def filled(server: TestServer, size_bytes: float) -> str:
    """The URL of a database that dumps to about this size."""
    name = server.new_database()
    rows = _ROWS.format(count=int(size_bytes / _ROW_BYTES))
    server.sql("create table t (id bigint primary key, a text, b text)", rows, "create index on t (a)", database=name)
    return server.url(name)


def configured(directory: Path, way: str, public: str) -> Workspace:
    """A workspace that proves in this way."""
    document = {
        "base": "base",
        "defaults": {"encrypt": {"age": [public], "identity": {"file": "key"}}, "verify": {"isolation": way}},
        "sources": {"crm": {"kind": "postgres", "url": {"file": "url"}}},
    }
    path = directory / f"{way}.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return Workspace(load_config(path, environ={}))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=float, default=0.02)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "pg").mkdir()
        with start_server(18, directory / "pg") as server:
            identity = pyrage.x25519.Identity.generate()
            for file, text in {"key": str(identity), "url": filled(server, asked.gb * 1e9)}.items():
                (directory / file).touch(mode=0o600)
                (directory / file).write_text(text, encoding="utf-8")
            workspaces = {way: configured(directory, way, str(identity.to_public())) for way in WAYS}
            taken = take_backup(workspaces["sandbox"], "crm")
            took: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(asked.runs):
                for way, workspace in workspaces.items():
                    point = workspace.catalogue("crm").newest
                    assert point is not None
                    started = time.perf_counter()
                    verdict = verify(workspace, point)
                    took[way].append(time.perf_counter() - started)
                    assert verdict.outcome == "verified", verdict.reason
    print(f"{taken.plain_bytes / 1e9:.2f} GB, PostgreSQL 18")
    for way, seconds in took.items():
        print(f"{way}: median {statistics.median(seconds):.2f} s, {min(seconds):.2f}-{max(seconds):.2f} s")


if __name__ == "__main__":
    main()
