"""A database and the folders that belong to it are taken in one run: the database first, neither in the other's way."""

from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import pytest

from ops_pipelines.config.load import load_config
from ops_pipelines.config.models import Config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.naming import SOURCE_TAG
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.build import build_definitions
from ops_pipelines.orchestration.jobs import group_selection
from ops_pipelines.orchestration.launch import RunResult, run_assets
from ops_pipelines.workspace import open_workspace
from tests.sample import write_config

NOW = datetime.now(timezone.utc)
_UPLOADS = """  uploads:
    kind: files
    paths: [files]
    password: {file: restic.key}
    with: crm
"""


@pytest.fixture
def grouped(tmp_path: Path, crm: Server) -> Config:
    """The CRM and its uploads."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "offer.pdf").write_bytes(b"an offer")
    (tmp_path / "restic.key").write_text("a repository's password", encoding="utf-8")
    path = write_config(tmp_path, crm, copies="[]")
    path.write_text(path.read_text("utf-8") + _UPLOADS, encoding="utf-8")
    return load_config(path)


def run(config: Config, instance: dg.DagsterInstance) -> RunResult:
    return run_assets(config, instance, source="crm", day=f"{NOW:%Y-%m-%d}", selection=group_selection(config, "crm"))


def test_the_schedule_asks_for_one_run_of_both(grouped: Config) -> None:
    repository = build_definitions(grouped).get_repository_def()
    context = dg.build_schedule_context(scheduled_execution_time=NOW, repository_def=repository)
    (request,) = (
        repository.get_schedule_def("backup_daily_0200_0800_1400_2000").evaluate_tick(context).run_requests or []
    )
    assert request.tags[SOURCE_TAG] == "crm"
    assert request.asset_selection == [
        names.PLAIN.dump("crm", "postgres"), names.PLAIN.verified("crm"),
        names.PLAIN.dump("uploads", "files"), names.PLAIN.verified("uploads"), names.PLAIN.report,
    ]  # fmt: skip


def test_the_folders_are_tied_to_the_dump_of_their_run(grouped: Config, instance: dg.DagsterInstance) -> None:
    result = run(grouped, instance)
    assert result.success, result.failures
    workspace = open_workspace(grouped)
    database, folders = (workspace.catalogue(name).newest for name in ("crm", "uploads"))
    assert database is not None and folders is not None and folders.manifest.tied_to is not None
    assert folders.manifest.tied_to.backup_id == database.id
    assert folders.verified


def test_a_database_that_is_down_does_not_keep_its_folders_from_being_saved(
    tmp_path: Path, grouped: Config, instance: dg.DagsterInstance
) -> None:
    (tmp_path / "crm.url").write_text("host=127.0.0.1 port=1 dbname=crm user=nobody", encoding="utf-8")
    result = run(grouped, instance)
    assert not result.success
    folders = open_workspace(grouped).catalogue("uploads").newest
    assert folders is not None and folders.verified
    assert folders.manifest.tied_to is None
