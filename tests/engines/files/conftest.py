"""A house with folders in it: an `ops.yaml` that protects them, a second store, and the steps every test takes."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage
import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.files.engine import FilesEngine
from ops_pipelines.engines.files.examine import FilesExaminer
from ops_pipelines.engines.files.settings import FilesSource
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.workspace import Workspace

PASSWORD = "a 'canary' pass:word@/%"


@dataclass(frozen=True)
class House:
    """A folder `uploads` and the `ops.yaml` that protects it as the source `files`."""

    path: Path

    @property
    def uploads(self) -> Path:
        """The protected folder."""
        return self.path / "uploads"

    @property
    def base(self) -> Path:
        """Where ours is kept."""
        return self.path / "base"

    def configure(self, *, sources: dict[str, Any] | None = None, **source: Any) -> None:
        """Write `ops.yaml`."""
        identity = pyrage.x25519.Identity.from_str((self.path / "age.key").read_text("utf-8"))
        document = {
            "base": "base",
            "defaults": {"encrypt": {"age": [str(identity.to_public())], "identity": {"file": "age.key"}}},
            "stores": {"nas": {"kind": "directory", "path": "nas"}},
            "sources": {
                **(sources or {}),
                "files": {
                    "kind": "files", "paths": ["uploads"], "password": {"file": "password"}, "copies": ["nas"], **source
                },
            },
        }  # fmt: skip
        (self.path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")

    @property
    def workspace(self) -> Workspace:
        """The configuration, opened anew."""
        return Workspace(load_config(self.path / "ops.yaml", environ={}))

    @property
    def engine(self) -> FilesEngine:
        """The engine of the folders."""
        engine = self.workspace.config.engine("files")
        assert isinstance(engine, FilesEngine)
        return engine

    @property
    def examiner(self) -> FilesExaminer:
        """Who answers the doctor's questions about the folders."""
        source = self.workspace.config.source("files")
        assert isinstance(source, FilesSource)
        return FilesExaminer("files", source)

    def backup(self) -> Manifest:
        """Take a restore point."""
        return take_backup(self.workspace, "files")

    def point(self, backup_id: str = "") -> RestorePoint:
        """A restore point as the catalogue has it, the newest unless named."""
        catalogue = self.workspace.catalogue("files")
        found = catalogue.find(backup_id) if backup_id else catalogue.newest
        assert found is not None
        return found

    def copy(self, backup_id: str = "") -> None:
        """Copy a restore point to the second store."""
        copy_to(self.workspace, self.point(backup_id), "nas")

    def verify(self, store: str = "local", backup_id: str = "") -> Verdict:
        """Prove a copy."""
        return verify(self.workspace, self.point(backup_id), store=store)

    def repository(self, store: str = "local") -> Path:
        """Where restic keeps the data."""
        return Path(self.workspace.stores[store].repository("files").address)

    def snapshots(self, store: str = "local") -> dict[str, str]:
        """The repository's snapshots: their ids by their own tags."""
        found = self.engine._restic(self.workspace.stores[store].repository("files")).snapshots()
        return {tag: each["id"] for each in found for tag in each["tags"] if tag.startswith("ops-")}

    def packs(self, store: str = "local") -> list[Path]:
        """The repository's packs, largest first."""
        found = [path for path in self.repository(store).glob("data/*/*") if path.is_file()]
        return sorted(found, key=lambda path: -path.stat().st_size)


MakeHouse = Callable[..., House]


@pytest.fixture
def make_house(tmp_path: Path) -> MakeHouse:
    """Builds a house; takes keys of the source."""

    def make(**source: Any) -> House:
        house = House(tmp_path / "house")
        house.path.mkdir(mode=0o700)
        house.uploads.mkdir()
        for name, secret in {"age.key": str(pyrage.x25519.Identity.generate()), "password": PASSWORD}.items():
            (house.path / name).touch(mode=0o600)
            (house.path / name).write_text(secret, encoding="utf-8")
        house.configure(**source)
        return house

    return make


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """A house with a few files."""
    built = make_house()
    (built.uploads / "invoices").mkdir()
    (built.uploads / "invoices" / "1.pdf").write_bytes(b"one " * 1000)
    (built.uploads / "invoices" / "2.pdf").write_bytes(os.urandom(100_000))
    (built.uploads / "logo.png").write_bytes(os.urandom(3_000_000))
    return built


def flip(path: Path) -> None:
    """Change one bit of a file in its middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
