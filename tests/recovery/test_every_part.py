"""A copy is proved when every byte of it is, also of parts that its restore has no use for."""

import hashlib
from pathlib import Path

from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.manifest import Part
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.workspace import Workspace
from tests.engines.sqlite.conftest import House, house
from tests.sample import flip_byte
from tests.unit.vaults import rewrite

__all__ = ["house"]
SPARE = b"what another release of ours kept beside its dump " * 100


def with_a_spare_part(house: House) -> tuple[Workspace, RestorePoint, Path]:
    """A backup with a part in both stores that no engine of this release reads; returns that part on the NAS."""
    house.database("app.db", "create table t (i); insert into t values (1)")
    workspace = house.configure()
    house.proved(workspace)
    point = workspace.catalogue("app").points[0]
    part = Part(
        name="spare.bin", role="spare", size_bytes=len(SPARE), sha256=hashlib.sha256(SPARE).hexdigest(),
        plain_bytes=len(SPARE), compression="none", encryption="none",
    )  # fmt: skip
    manifest = point.manifest.model_copy(update={"parts": [*point.manifest.parts, part]})
    for store in workspace.stores.values():
        assert isinstance(store, DirectoryStore)
        folder = store.directory("app", point.id)
        (folder / part.name).write_bytes(SPARE)
        rewrite(folder, manifest, workspace.trust)
    for path in workspace.config.base.glob("ledger.sqlite*"):
        path.unlink()  # it saw another manifest
    again = house.configure()
    nas = again.stores["nas"]
    assert isinstance(nas, DirectoryStore)
    return again, again.catalogue("app").points[0], nas.directory("app", point.id) / part.name


def test_damage_in_a_part_that_the_restore_does_not_read_is_found(house: House) -> None:
    workspace, point, spare = with_a_spare_part(house)
    whole = verify(workspace, point)
    assert whole.outcome == "verified", whole.reason
    assert {check.name: check.detail for check in whole.checks}["checksum"] == "3 parts"
    flip_byte(spare)
    damaged = verify(workspace, point)
    assert (damaged.outcome, damaged.blames) == ("bad", "copy")
    assert [check.name for check in damaged.failed] == ["checksum"] and "spare.bin" in damaged.reason
    elsewhere = verify(workspace, point, store="local")
    assert elsewhere.outcome == "verified", "the other copy is whole"
