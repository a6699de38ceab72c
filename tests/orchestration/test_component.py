"""In a project of components, five lines of YAML are a backup that is proved."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.metadata import entry_points
from pathlib import Path

from ops_pipelines.components import OpsBackupsComponent

PROJECT = """
[project]
name = "shop"
version = "0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "shop"
"""
DEFINITIONS = """
from pathlib import Path
import dagster as dg

@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
THEIRS = """
import dagster as dg

@dg.asset(deps=[dg.AssetKey(["backups", "app", "verified"])], owners=["ann@example.com"])
def announced(): ...

@dg.asset(key_prefix="dbt", owners=["ann@example.com"])
def orders(): ...
"""
BACKUPS = """\
type: ops_pipelines.components.OpsBackupsComponent
attributes:
  config: ops.yaml
  key_prefix: backups
  owners: [ann@example.com]
  partitions_start: 2026-01-01
  after: {app: [dbt/orders]}
"""
USE = """
import json, sys
from datetime import datetime, timezone
import dagster as dg
from shop.definitions import defs

loaded = defs() if callable(defs) else defs
graph = loaded.resolve_asset_graph()
with dg.DagsterInstance.local_temp(sys.argv[1]) as instance:
    verified = dg.AssetKey(["backups", "app", "verified"])
    done = loaded.resolve_job_def("backups_backup").execute_in_process(
        instance=instance, partition_key=f"{datetime.now(timezone.utc):%Y-%m-%d}", tags={"ops/source": "app"},
        asset_selection=[dg.AssetKey(["backups", "app", "dump"]), verified], raise_on_error=False,
    )
    metadata = instance.get_latest_materialization_event(verified).asset_materialization.metadata
print(json.dumps({
    "keys": sorted(key.to_user_string() for key in graph.get_all_asset_keys()),
    "parents": [key.to_user_string() for key in graph.get(dg.AssetKey(["backups", "app", "dump"])).parent_keys],
    "first": graph.get(verified).partitions_def.get_first_partition_key(),
    "owners": list(graph.get(verified).owners), "success": done.success, "verdict": metadata["verdict"].value,
}))
"""


def made(project: Path) -> Path:
    """A project as `create-dagster` makes one, with an asset of its own; returns the folder of its definitions."""
    package = project / "src" / "shop"
    defs = package / "defs"
    (defs / "backups").mkdir(parents=True)
    for folder in (package, defs):
        (folder / "__init__.py").touch()
    (project / "pyproject.toml").write_text(PROJECT, "utf-8")
    (package / "definitions.py").write_text(DEFINITIONS, "utf-8")
    (defs / "theirs.py").write_text(THEIRS, "utf-8")
    return defs


def test_five_lines_of_a_project_of_components_back_up_and_prove(tmp_path: Path) -> None:
    defs = made(tmp_path / "shop")
    (defs / "backups" / "defs.yaml").write_text(BACKUPS, "utf-8")
    with closing(sqlite3.connect(tmp_path / "app.sqlite")) as database:
        database.execute("create table orders (id integer primary key)")
    written = f"base: {tmp_path}/base\nsources: {{app: {{kind: sqlite, paths: [{tmp_path}/app.sqlite]}}}}\n"
    (tmp_path / "shop" / "ops.yaml").write_text(written, "utf-8")
    (tmp_path / "dagster").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path / "dagster")],
        cwd=tmp_path / "shop" / "src", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["success"], told["verdict"], told["owners"]) == (True, "verified", ["ann@example.com"])
    assert (told["parents"], told["first"]) == (["dbt/orders"], "2026-01-01")
    assert {"announced", "dbt/orders", "backups/app/dump", "backups/app/verified", "backups/backup_report"} <= set(
        told["keys"]
    )


def test_it_is_registered_and_documents_each_attribute() -> None:
    (found,) = [each for each in entry_points(group="dagster_dg_cli.registry_modules") if each.name == "ops_pipelines"]
    assert found.load().OpsBackupsComponent is OpsBackupsComponent
    schema = OpsBackupsComponent.get_model_cls().model_json_schema()["properties"]
    assert {"config", "key_prefix", "owners", "tags", "after", "partitions_start"} <= schema.keys()
    assert all(each.get("description") for each in schema.values()), schema
