"""How fast is a copy into a bucket? `S3Store.receive` against `rclone copyto`, on the same Ceph gateway.

    python benchmarks/s3.py --gb 1 --runs 3

One file of random bytes, which nothing can compress, sent in parts of the same size by as many connections. The two
take turns, each in a process of its own, each into a new place; ours pays for starting Python, and for hashing the file
against its manifest. The gateway runs on this machine and takes most of its processors: the figures compare the two,
and say little about a network. Also measured: reading the copy back, and the most memory each process held.
"""

import argparse
import hashlib
import json
import os
import platform
import resource
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from ops_pipelines.clock import new_id
from ops_pipelines.vault.manifest import NAME, SIGNATURE, SUMS, Manifest, Part, Summary, checksums
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.vault.trust import Trust
from tests.servers.ceph import Ceph, start_ceph

CONCURRENCY, PART_MIB = 4, 16
_RECEIVE = """
import os, sys; from pathlib import Path
from ops_pipelines.vault.stores.s3.settings import S3Settings as Settings
from ops_pipelines.vault.manifest import read_manifest
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.vault.stores.s3.store import S3Store
from ops_pipelines.vault.trust import Trust
published = Path(sys.argv[1])
settings = Settings(kind="s3", bucket="bench", prefix=sys.argv[2], endpoint=sys.argv[3], concurrency=int(sys.argv[4]),
                    part_mib=int(sys.argv[5]), credentials={"env": "AWS"})
store = S3Store("bench", settings, Trust(Keys(published.parent / "keys")), cache=published.parent / "cache")
manifest = read_manifest((published / "manifest.json").read_bytes(), where="here")
if sys.argv[6] == "send":
    store.receive(manifest, published, lambda size: None)
else:
    with store.open_part(manifest.source, manifest.id, manifest.parts[0].name) as opened:
        while opened.read(1 << 20):
            pass
"""


def published(directory: Path, size_bytes: int) -> Manifest:
    """A restore point with one part of random bytes."""
    directory.mkdir()
    sha256 = hashlib.sha256()
    with (directory / "dump.pgc.zst.age").open("wb") as file:
        for _ in range(size_bytes // (1 << 20)):
            block = os.urandom(1 << 20)
            sha256.update(block)
            file.write(block)
    now = datetime.now(timezone.utc)
    part = Part(
        name="dump.pgc.zst.age", role="dump", size_bytes=size_bytes, sha256=sha256.hexdigest(),
        plain_bytes=size_bytes, compression="zstd", encryption="age",
    )  # fmt: skip
    manifest = Manifest(
        id=new_id(now), number=1, source="bench", kind="postgres", host="here", product="benchmark",
        started_at=now, snapshot_at=now, finished_at=now, engine={}, recipients=[], parts=[part], restore_by_hand=[],
        contents=Summary(level="off", objects=0, tables=0, rows=0, schema_digest="", content_digest=None),
    )  # fmt: skip
    content, trust = manifest.to_bytes(), Trust(Keys(directory.parent / "keys"))
    signature = trust.sign_point(content, source="bench", backup_id=manifest.id, number=1)
    for name, data in ((NAME, content), (SUMS, checksums(manifest, content)), (SIGNATURE, signature)):
        (directory / name).write_bytes(data)
    return manifest


def timed(argv: Sequence[str | Path], environment: dict[str, str]) -> tuple[float, float]:
    """Run a command; seconds from start to end, and the most memory in MiB that any child held so far."""
    started = time.monotonic()
    subprocess.run(argv, check=True, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    return time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def measure(ceph: Ceph, directory: Path, size_bytes: int, runs: int) -> dict[str, list[float]]:
    """Seconds of each case, run by run; `memory` in MiB."""
    manifest = published(directory / "published", size_bytes)
    part = directory / "published" / manifest.parts[0].name
    rclone = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert rclone is not None, "rclone is missing: make install-dev"
    keys = {"AWS_ACCESS_KEY_ID": ceph.access_key, "AWS_SECRET_ACCESS_KEY": ceph.secret_key}
    remote = {"RCLONE_CONFIG_C_TYPE": "s3", "RCLONE_CONFIG_C_PROVIDER": "Ceph", "RCLONE_CONFIG_C_ENV_AUTH": "true",
              "RCLONE_CONFIG_C_ENDPOINT": ceph.endpoint, "RCLONE_CONFIG": "/dev/null"}  # fmt: skip
    subprocess.run([rclone, "mkdir", "c:bench"], check=True, env={**os.environ, **keys, **remote})
    found: dict[str, list[float]] = {"receive": [], "rclone": [], "read back": [], "rclone read": [], "memory": []}
    for _ in range(runs):
        prefix = secrets.token_hex(4)
        ours = [sys.executable, "-c", _RECEIVE, part.parent, prefix, ceph.endpoint, str(CONCURRENCY), str(PART_MIB)]
        for case in ("send", "read"):
            seconds, memory = timed([*ours, case], keys)
            found["receive" if case == "send" else "read back"].append(seconds)
            # The most any child held: rclone's turn comes later, and holds more.
            if not found["rclone"]:
                found["memory"].append(memory)
        options = [f"--s3-chunk-size={PART_MIB}M", f"--s3-upload-concurrency={CONCURRENCY}", "--s3-upload-cutoff=0"]
        target = f"c:bench/rclone-{prefix}/part"
        found["rclone"].append(timed([rclone, "copyto", *options, part, target], {**keys, **remote})[0])
        found["rclone read"].append(timed([rclone, "cat", target], {**keys, **remote})[0])
        for each in (prefix, f"rclone-{prefix}"):
            subprocess.run([rclone, "purge", f"c:bench/{each}"], check=True, env={**os.environ, **keys, **remote})
    return found


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gb", type=float, default=1.0, help="size of the file in GiB")
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--json", type=Path, help="write the figures there")
    given = options.parse_args()
    size_bytes = int(given.gb * 1024) << 20
    with tempfile.TemporaryDirectory(prefix="s3-") as directory:
        (Path(directory) / "ceph").mkdir()
        with start_ceph(Path(directory) / "ceph", block_gib=int(2 * given.gb * given.runs) + 3) as ceph:
            found = measure(ceph, Path(directory), size_bytes, given.runs)
    middle = {name: statistics.median(values) for name, values in found.items()}
    print(f"{platform.machine()}, {os.cpu_count()} processors, {size_bytes >> 20} MiB, {CONCURRENCY} x {PART_MIB} MiB")
    for name, seconds in middle.items():
        if name != "memory":
            print(f"{name:12} {seconds:6.2f} s  {(size_bytes >> 20) / seconds:7.1f} MiB/s")
    print(f"receive runs at {middle['rclone'] / middle['receive']:.2f} x the rate of rclone copyto")
    print(f"reading runs at {middle['rclone read'] / middle['read back']:.2f} x the rate of rclone cat")
    print(f"at most {max(found['memory']):.0f} MiB of memory in our process")
    if given.json is not None:
        given.json.write_text(json.dumps({"size_bytes": size_bytes, **found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
