"""An installation with a store that others can write to, and what is seen of it."""

from pathlib import Path

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.config.load import load_config
from ops_pipelines.vault.catalogue import Catalogue
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.trust import Standing
from ops_pipelines.workspace import Workspace
from tests.unit.vaults import publish

FIRST, SECOND = "20261121T020000Z-0001", "20261121T080000Z-0002"


def house_in(folder: Path, nas: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("URL", "postgresql://nobody@localhost/x")
    folder.mkdir()
    (folder / "ops.yaml").write_text(
        f"base: base\nstores: {{nas: {{kind: directory, path: {nas}}}}}\n"
        "sources: {crm: {kind: postgres, url: {env: URL}, keep: {last: 1}}}\n",
        encoding="utf-8",
    )
    return Workspace(load_config(folder / "ops.yaml", environ={}))


def both(house: Workspace, backup_id: str = FIRST) -> Path:
    """Publish a restore point, copy it to the NAS; returns its directory there."""
    with house.ledger.activity("dump", source="crm") as entry:
        manifest = publish(house.local, backup_id)
        entry.backup_id, entry.store = backup_id, "local"
        entry.meta = {"manifest_sha256": manifest.sha256(), "number": manifest.number}
    point = house.catalogue("crm").find(backup_id)
    assert point is not None
    copy_to(house, point, "nas")
    return nas_of(house).directory("crm", backup_id)


def nas_of(house: Workspace) -> DirectoryStore:
    nas = house.stores["nas"]
    assert isinstance(nas, DirectoryStore)
    return nas


def standings(catalogue: Catalogue) -> list[tuple[Standing, str, str]]:
    return [(each.standing, each.id, each.store) for each in catalogue.strangers]


def ids(catalogue: Catalogue) -> list[tuple[str, tuple[str, ...]]]:
    return [(point.id, tuple(point.stores)) for point in catalogue.points]
