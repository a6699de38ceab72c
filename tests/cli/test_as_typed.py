"""Every command that is advised works as it is printed, in the shell that it is printed in."""

import subprocess
import sys
from pathlib import Path

import pytest

from ops_pipelines.cli import as_typed
from ops_pipelines.cli.verbs import VERBS

OPS = Path(sys.executable).with_name("ops")
ADVICE = "  next: "


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with an `ops.yaml`, in a folder with spaces in its name."""
    folder = tmp_path / "my shop"
    folder.mkdir()
    (folder / "ops.yaml").write_text("sources: {app: {kind: sqlite, paths: [a.db]}}\n", encoding="utf-8")
    return folder


def typed(command: str, folder: Path, *, expect: int = 0) -> str:
    """What a shell without our environment prints."""
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout
    return done.stdout


def advised(printed: str) -> str:
    """The one command that is advised."""
    (advice,) = (line.removeprefix(ADVICE) for line in printed.splitlines() if line.startswith(ADVICE))
    return advice


def test_a_shell_that_does_not_find_ops_is_told_where_it_is(project: Path) -> None:
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/ops").symlink_to(OPS)
    advice = advised(typed(".venv/bin/ops alerts ack app", project, expect=2))
    assert advice == ".venv/bin/ops alerts list"
    assert "no incident is open" in typed(advice, project)


def test_a_file_that_was_named_is_named_again(project: Path, tmp_path: Path) -> None:
    advice = advised(typed(f"{OPS} alerts ack app --config 'my shop/ops.yaml'", tmp_path, expect=2))
    assert advice == f"OPS_CONFIG='my shop/ops.yaml' {OPS} alerts list"
    assert "no incident is open" in typed(advice, tmp_path)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shell that finds no `ops`; returns ours."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "argv", [str(OPS)])
    monkeypatch.chdir(tmp_path)
    return OPS


@pytest.mark.parametrize("verb", [*VERBS, "--version"])
def test_every_command_is_meant(bare: Path, verb: str) -> None:
    assert as_typed.as_typed(f"next: [bold]ops {verb}[/]") == f"next: [bold]{bare} {verb}[/]"


@pytest.mark.parametrize(
    "said",
    ["ops looks for it here", "devops up", "/srv/ops status", "job-ops up", "ops: verified", "restart ops-daemon"],
)  # fmt: skip
def test_what_is_no_command_of_ours_stays_as_it_is(bare: Path, said: str) -> None:
    assert as_typed.as_typed(said) == said


def test_a_file_that_is_found_anyway_is_not_named(bare: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    with as_typed.reading(Path("ops.yaml")):
        assert as_typed.as_typed("ops kit") == f"{bare} kit"


def test_a_program_is_named_as_it_was_typed(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "its tools").mkdir()
    (tmp_path / "its tools/ops").symlink_to(bare)
    (tmp_path / "src").mkdir()
    monkeypatch.setattr(sys, "argv", ["../its tools/ops"])
    monkeypatch.chdir(tmp_path / "src")
    assert as_typed.as_typed("ops kit") == "'../its tools/ops' kit"


def test_a_file_that_the_advice_names_itself_is_named_once(bare: Path, tmp_path: Path) -> None:
    with as_typed.reading(tmp_path / "its.yaml"):
        named = as_typed.as_typed("ops backup; ops up --config other.yaml   # later")
    assert named == f"OPS_CONFIG={tmp_path}/its.yaml {bare} backup; {bare} up --config other.yaml   # later"


def test_a_shell_that_finds_ops_reads_its_name(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ops").symlink_to(bare)  # as pipx does it
    monkeypatch.setenv("PATH", str(tmp_path))
    assert as_typed.as_typed("ops backup crm") == "ops backup crm"
    (tmp_path / "ops").unlink()
    (tmp_path / "ops").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "ops").chmod(0o755)
    assert as_typed.as_typed("ops backup crm") == f"{bare} backup crm", "another program of that name"
