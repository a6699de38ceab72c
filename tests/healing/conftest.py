"""A house whose one source has a good backup in three stores; made once, and copied for each test."""

import json
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage
import pytest
from typer.testing import CliRunner

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.cli.main import app
from ops_pipelines.config.load import load_config
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import Catalogue
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.workspace import Workspace
from tests.engines.sqlite.conftest import House as Databases
from tests.stores.conftest import Bucket, moto, new_bucket  # noqa: F401 - a fixture

RULES = ("copy_damaged", "copy_lost", "verdict_damaged", "copy_failed")


@dataclass(frozen=True)
class House:
    """A folder with an `ops.yaml`; its source `app` is in `local`, `nas` and `far`, a bucket."""

    path: Path
    bucket: Bucket

    @property
    def workspace(self) -> Workspace:
        """The configuration, opened anew."""
        return Workspace(load_config(self.path / "ops.yaml", environ={}))

    @property
    def catalogue(self) -> Catalogue:
        """What its stores hold."""
        return self.workspace.catalogue("app")

    def ops(self, *words: str) -> tuple[int, str]:
        """Type a command: how it ended, and what it said."""
        done = CliRunner().invoke(app, [*words, "--config", str(self.path / "ops.yaml")])
        return done.exit_code, done.output

    def incidents(self) -> tuple[set[str], set[str]]:
        """What a round of alerting opened of copies, and what it ended, by rule and store."""
        settled = [each for each in watch_once(self.workspace).settled.values() if each is not None]
        opened, resolved = (
            {key for each in settled for key in keys(each) if key.split("/")[0] in RULES}
            for keys in (lambda each: each.opened, lambda each: each.resolved)
        )
        return opened, resolved

    def files(self, store: str, backup_id: str) -> "Files":
        """The files of a copy, and how they are changed behind the store's back."""
        roots = {"local": self.path / "base" / "restore-points", "nas": self.path / "nas"}
        if store == "far":
            return Files(None, f"backups/app/{backup_id}", self.bucket)
        return Files(roots[store] / "app" / backup_id, "", None)


@dataclass(frozen=True)
class Files:
    """One copy's files, in a directory or in a bucket."""

    folder: Path | None
    key: str
    bucket: Bucket | None

    def names(self) -> list[str]:
        """All of them, by their size."""
        if self.folder is not None:
            return sorted((each.name for each in self.folder.iterdir()), key=lambda name: -len(self.read(name)))
        assert self.bucket is not None
        names = [key.rpartition("/")[2] for key in self.bucket.listed() if key.startswith(self.key)]
        return sorted(names, key=lambda name: -len(self.read(name)))

    def read(self, name: str) -> bytes:
        """Its content."""
        if self.folder is not None:
            return (self.folder / name).read_bytes()
        assert self.bucket is not None
        return self.bucket.read(f"{self.key}/{name}")

    def write(self, name: str, content: bytes) -> None:
        """Put something in its place."""
        if self.folder is not None:
            (self.folder / name).write_bytes(content)
        elif self.bucket is not None:
            self.bucket.write(f"{self.key}/{name}", content)

    def remove(self, name: str) -> None:
        """Remove it."""
        if self.folder is not None:
            (self.folder / name).unlink()
        elif self.bucket is not None:
            self.bucket.client.delete_object(Bucket=self.bucket.name, Key=f"{self.key}/{name}")


@pytest.fixture(scope="module")
def bucket(moto: str) -> Bucket:  # noqa: F811
    """A bucket for the house."""
    return new_bucket(moto, "moto-access", secrets.token_hex(16))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> Path:
    """The house as it is before anything happens to it: three restore points, the newest proved in each store."""
    path = tmp_path_factory.mktemp("sound")
    (path / "age.key").touch(mode=0o600)
    (path / "age.key").write_text(str(pyrage.x25519.Identity.generate()), encoding="utf-8")
    databases = Databases(path)
    databases.database("app.db", "create table notes (note); insert into notes values ('one');")
    workspace = databases.configure()
    document: dict[str, Any] = json.loads((path / "ops.yaml").read_text("utf-8"))
    document["stores"]["far"] = bucket.settings(offsite=False).model_dump(mode="json", exclude_defaults=True) | {
        "credentials": {"access_key": {"file": "access"}, "secret_key": {"file": "secret"}}
    }
    for name, secret in {"access": bucket.access_key, "secret": bucket.secret_key}.items():
        (path / name).touch(mode=0o600)
        (path / name).write_text(secret, encoding="utf-8")
    document["sources"]["app"]["copies"] = ["nas", "far"]
    (path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    workspace = Workspace(load_config(path / "ops.yaml", environ={}))
    for _ in range(3):
        take_backup(workspace, "app")
    for point in workspace.catalogue("app").points:
        for store in ("nas", "far"):
            copy_to(workspace, point, store)
    newest = workspace.catalogue("app").newest
    assert newest is not None
    for store in ("local", "nas", "far"):
        assert verify(workspace, newest, store=store).outcome == "verified"
    return path


@pytest.fixture
def house(sound: Path, bucket: Bucket, tmp_path: Path) -> Iterator[House]:
    """A copy of the sound house. What a test changes in the bucket is put back."""
    path = tmp_path / "house"
    shutil.copytree(sound, path)
    kept = {key: bucket.read(key) for key in bucket.listed()}
    made = House(path, bucket)
    assert made.incidents() == (set(), set())
    yield made
    for key in {*bucket.listed()} - kept.keys():
        bucket.client.delete_object(Bucket=bucket.name, Key=key)
    for key, content in kept.items():
        bucket.write(key, content)
