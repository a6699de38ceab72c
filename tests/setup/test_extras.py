"""Who has no bucket needs no boto3: what only some installations need is missed where it is used, with its extra."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ops_pipelines.extras import _EXTRAS

CONFIG = """
base: base
defaults: {fingerprint: "off"}
sources:
  app: {kind: sqlite, paths: [app.sqlite3]}
"""
# As if it had never been installed, in this process and its children.
WITHOUT = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
"""
PLACES = ("PYTHONPATH", "HOME", "DAGSTER_HOME")
SOURCES = {
    "postgres": "crm: {kind: postgres, url: {literal: 'postgresql://u@127.0.0.1:1/d'}}",
    "mysql": "crm: {kind: mysql, url: {literal: 'mysql://u@127.0.0.1:1/d'}}",
    "mongodb": "crm: {kind: mongodb, url: {literal: 'mongodb://127.0.0.1:1/d'}}",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "app.sqlite3")) as database:
        database.execute("create table t (a int)")
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    (tmp_path / "ops.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def ops(project: Path, missing: tuple[str, ...], *words: str) -> "subprocess.CompletedProcess[str]":
    """An `ops` command without some libraries."""
    (project / "sitecustomize.py").write_text(f"MISSING = {missing!r}\n{WITHOUT}", encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-c", "from ops_pipelines.cli.main import main; main()", *words],
        cwd=project, env={"PATH": "/usr/bin:/bin", **dict.fromkeys(PLACES, str(project))},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_one_sqlite_database_needs_no_extra(project: Path) -> None:
    everything = tuple(module for _, modules in _EXTRAS.values() for module in modules)
    for words in (["check"], ["backup"], ["status"], ["list"], ["plan"], ["verify"]):
        done = ops(project, everything, *words)
        assert "Traceback" not in done.stderr, f"{words}: {done.stderr}"
        assert "is not installed\n" not in done.stdout + done.stderr, f"{words}: {done.stdout}{done.stderr}"
        assert done.returncode in (0, 1), f"{words}: {done.returncode} {done.stdout}{done.stderr}"


@pytest.mark.parametrize("extra", SOURCES)
def test_a_kind_that_is_not_installed_says_what_to_type_and_costs_itself_only(project: Path, extra: str) -> None:
    with (project / "ops.yaml").open("a", encoding="utf-8") as file:
        file.write(f"  {SOURCES[extra]}\n")
    done = ops(project, _EXTRAS[extra][1], "doctor", "crm")
    assert f"pip install 'ops-pipelines[{extra}]'" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert ops(project, _EXTRAS[extra][1], "backup", "app", "--no-verify").returncode in (0, 1)


def test_a_bucket_and_a_page_say_what_to_type(project: Path) -> None:
    with (project / "ops.yaml").open("a", encoding="utf-8") as file:
        file.write("stores:\n  far: {kind: s3, bucket: acme-backups}\n")
    done = ops(project, _EXTRAS["s3"][1], "list")
    assert "pip install 'ops-pipelines[s3]'" in done.stderr
    assert "Traceback" not in done.stderr
    served = ops(project, _EXTRAS["web"][1], "serve")
    assert "pip install 'ops-pipelines[web]'" in served.stderr
