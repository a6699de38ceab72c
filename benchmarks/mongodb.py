"""How fast are we? MongoDB backup and verification against the floor, on one small database.

    python benchmarks/mongodb.py --mb 50 --runs 3 --json figures.json --markdown figures.md

Makes a database of documents of about 350 bytes in four collections, one of them as large as the others
together, with an index each, on a private SecantusDB (the only server packages have; a real one with --url).
The floor of a dump is a raw scan by the driver that throws everything away; the floor of a restore is the
driver's own insert_many of the same documents into the same kind of server, without an index. mongodump and
mongorestore are beside them where they are on PATH. Times are of whole processes; below the table stands what
is left of them without the start of Python.
"""

import argparse
import json
import os
import platform
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import pyrage
from pymongo import MongoClient

from benchmarks.harness import VERIFY, Figures, measure, phase_lines
from ops_pipelines.engines.mongodb.connection import with_credentials
from ops_pipelines.engines.mongodb.server import private_secantus

_SHARES = {"events": 3, "people": 1, "visits": 1, "orders": 1}
_DOCUMENT_BYTES = 350
_SCAN = """
import sys, time; from pathlib import Path; from pymongo import MongoClient
began = time.monotonic()
database = MongoClient(Path(sys.argv[1]).read_text()).get_default_database()
for name in database.list_collection_names():
    for batch in database[name].find_raw_batches(batch_size=10000): pass
print('{"seconds": {"read": %f}}' % (time.monotonic() - began))
"""
_INSERT = """
import sys; from pathlib import Path; from pymongo import MongoClient; import bson
from bson.raw_bson import RawBSONDocument
source = MongoClient(Path(sys.argv[1]).read_text()).get_default_database()
target = MongoClient(Path(sys.argv[1]).read_text())["floor"]
for name in source.list_collection_names():
    for batch in source[name].find_raw_batches(batch_size=10000):
        documents = bson.decode_all(batch, bson.CodecOptions(RawBSONDocument))
        target[name].insert_many(documents, ordered=False)
"""
_TAKE = """
import sys, time; from pathlib import Path
from ops_pipelines.config.load import load_config
from ops_pipelines.workspace import open_workspace
from ops_pipelines.backup.take import take_backup
import ops_pipelines.engines.mongodb.engine
began = time.monotonic()
take_backup(open_workspace(load_config(Path(sys.argv[1]))), "bench")
print('{"seconds": {"backup": %f}}' % (time.monotonic() - began))
"""


@dataclass(frozen=True)
class Case:
    """A program to time."""

    name: str
    argv: Sequence[str]
    fresh: Path | None = None


def fill(url: str, megabytes: float) -> int:
    """Make the database; returns its documents."""
    made = 0
    with MongoClient[dict[str, Any]](url) as client:
        database = client.get_default_database()
        rows = int(megabytes * 1e6 / _DOCUMENT_BYTES / sum(_SHARES.values()))
        for name, share in _SHARES.items():
            for start in range(0, rows * share, 5000):
                numbers = range(start, min(start + 5000, rows * share))
                database[name].insert_many(
                    [{"_id": i, "kind": f"kind {i % 17}", "score": i * 0.5, "tags": [i % 97, i % 89],
                      "note": f"{i:08x}" * 20, "blob": secrets.token_bytes(60)} for i in numbers],
                    ordered=False,
                )  # fmt: skip
                made += len(numbers)
            database[name].create_index("score")
    return made


def cases(directory: Path, url: str) -> Iterator[Case]:
    """Floors, MongoDB's tools where they are, ours."""
    where = directory / "url"
    where.write_text(url, encoding="utf-8")
    yield Case("floor: raw scan > nothing", [sys.executable, "-c", _SCAN, str(where)])
    if dump := shutil.which("mongodump"):
        config = directory / "tools.yaml"
        config.write_text(f"uri: '{url}'\n", encoding="utf-8")
        out = directory / "mongodump"
        yield Case("mongodump --out", [dump, f"--config={config}", f"--out={out}", "--quiet"], fresh=out)
    identity = pyrage.x25519.Identity.generate()
    (directory / "age.key").write_text(f"{identity}\n", encoding="utf-8")
    for level in ("off", "counts", "full"):
        home = directory / level
        home.mkdir()
        (home / "ops.yaml").write_text(
            "base: base\nsources:\n  bench:\n    kind: mongodb\n    url: {file: ../url}\n"
            f"    fingerprint: '{level}'\n"
            f"    encrypt: {{age: ['{identity.to_public()}'], identity: {{file: ../age.key}}}}\n",
            encoding="utf-8",
        )
        argv = [sys.executable, "-c", _TAKE, str(home / "ops.yaml")]
        yield Case(f"backup, fingerprint {level}", argv, fresh=home / "base")
    yield Case("floor: scan + insert_many, no index", [sys.executable, "-c", _INSERT, str(where)])
    for level in ("off", "full"):
        yield Case(f"verify, fingerprint {level}", [sys.executable, "-c", VERIFY, str(directory / level / "ops.yaml")])


def markdown(measured: dict[str, Figures], megabytes: float, about: dict[str, object]) -> str:
    """The table."""
    lines = [", ".join(f"{key}: {value}" for key, value in about.items()), ""]
    lines += ["| case | median | min–max | MB/s | memory |", "|---|--:|--:|--:|--:|"]
    for name, one in measured.items():
        lines.append(f"| {name} | {one.spread} | {megabytes / one.median:.1f} | {one.ours_mb:.0f} MB |")
    lines += ["", *phase_lines(measured)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the database, run every case in turn, and write what came out."""
    parser = argparse.ArgumentParser(description="MongoDB backup and verification against the floor.")
    parser.add_argument("--mb", type=float, default=50, help="size of the database (50)")
    parser.add_argument("--runs", type=int, default=3, help="times every case runs (3)")
    parser.add_argument("--url", help="a server of your own with an empty database in the path; made full, not emptied")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    arguments = parser.parse_args()
    os.umask(0o077)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        directory, password = Path(name), secrets.token_urlsafe(16)
        url = arguments.url
        if url is None:
            port = stack.enter_context(private_secantus(directory, user="bench", password=password))
            url = with_credentials("127.0.0.1", port, "bench", "bench", password)
        rows = fill(url, arguments.mb)
        listed = list(cases(directory, url))
        measured = {case.name: Figures() for case in listed}
        for run in range(arguments.runs):
            print(f"run {run + 1} of {arguments.runs}: {rows} documents", flush=True)
            for case in listed:
                if case.fresh is not None:
                    shutil.rmtree(case.fresh, ignore_errors=True)
                measure(case.name, case.argv, measured[case.name])
                with MongoClient[dict[str, Any]](url) as client:
                    client.drop_database("floor")
                    version = client.admin.command("buildInfo")
    server = f"SecantusDB {version['secantusVersion']}" if "secantusVersion" in version else version["version"]
    about: dict[str, object] = {
        "server": server, "documents": rows, "MB": arguments.mb, "runs": arguments.runs, "cores": os.cpu_count(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB", "Python": platform.python_version(),
    }  # fmt: skip
    table = markdown(measured, arguments.mb, about)
    print("\n" + table)
    if arguments.markdown:
        arguments.markdown.write_text(table, encoding="utf-8")
    if arguments.json:
        figures = {case: {**asdict(one), "median": one.median} for case, one in measured.items()}
        arguments.json.write_text(json.dumps({"about": about, "cases": figures}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
