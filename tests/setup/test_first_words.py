"""The first commands that somebody types, and what they answer before anything is as it should be."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops_pipelines import starting
from ops_pipelines.backup.take import take_backup
from ops_pipelines.cli.main import app
from ops_pipelines.config.load import load_config
from ops_pipelines.workspace import Workspace


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one SQLite database that has one backup; it is where commands are typed."""
    with closing(sqlite3.connect(tmp_path / "app.sqlite")) as database:
        database.execute("create table orders (id integer primary key)")
    (tmp_path / "ops.yaml").write_text("sources: {app: {kind: sqlite, paths: [app.sqlite]}}\n", encoding="utf-8")
    take_backup(Workspace(load_config(tmp_path / "ops.yaml", environ={})), "app")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*words: str, expect: int = 0) -> str:
    """What a command prints."""
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == expect, done.output
    return done.output


def test_a_source_that_was_renamed_is_still_listed(folder: Path) -> None:
    (folder / "ops.yaml").write_text("sources: {shop: {kind: sqlite, paths: [app.sqlite]}}\n", encoding="utf-8")
    assert "not in ops.yaml any more: app; ops list app shows them" in typed("list")
    assert len(json.loads(typed("list", "app", "--json"))["app"]["restore_points"]) == 1
    assert "no source is called 'nobody'" in typed("list", "nobody", expect=2)


def test_without_an_ops_yaml_every_command_says_ops_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("status", "backup", "check", "doctor", "list"):
        said = typed(command, expect=2)
        assert "ops init" in said and "mistake" not in said


def test_dagster_is_started_by_a_command_that_works_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = folder / "no.service"
    assert starting.start_command(unit=nowhere) == "ops up"
    monkeypatch.setenv("OPS_CONFIG", str(folder / "its own.yaml"))
    assert starting.start_command(unit=nowhere) == f"ops up --config '{folder}/its own.yaml'"
    nowhere.touch()
    assert starting.start_command(unit=nowhere) == "systemctl restart ops-daemon"


def test_a_backup_without_a_dagster_yaml_makes_one_and_says_so(folder: Path) -> None:
    said = typed("backup", "--no-verify")
    assert f"wrote {folder / 'dagster.yaml'}" in said
    assert (folder / "var/dagster").is_dir()
    assert "wrote" not in typed("backup", "--no-verify")


def test_the_report_is_written_where_it_is_wanted_and_printed(folder: Path) -> None:
    text = (folder / "ops.yaml").read_text(encoding="utf-8")
    (folder / "ops.yaml").write_text(f"report: {{path: docs/16-generated/backup-report.md}}\n{text}", encoding="utf-8")
    written = json.loads(typed("report", "--json", expect=2))["written"]
    assert written[-1] == str(folder / "docs/16-generated/backup-report.md")
    printed = typed("report", "--print", expect=2)
    assert printed.startswith("# Backup report, ") and "## app" in printed
    (folder / "docs/16-generated/backup-report.md").unlink()
    typed("prune", "--apply")
    assert (folder / "docs/16-generated/backup-report.md").is_file(), "what changes it writes it anew"
