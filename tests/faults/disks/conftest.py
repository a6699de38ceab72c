"""A house whose every step is recorded, and what must hold of it whenever the power is cut."""

import gc
import json
import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace, open_workspace
from tests.faults.disks.disk import Disk
from tests.faults.disks.recorded import record

REPOSITORY = Path(__file__).parents[3]
OPS = Path(sys.executable).with_name("ops")
ROWS = """
create table people (id integer primary key, name text not null);
insert into people (name) values ('Ada'), ('Grace'), ('Žofie');
"""


@dataclass(frozen=True)
class House:
    """An `ops.yaml` with a database file, `app`, and a folder, `uploads`; `base` and the store `nas` beside it."""

    path: Path

    @property
    def config(self) -> Path:
        """Its `ops.yaml`."""
        return self.path / "ops.yaml"

    def build(self, **top: object) -> None:
        """Write it, with nothing backed up yet."""
        (self.path / "data").mkdir(parents=True)
        with closing(sqlite3.connect(self.path / "data" / "app.sqlite")) as opened:
            opened.executescript(ROWS)
        (self.path / "uploads").mkdir()
        (self.path / "uploads" / "a.txt").write_text("a letter\n", encoding="utf-8")
        key = pyrage.x25519.Identity.generate()
        for name, secret in {
            "age.key": str(key),
            "restic.pw": "a long password\n",
            "kit.pw": "five words of it\n",
        }.items():
            (self.path / name).touch(mode=0o600)
            (self.path / name).write_text(secret, encoding="utf-8")
        document = {
            "base": "base",
            "defaults": {
                "encrypt": {"age": [str(key.to_public())], "identity": {"file": "age.key"}},
                "copies": ["nas"],
                "keep": {"last": 1, "daily": 0, "weekly": 0, "monthly": 0, "min_verified": 1},
            },
            "stores": {"nas": {"kind": "directory", "path": "nas"}},
            "sources": {
                "app": {"kind": "sqlite", "paths": ["data"]},
                "uploads": {"kind": "files", "paths": ["uploads"], "password": {"file": "restic.pw"}},
            },
            **top,
        }
        self.config.write_text(json.dumps(document, indent=1), encoding="utf-8")

    def workspace(self) -> Workspace:
        """It, opened anew."""
        return open_workspace(load_config(self.config, environ={}))

    def does(self, verb: str, name: str = "app") -> list[str]:
        """The command line of a verb of `worker`."""
        return [sys.executable, "-m", "tests.faults.worker", verb, str(self.config), name]

    def ops(self, *words: str) -> list[str]:
        """The command line of `ops`."""
        return [str(OPS), *words, "--config", str(self.config)]

    def recorded(self, argv: list[str], *, accept: tuple[int, ...] = (0,)) -> tuple[Disk, str]:
        """Run it to its end, and everything that it did to the house."""
        gc.collect()  # a ledger that a test no longer holds takes its files away now, not while they are listed
        return record(self.path, argv, cwd=REPOSITORY, log=self.path.with_name("strace"), accept=accept)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A fresh one."""
    built = House(tmp_path / "house")
    built.build()
    return built


@pytest.fixture(scope="session")
def _proved(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house with a proved restore point of each source, in both stores."""
    house = House(tmp_path_factory.mktemp("disks") / "house")
    house.build()
    workspace = house.workspace()
    for name in ("app", "uploads"):
        take_backup(workspace, name)
        copy_to(workspace, newest(workspace, name), "nas")
        assert verify(workspace, newest(workspace, name)).outcome == "verified"
    return house


def newest(workspace: Workspace, name: str) -> RestorePoint:
    """The newest restore point of a source."""
    point = workspace.catalogue(name).newest
    assert point is not None
    return point


@pytest.fixture
def used(_proved: House, tmp_path: Path) -> House:
    """A house of one's own with a proved restore point of each source, in both stores."""
    shutil.copytree(_proved.path, tmp_path / "house")
    return House(tmp_path / "house")
