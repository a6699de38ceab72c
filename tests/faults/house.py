"""A house: an `ops.yaml` that protects one source, with a second store, a key, a channel for alerts, its own TMPDIR."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage

from ops_pipelines.config.load import load_config
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace, open_workspace
from tests.faults.left import left_in
from tests.faults.protected import Protected
from tests.watch.receivers import Webhook

REPOSITORY = Path(__file__).parents[2]
OPS = str(Path(sys.executable).with_name("ops"))
LIMITS = {"connect": "5s", "stall": "30s", "total": "90s", "lock": "60s"}


@dataclass(frozen=True)
class House:
    """Its directory, what it protects as the source `crm`, and who hears of trouble."""

    path: Path
    protected: Protected
    channel: Webhook | None = None
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def base(self) -> Path:
        """Its `base`."""
        return self.path / "base"

    @property
    def config(self) -> Path:
        """Its `ops.yaml`."""
        return self.path / "ops.yaml"

    @property
    def temporary(self) -> Path:
        """The directory for temporary files of every process of it that is started here."""
        return self.path / "tmp"

    def write(self, **limits: str) -> None:
        """Write `ops.yaml` with these limits of the source."""
        self.change(sources={"crm": {**self.protected.source, "limits": {**LIMITS, **limits}}})

    def change(self, **top: Any) -> None:
        """Change top-level keys of `ops.yaml`."""
        self.document.update(top)
        self.config.write_text(json.dumps(self.document, indent=1), encoding="utf-8")

    def workspace(self) -> Workspace:
        """It, opened anew."""
        return open_workspace(load_config(self.config, environ={}))

    def ids(self) -> list[str]:
        """What the catalogue lists."""
        catalogue = self.workspace().catalogue("crm")
        assert not catalogue.problems
        return [point.id for point in catalogue.points]

    def leftovers(self, allowed: Collection[str] = ()) -> list[str]:
        """Whatever a finished house must not have.

        Args:
            allowed: names at the top of its directory where plain data belong, beside its own.
        """
        own = {"age.key", "hook", *self.protected.secrets, *allowed}
        if self.protected.folder is not None:
            own.add(self.protected.folder.name)
        return left_in(self.path, self.workspace(), allowed=own, temporary=self.temporary)

    def newest(self) -> RestorePoint:
        """The newest restore point."""
        point = self.workspace().catalogue("crm").newest
        assert point is not None
        return point

    def environment(self) -> Mapping[str, str]:
        """What its processes see: temporary files go where this house is looked through."""
        return {**os.environ, "TMPDIR": str(self.temporary), "PYTHONUNBUFFERED": "1"}

    @contextmanager
    def worker(self, verb: str) -> Iterator["subprocess.Popen[str]"]:
        """A process that does `verb`, from the moment it begins; killed at the end of the block."""
        argv = [sys.executable, "-m", "tests.faults.worker", verb, str(self.config)]
        with subprocess.Popen(
            argv, cwd=REPOSITORY, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "begun\n"
                yield process
            finally:
                process.kill()

    def ops(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """An `ops` command to its end."""
        argv = [OPS, *words, "--config", str(self.config)]
        return subprocess.run(argv, env=self.environment(), capture_output=True, text=True, check=False)


def build(path: Path, protected: Protected, channel: Webhook | None = None, *, copies: bool = True) -> House:
    """Write a house into an empty directory.

    Args:
        copies: it has a second store, `nas`.
    """
    key = pyrage.x25519.Identity.generate()
    secrets = {"age.key": str(key), **protected.secrets, **({"hook": channel.url} if channel else {})}
    for name, secret in secrets.items():
        (path / name).touch(mode=0o600)
        (path / name).write_text(secret, encoding="utf-8")
    (path / "tmp").mkdir()
    shutil.copy(REPOSITORY / "dagster.yaml", path)
    house = House(path, protected, channel)
    house.document.update(
        base="base",
        defaults={
            "encrypt": {"age": [str(key.to_public())], "identity": {"file": "age.key"}},
            "copies": ["nas"] if copies else [],
            "verify": {"retry_after": "1s"},
            "keep": {"last": 3, "daily": 0, "weekly": 0, "monthly": 0, "min_verified": 1},
        },
        stores={"nas": {"kind": "directory", "path": "nas", "medium": "nas", "offsite": True}} if copies else {},
    )
    if channel is not None:
        house.document["alerts"] = {"channels": {"slack": {"file": "hook"}}}
    house.write()
    return house
