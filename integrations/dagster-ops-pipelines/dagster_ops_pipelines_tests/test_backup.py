"""A SQLite database is backed up and proved by what the README shows."""

import sqlite3
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.libraries import DagsterLibraryRegistry

from dagster_ops_pipelines import (
    OpsBackupsComponent,
    __version__,
    build_definitions,
    load_config,
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An `ops.yaml` that protects a database with one table."""
    with closing(sqlite3.connect(tmp_path / "app.sqlite")) as database:
        database.execute("create table orders (id integer primary key)")
    (tmp_path / "ops.yaml").write_text(
        "sources: {app: {kind: sqlite, paths: [app.sqlite]}}\n", encoding="utf-8"
    )
    return tmp_path / "ops.yaml"


def test_a_backup_is_made_and_proved(config: Path) -> None:
    definitions = dg.Definitions.merge(
        dg.Definitions(), build_definitions(load_config(config), key_prefix="backups")
    )
    verified = dg.AssetKey(["backups", "app", "verified"])
    with dg.DagsterInstance.ephemeral() as instance:
        done = definitions.resolve_job_def("backups_backup").execute_in_process(
            instance=instance,
            partition_key=f"{datetime.now(timezone.utc):%Y-%m-%d}",
            asset_selection=[dg.AssetKey(["backups", "app", "dump"]), verified],
        )
        event = instance.get_latest_materialization_event(verified)
    assert (
        done.success and event is not None and event.asset_materialization is not None
    )
    assert event.asset_materialization.metadata["verdict"].value == "verified"


def test_the_component_builds_the_same_assets(config: Path) -> None:
    context = dg.ComponentTree.for_test().load_context
    component = OpsBackupsComponent(config=str(config), key_prefix="backups")
    keys = component.build_defs(context).resolve_asset_graph().get_all_asset_keys()
    assert {
        dg.AssetKey(["backups", "app", part]) for part in ("dump", "verified")
    } <= keys


def test_the_library_is_registered() -> None:
    assert DagsterLibraryRegistry.get()["dagster-ops-pipelines"] == __version__
