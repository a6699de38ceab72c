"""A site that lets nobody in, and the centre that takes what it brings: two installations, and one store of both.

    python -m tests.sites.two_houses site|centre FOLDER

does what each does by itself, once: the site dumps and brings, the centre's sensor looks. It says `ready` first, so
that whoever kills it hits the work and not the start.
"""

import json
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pyrage

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.clock import Clock, SystemClock
from ops_pipelines.config.load import load_config
from ops_pipelines.orchestration.build import definitions_of
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.workspace import Workspace


@dataclass(frozen=True)
class Houses:
    """Both, below one folder."""

    folder: Path

    def site(self, clock: Clock | None = None) -> Workspace:
        """The site, which has the database."""
        return Workspace(load_config(self.folder / "site" / "ops.yaml", environ={}), clock or SystemClock())

    def centre(self, clock: Clock | None = None) -> Workspace:
        """The centre, which has a second store of its own."""
        return Workspace(load_config(self.folder / "centre" / "ops.yaml", environ={}), clock or SystemClock())

    def instance(self) -> dg.DagsterInstance:
        """The centre's Dagster."""
        return dg.DagsterInstance.from_config(str(self.folder / "dagster"))

    def say_at_centre(self, after: str, more: str) -> None:
        """More text in the `ops.yaml` of the centre."""
        path = self.folder / "centre" / "ops.yaml"
        path.write_text(path.read_text("utf-8").replace(after, after + more), "utf-8")

    def change(self) -> None:
        """Something new in the database."""
        with closing(sqlite3.connect(self.folder / "site" / "crm.db")) as opened, opened:
            opened.execute("create table if not exists t (i integer primary key, said text)")
            opened.executemany("insert into t (said) values (?)", [(f"row {i}",) for i in range(2000)])


def build(folder: Path) -> Houses:
    """Make both, each with keys of its own; the centre is told what it may believe."""
    site, centre = (pyrage.x25519.Identity.generate() for _ in range(2))
    both = [str(site.to_public()), str(centre.to_public())]
    (folder / "dagster").mkdir()
    (folder / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n", "ascii")
    houses = Houses(folder)
    store = {"kind": "directory", "path": "../drop", "offsite": True}
    source: dict[str, Any] = {"kind": "sqlite", "paths": ["../site/crm.db"]}
    _write(folder / "site", str(site), {
        "defaults": {"encrypt": {"age": both, "identity": {"file": "age.key"}}, "copies": ["drop"]},
        "stores": {"drop": {**store, "pruned_elsewhere": True}},
        "sources": {"crm": source},
    })  # fmt: skip
    houses.change()
    workspace = houses.site()
    installation, signer = workspace.signing.signer(datetime.now(timezone.utc))
    _write(folder / "centre", str(centre), {
        "defaults": {"encrypt": {"age": both, "identity": {"file": "age.key"}}, "copies": ["drop", "nas"]},
        "stores": {"drop": store, "nas": {"kind": "directory", "path": "nas", "medium": "nas"}},
        "installations": {"brno": {"id": installation.id, "keys": [signer.verifier.line]}},
        "sources": {"crm": {**source, "paths": ["/nowhere/crm.db"], "taken_by": "brno"}},
    })  # fmt: skip
    houses.centre().signing.signer(datetime.now(timezone.utc))
    return houses


def _write(folder: Path, identity: str, document: dict[str, Any]) -> None:
    folder.mkdir(mode=0o700)
    (folder / "age.key").touch(mode=0o600)
    (folder / "age.key").write_text(identity, "ascii")
    (folder / "ops.yaml").write_text(json.dumps({"base": "base", **document}, indent=1), "utf-8")


def bring(site: Workspace) -> str:
    """What the site's timer does: dump, and bring all that the store lacks; returns the new restore point's id."""
    made = take_backup(site, "crm")
    for point in site.catalogue("crm").wanting("drop"):
        copy_to(site, point, "drop")
    return made.id


def look(centre: Workspace, instance: dg.DagsterInstance) -> Sequence[dg.RunRequest]:
    """A tick of the centre's sensor, as the daemon does it; returns the runs that it asks for."""
    repository = definitions_of(Installation(centre)).get_repository_def()
    with dg.build_sensor_context(instance=instance, repository_def=repository) as context:
        ticked = repository.get_sensor_def("arrivals")(context)
    assert isinstance(ticked, dg.SensorResult)
    for event in ticked.asset_events:
        instance.report_runless_asset_event(event)
    return ticked.run_requests or []


def run(centre: Workspace, instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """Do what the sensor asks for."""
    job = definitions_of(Installation(centre)).resolve_job_def("backup")
    return job.execute_in_process(
        instance=instance, partition_key=request.partition_key, asset_selection=list(request.asset_selection or ()),
        tags=dict(request.tags), raise_on_error=False,
    )  # fmt: skip


if __name__ == "__main__":
    both = Houses(Path(sys.argv[2]))
    if sys.argv[1] == "site":
        opened = both.site()
        print("ready", flush=True)
        bring(opened)
    else:
        with both.instance() as kept:
            opened = both.centre()
            print("ready", flush=True)
            look(opened, kept)
