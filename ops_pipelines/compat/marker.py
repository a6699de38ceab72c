"""The text file that older runbooks look for after a snapshot of folders: `snapshots/snapshot-YYYYmmdd-HHMM.txt`."""

import os
from pathlib import Path

from ops_pipelines import durable
from ops_pipelines.vault.manifest import Manifest


def write_marker(base: Path, manifest: Manifest) -> Path:
    """Say which snapshot was taken when, and of what; two of one minute share the file.

    Args:
        base: the directory everything is kept below.
    """
    folder = base / "snapshots"
    marker = folder / f"snapshot-{manifest.started_at:%Y%m%d-%H%M}.txt"
    folders = manifest.engine["roots"]
    assert isinstance(folders, list)
    paths = " ".join(str(each["path"]) for each in folders if isinstance(each, dict))
    line = f"{manifest.engine['snapshot']} {manifest.snapshot_at:%Y-%m-%dT%H:%M:%SZ} {manifest.source} {paths}\n"
    with durable.written_beside(marker, line.encode()) as unfinished:
        try:
            marker.hardlink_to(unfinished)
        except FileExistsError:
            with marker.open("a", encoding="utf-8") as sink:
                sink.write(line)
                sink.flush()
                os.fsync(sink.fileno())
    durable.flush(folder)
    return marker
