"""How long does a command take to say something? `python -m benchmarks.cli --sources 1000 --runs 5`

`ops --help`; `ops status` of one source and of many; a backup with its proof, recorded by Dagster and by the core;
how long Dagster's code server takes to load as many sources. Beside each, Python's own start and `import dagster`.
Times are of whole processes, rounds are interleaved, and processor seconds are those of the process and its children.
"""

import argparse
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

_CORE = """
import sys; from pathlib import Path
from ops_pipelines.config.load import load_config
from ops_pipelines.workspace import open_workspace
from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.verify import verify
workspace = open_workspace(load_config(Path(sys.argv[1])))
take_backup(workspace, "app0")
assert verify(workspace, workspace.catalogue("app0").newest).outcome == "verified"
"""
_LOCATION = "from ops_pipelines.definitions import defs; print(len(list(defs.resolve_all_asset_specs())))"


def made(directory: Path, sources: int) -> Path:
    """A configuration of so many SQLite databases of a thousand rows."""
    directory.mkdir()
    with sqlite3.connect(directory / "app.sqlite3") as database:
        database.execute("create table notes (id integer primary key, text text not null)")
        database.executemany("insert into notes (text) values (?)", ((f"note {each}",) for each in range(1000)))
    lines = [f"  app{each}: {{kind: sqlite, paths: [app.sqlite3]}}" for each in range(sources)]
    path = directory / "ops.yaml"
    path.write_text("\n".join(["base: base", "sources:", *lines, ""]), encoding="utf-8")
    return path


def timed(argv: Sequence[str], config: Path) -> tuple[float, float]:
    """Seconds that a program took, and seconds of processors."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {**os.environ, "OPS_CONFIG": str(config)}
    # `ops status` ends with 2 where nothing was backed up yet.
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, cwd=config.parent)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 2) or "Traceback" in done.stderr:
        raise SystemExit(f"{argv} failed:\n{done.stdout}\n{done.stderr}")
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    ops = str(Path(sys.executable).with_name("ops"))
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as name:
        one, many = made(Path(name) / "one", 1), made(Path(name) / "many", asked.sources)
        cases = {
            "python -c pass": ([sys.executable, "-c", "pass"], one),
            "ops --help": ([ops, "--help"], one),
            "ops status, 1 source": ([ops, "status"], one),
            f"ops status, {asked.sources:,} sources": ([ops, "status"], many),
            "import dagster": ([sys.executable, "-c", "import dagster"], one),
            "backup and proof, core": ([sys.executable, "-c", _CORE, str(one)], one),
            "ops backup, recorded by Dagster": ([ops, "backup", "app0"], one),
            "location of 1 source": ([sys.executable, "-c", _LOCATION], one),
            f"location of {asked.sources:,} sources": ([sys.executable, "-c", _LOCATION], many),
        }
        found: dict[str, list[tuple[float, float]]] = {case: [] for case in cases}
        for _ in range(asked.runs):
            for case, (argv, config) in cases.items():
                found[case].append(timed(argv, config))
    print("| command | median | processor seconds |\n|---|--:|--:|")
    for case, each in found.items():
        seconds, busy = zip(*each, strict=True)
        print(f"| `{case}` | {statistics.median(seconds):.2f} s | {statistics.median(busy):.2f} |")


if __name__ == "__main__":
    main()
