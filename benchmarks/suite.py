"""All of it, one after the other: `python -m benchmarks.suite [--quick]`, as `make bench` and `make bench-quick` do it.

Each benchmark makes its own data, the same ones each time, and runs ours and the plain tools by turns. What each
printed is written to `var/bench`, and into the last part of `docs/performance.md` with `--write`.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import psutil

ALL = {
    "PostgreSQL": "postgres --gb 1 --runs 5",
    "MariaDB": "mysql --rows 1200000 --rounds 5",
    "MongoDB's protocol": "mongodb --mb 50 --runs 3",
    "Folders": "files --rounds 5",
    "S3": "s3 --gb 0.5 --runs 5",
    "Commands": "cli --sources 1000 --runs 5",
    "Pages": "pages --sources 6 1000 --days 365 --kept-days 60 --runs 11",
    "Metrics": "metrics --sources 1000 --days 365 --kept-days 60 --runs 11",
    "Signatures": "signatures --points 1000",
}
QUICK = {
    "PostgreSQL": "postgres --gb 0.25 --runs 3",
    "MariaDB": "mysql --rows 200000 --rounds 3",
    "Folders": "files --rounds 2",
    "Commands": "cli --sources 1000 --runs 2",
}
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGINS = "## Measured by `make bench`\n"


def main() -> None:
    """Run, keep and show what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a part of it, small: in five minutes")
    parser.add_argument("--only", nargs="+", help="these parts")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/performance.md")
    asked = parser.parse_args()
    kept = Path("var/bench")
    kept.mkdir(parents=True, exist_ok=True)
    parts = [BEGINS, f"\n{_where()}\n"]
    for title, words in (QUICK if asked.quick else ALL).items():
        if asked.only and title not in asked.only:
            continue
        began, load = time.monotonic(), os.getloadavg()[0]
        module, *options = words.split()
        argv = [sys.executable, "-m", f"benchmarks.{module}", *options]
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout, flush=True)
        if done.returncode:
            raise SystemExit(f"benchmarks.{module} failed")
        took = time.monotonic() - began
        said = f"### {title}\n\n`python -m benchmarks.{words}`, {took:.0f} s, load {load:.1f} before it.\n"
        parts.append(f"\n{said}\n{_shown(done.stdout)}\n")
        (kept / f"{module}.txt").write_text(done.stdout, encoding="utf-8")
    text = "".join(parts)
    (kept / "performance.md").write_text(text, encoding="utf-8")
    if asked.write:
        before = PAGE.read_text(encoding="utf-8").partition(BEGINS)[0]
        PAGE.write_text(before + text, encoding="utf-8")


def _where() -> str:
    """Day, machine and versions."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {os.cpu_count()} processors, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}. Source and target are in the page cache."
    )


def _shown(printed: str) -> str:
    """A table as it is; anything else as it was printed."""
    lines = printed.strip().splitlines()
    at = next((at for at, line in enumerate(lines) if line.startswith("|")), None)
    if at is None:
        return "```text\n" + "\n".join(lines) + "\n```"
    return "\n".join(lines[at:])


if __name__ == "__main__":
    main()
