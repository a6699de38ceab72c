"""Snapshot and restore of folders against plain restic, in the same run: `python -m benchmarks.files`.

Ours does more: it reads every file beside restic for the fingerprint, and compares it after the restore (which is
timed apart). The aim is a snapshot and a restore within 1.15 of plain restic's.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import median

import pyrage

from benchmarks.harness import timed
from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.recovery.verify import verify
from ops_pipelines.workspace import Workspace, open_workspace


def fill(folder: Path, files: int, total_bytes: int) -> None:
    """Half of it random, half compressible."""
    for number in range(files):
        path = folder / f"{number % 20:02}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = total_bytes // files
        path.write_bytes(os.urandom(size) if number % 2 else (b"%032d" % number) * (size // 32))


def configured(path: Path, uploads: Path) -> Workspace:
    """A workspace that protects the folder."""
    identity = pyrage.x25519.Identity.generate()
    (path / "age.key").write_text(str(identity), encoding="utf-8")
    (path / "password").write_text("bench", encoding="utf-8")
    encrypt = {"age": [str(identity.to_public())], "identity": {"file": "age.key"}}
    source = {"kind": "files", "paths": [str(uploads)], "password": {"file": "password"}, "encrypt": encrypt}
    document = {
        "base": "base",
        "stores": {"nas": {"kind": "directory", "path": "nas"}},
        "sources": {"files": {**source, "copies": ["nas"]}},
    }
    (path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    return open_workspace(load_config(path / "ops.yaml", environ={}))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as scratch:
        top = Path(scratch)
        uploads = top / "uploads"
        fill(uploads, arguments.files, arguments.megabytes * 1_000_000)
        for number in range(arguments.rounds):
            for name, seconds in one_round(top / str(number), uploads).items():
                found.setdefault(name, []).append(seconds)
            shutil.rmtree(top / str(number))
    middle = {name: median(seconds) for name, seconds in found.items()}
    print(f"{arguments.files} files, {arguments.megabytes} MB, median of {arguments.rounds}")
    for name in ("first snapshot", "unchanged", "restore"):
        ours, plain = middle[name], middle[f"{name}, restic"]
        print(f"{name:16} {ours:6.2f} s   restic {plain:6.2f} s   ratio {ours / plain:4.2f}")
    for name in ("copy", "verify"):
        print(f"{name:16} {middle[name]:6.2f} s")


def one_round(path: Path, uploads: Path) -> dict[str, float]:
    """Each step once, ours and restic's by turns."""
    path.mkdir()
    workspace = configured(path, uploads)
    environment = {
        **os.environ,
        "RESTIC_PASSWORD": "bench",
        "RESTIC_REPOSITORY": str(path / "plain"),
        "RESTIC_CACHE_DIR": str(path / "cache"),
    }

    def restic(*words: str) -> None:
        subprocess.run(["restic", "--quiet", *words], env=environment, check=True, stdout=subprocess.DEVNULL)

    # Both begin with a repository that is there: making one takes seconds, once.
    restic("init")
    repository = Path(workspace.local.repository("files").address)
    repository.parent.mkdir(parents=True)
    shutil.copytree(path / "plain", repository)
    seconds = {
        "first snapshot, restic": timed(lambda: restic("backup", str(uploads))),
        "first snapshot": timed(lambda: take_backup(workspace, "files")),
        "unchanged, restic": timed(lambda: restic("backup", str(uploads))),
        "unchanged": timed(lambda: take_backup(workspace, "files")),
        "restore, restic": timed(lambda: restic("restore", "latest", "--target", str(path / "restored"))),
    }
    point = workspace.catalogue("files").newest
    assert point is not None
    verdict = verify(workspace, point)
    assert verdict.outcome == "verified", verdict.reason
    seconds["restore"] = verdict.seconds["load"]
    seconds["verify"] = (verdict.finished_at - verdict.started_at).total_seconds()
    seconds["copy"] = timed(lambda: copy_to(workspace, point, "nas"))
    return seconds


if __name__ == "__main__":
    main()
