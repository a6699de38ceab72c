"""The text file that older runbooks look for after a snapshot of folders: `snapshots/snapshot-YYYYmmdd-HHMM.txt`."""

import os
from pathlib import Path

from ops_pipelines.vault.manifest import Manifest


def write_marker(base: Path, manifest: Manifest) -> Path:
    """Say which snapshot was taken when, and of what; two of one minute share the file.

    Args:
        base: the directory everything is kept below.
    """
    folder = base / "snapshots"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    marker = folder / f"snapshot-{manifest.started_at:%Y%m%d-%H%M}.txt"
    folders = manifest.engine["roots"]
    assert isinstance(folders, list)
    paths = " ".join(str(each["path"]) for each in folders if isinstance(each, dict))
    line = f"{manifest.engine['snapshot']} {manifest.snapshot_at:%Y-%m-%dT%H:%M:%SZ} {manifest.source} {paths}\n"
    with os.fdopen(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as sink:
        sink.write(line)
    return marker
