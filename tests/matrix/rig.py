"""A protected source with two restore points and a neighbour, and what becomes of a copy of it all when it is damaged.

Base backups are taken once per engine; each case works on a copy of the whole directory. Verification is the real one,
from the second store. Two things are put around the real engine: scratch databases come from one scratch server that
all cases of an engine share, since to start one takes longer than all else; and a saboteur restores for real and then
changes what was restored, as a broken dump or restore would have left it.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyrage
from pydantic import PrivateAttr

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.config.models import Config
from ops_pipelines.engines.base import Engine, Restored
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.verdict import Check, Verdict
from ops_pipelines.workspace import Workspace
from tests.matrix.case import REFUSED, Act, Case, Seen
from tests.matrix.stored import Stored

PASSWORD = "a 'canary' pass:word@/%"


@dataclass(frozen=True)
class Rig:
    """One engine's source `crm`, its neighbour `other`, and their backups.

    Attributes:
        path: the directory with `ops.yaml` and all stores in it.
        sources: the sources as in `ops.yaml`.
        fresh: makes a copy of the source for a case to change, in the case's directory.
        scratch: an empty database on the shared scratch server, given the facts of a manifest; None where folders do.
        older, newer, neighbour: ids of the restore points.
    """

    engine: str
    path: Path
    sources: Mapping[str, Any]
    fresh: Callable[[Path], "Fresh"]
    scratch: "Scratch | None" = None
    older: str = ""
    newer: str = ""
    neighbour: str = ""


@dataclass(frozen=True)
class Fresh:
    """A source of a case's own: the keys of its configuration, and what its act is given."""

    source: Mapping[str, Any]
    given: Any


Scratch = Callable[[Mapping[str, Any]], str]


class _Tampered(Config):
    """A configuration whose restores are tampered with."""

    _scratch: Scratch | None = PrivateAttr()
    _act: Act = PrivateAttr()

    def engine(self, name: str) -> Engine:
        engine: Engine = _Saboteur(super().engine(name), self._scratch, self._act)
        return engine


def tampered(config: Config, rig: Rig, act: Act) -> Config:
    """The same, where `act` changes what was restored."""
    made = _Tampered.model_construct(**dict(config))
    made._scratch, made._act = rig.scratch, act
    return made


class _Saboteur:
    """The real engine on the shared scratch server; after its restore, `act` changes what is there."""

    def __init__(self, engine: Engine, scratch: Scratch | None, act: Act) -> None:
        self._engine, self._scratch, self._act = engine, scratch, act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @contextmanager
    def scratch(self, directory: Path, facts: Mapping[str, Any]) -> Iterator[str]:
        if self._scratch is not None:
            yield self._scratch(facts)
            return
        with self._engine.scratch(directory, facts) as target:
            yield target

    def restore(self, parts: Any, facts: Any, target: str, **options: Any) -> Restored:
        restored = self._engine.restore(parts, facts, target, **options)
        self._act(target)
        return restored


def write_config(path: Path, sources: Mapping[str, Any]) -> None:
    """An `ops.yaml` with a key, a second store and these sources."""
    key = path / "age.key"
    if not key.exists():
        for name, secret in {"age.key": str(pyrage.x25519.Identity.generate()), "password": PASSWORD}.items():
            (path / name).touch(mode=0o600)
            (path / name).write_text(secret, encoding="utf-8")
    public = str(pyrage.x25519.Identity.from_str(key.read_text(encoding="utf-8")).to_public())
    document = {
        "base": "base",
        "defaults": {
            "encrypt": {"age": [public], "identity": {"file": "age.key"}},
            "copies": ["nas"],
            # What came back is changed by hands that do not reach into a sandbox.
            "verify": {"isolation": "none"},
        },
        "stores": {"nas": {"kind": "directory", "path": "nas", "offsite": True}},
        "sources": dict(sources),
    }
    (path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")


def opened(path: Path) -> Workspace:
    """The configuration in a directory, opened."""
    return Workspace(load_config(path / "ops.yaml", environ={}))


def back_up(workspace: Workspace, name: str) -> str:
    """Take a restore point and copy it to the second store; returns its id."""
    manifest = take_backup(workspace, name)
    point = workspace.catalogue(name).find(manifest.id)
    assert point is not None
    copy_to(workspace, point, "nas")
    return manifest.id


def observe(rig: Rig, case: Case) -> Seen:
    """Apply a corruption to a copy of the rig and say what came of it, the same for each of its variants."""
    # A socket's path is short: not below pytest's directory.
    with TemporaryDirectory(prefix="matrix-") as name:
        seen = []
        for number, act in enumerate(case.acts):
            path = Path(name) / str(number)
            shutil.copytree(rig.path, path, symlinks=True)
            seen.append(_OBSERVE[case.where](rig, path, act))
    assert len(set(seen)) == 1, f"{case.name}: variants end differently: {seen}"
    return seen[0]


def _stored(rig: Rig, path: Path, act: Act) -> Seen:
    point = opened(path).catalogue("crm").find(rig.newer)
    act(Stored(path, rig.older, rig.newer, rig.neighbour))
    return _verdict(rig, path, point)


def _restored(rig: Rig, path: Path, act: Act) -> Seen:
    return _verdict(rig, path, opened(path).catalogue("crm").find(rig.newer), act)


def _source(rig: Rig, path: Path, act: Act) -> Seen:
    fresh = rig.fresh(path)
    write_config(path, {**rig.sources, "crm": fresh.source})
    act(fresh.given)
    workspace = opened(path)
    before = workspace.catalogue("crm").points
    try:
        taken = back_up(workspace, "crm")
    except OpsError:
        assert workspace.catalogue("crm").points == before
        return REFUSED
    return _verdict(rig, path, workspace.catalogue("crm").find(taken))


def notable(verdict: Verdict) -> list[Check]:
    """What a human should look at, but what this house wishes: no isolation, and a source that becomes another."""
    return [check for check in verdict.notable if check.name not in ("isolation", "identity")]


def _verdict(rig: Rig, path: Path, point: RestorePoint | None, act: Act = lambda target: None) -> Seen:
    assert point is not None
    verdict = verify(Workspace(tampered(opened(path).config, rig, act)), point, store="nas")
    told = verdict.failed or notable(verdict)
    return Seen(verdict.outcome, tuple(dict.fromkeys(check.name for check in told)))


_OBSERVE = {"stored": _stored, "restored": _restored, "source": _source}
