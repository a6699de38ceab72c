"""Folders and tars that were made by other means become restore points of their time."""

import io
import tarfile
from datetime import datetime, timezone
from pathlib import Path

import pytest

from ops_pipelines.engines.base import Dumped, Legacy
from ops_pipelines.errors import SourceError
from ops_pipelines.recovery.compare import compare
from ops_pipelines.vault.manifest import Manifest, Summary
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.writer import Staged
from tests.engines.files.conftest import House

AT = datetime(2025, 3, 4, 5, 6, 7, tzinfo=timezone.utc)


def legacy_of(house: House, kind: str) -> Legacy:
    if kind == "folder":
        return Legacy("uploads-20250304", AT, folder=house.uploads)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(house.uploads, arcname=".")
    packed.seek(0)
    return Legacy("uploads.tar", AT, stream=packed)


def manifest_of(staged: Staged, dumped: Dumped) -> Manifest:
    """What the caller of `adopt` writes."""
    held = dumped.contents
    summary = Summary(
        level=held.level, objects=0, tables=0, rows=held.rows, schema_digest="", content_digest=held.content_digest
    )
    return Manifest(
        id="20250304T050607Z-0000", source="files", kind="files", host="here", product="test", started_at=AT,
        snapshot_at=AT, finished_at=AT, engine=dumped.facts, contents=summary, recipients=(), parts=staged.parts,
        restore_by_hand=(),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_what_was_kept_by_other_means_is_taken_in_and_comes_back(house: House, kind: str, tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    staged = Staged(staging, (), house.workspace.local.repository("files"))
    engine = house.engine
    dumped = engine.adopt(legacy_of(house, kind), staged)
    assert dumped.snapshot_at == AT
    folder = house.path / "back"
    folder.mkdir()
    parts = Copy(house.workspace.local, manifest_of(staged, dumped), lambda: ())
    restored = engine.restore(parts, dumped.facts, folder.as_uri(), work=tmp_path, globals_too=False)
    checks = compare(dumped.contents, engine.contents(folder.as_uri(), "full", notes=restored.notes))
    assert all(check.passed for check in checks), checks
    assert (folder / "invoices" / "1.pdf").read_bytes() == (house.uploads / "invoices" / "1.pdf").read_bytes()


def test_a_broken_tar_and_an_empty_folder_are_refused(house: House, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    for number, legacy in enumerate(
        (
            Legacy("broken.tar", AT, stream=io.BytesIO(b"no tar" * 1000)),
            Legacy("nothing", AT, folder=tmp_path / "nothing"),
        )
    ):
        staging = tmp_path / f"staging {number}"
        staging.mkdir()
        with pytest.raises(SourceError):
            house.engine.adopt(legacy, Staged(staging, (), house.workspace.local.repository("files")))
