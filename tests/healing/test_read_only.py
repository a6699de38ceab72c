"""The bad day: the disk with `base` on it is mounted read-only. What can be had is had, the rest says what to do."""

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.engines.files.conftest import MakeHouse, make_house  # noqa: F401 - a fixture
from tests.healing.conftest import House

ROOT = Path(__file__).parents[2]
_BY_HAND = ["unshare", "--mount", "--propagation", "private"]


def can_mount() -> bool:
    command = [*_BY_HAND, "mount", "-t", "tmpfs", "none", "/mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(command, check=False, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not can_mount(), reason="may not mount anything here")


def typed(path: Path, *commands: list[str]) -> list[tuple[int, str]]:
    """What commands say while `base` is read-only: how each ended, and what it printed."""
    code = """
        import json, subprocess, sys
        from typer.testing import CliRunner
        from ops_pipelines.cli.main import app
        path, commands = sys.argv[1], json.loads(sys.argv[2])
        subprocess.run(["mount", "--bind", f"{path}/base", f"{path}/base"], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", f"{path}/base"], check=True)
        done = [CliRunner().invoke(app, [*words, "--config", f"{path}/ops.yaml"]) for words in commands]
        print(json.dumps([[each.exit_code, each.output] for each in done]))
    """
    argv = [*_BY_HAND, sys.executable, "-c", textwrap.dedent(code), path, json.dumps(commands)]
    done = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [(status, said) for status, said in json.loads(done.stdout.splitlines()[-1])]


def test_restores_work_and_what_cannot_says_how_it_could(house: House) -> None:
    out = house.path / "out"
    listed, status, restored, verified, backed_up = typed(
        house.path, ["list"], ["status"], ["restore", "app", "--to", str(out)], ["verify", "app"], ["backup", "app"]
    )
    assert listed[0] == 0 and house.catalogue.points[-1].id in listed[1]
    assert status[0] == 1, "nothing that only the ledger knows is known, and that is said"
    assert house.catalogue.points[-1].id in status[1] and "the ledger cannot be read" in status[1]
    assert restored[0] == 0, restored[1]
    assert "not recorded: the ledger" in restored[1]
    assert [path.name for path in out.rglob("*.db")] == ["app.db"]
    for done in (verified, backed_up):
        assert done[0] == 2 and "mount -o remount,rw" in done[1] and "Traceback" not in done[1]


def test_folders_come_back_from_a_repository_that_cannot_be_locked(make_house: MakeHouse) -> None:  # noqa: F811
    folders = make_house()
    (folders.uploads / "1.pdf").write_bytes(b"one " * 1000)
    folders.backup()
    out = folders.path / "out"
    ((status, said),) = typed(folders.path, ["restore", "files", "--unverified", "--to", str(out)])
    assert status == 0, said
    assert [path.read_bytes() for path in out.rglob("1.pdf")] == [b"one " * 1000]


def test_a_disk_that_does_not_give_a_part_is_the_fault_of_that_copy(house: House) -> None:
    """Memory of a process that lies at a file's place answers like a bad sector: I/O error."""
    point = house.catalogue.points[-1]
    part = max(point.manifest.parts, key=lambda each: each.size_bytes).name
    for store in ("nas", "far"):
        files = house.files(store, point.id)
        for name in files.names() if store == "nas" else ["manifest.json"]:
            files.remove(name)
    code = """
        import os, subprocess, sys
        from pathlib import Path
        from ops_pipelines.config.load import load_config
        from ops_pipelines.errors import CorruptCopy
        from ops_pipelines.workspace import Workspace
        path, part, id = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
        victim = path / "base/restore-points/app" / id / part
        subprocess.run(["mount", "--bind", f"/proc/{os.getpid()}/mem", victim], check=True)
        workspace = Workspace(load_config(path / "ops.yaml", environ={}))
        manifest = workspace.local.manifest("app", id)
        for store in ("nas", "far"):
            try:
                workspace.stores[store].receive(manifest, workspace.local.directory("app", id), print)
            except CorruptCopy as error:
                print(error.check, error.why, error.what.endswith(f"{part} cannot be read"))
    """
    argv = [*_BY_HAND, sys.executable, "-c", textwrap.dedent(code), house.path, part, point.id]
    done = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("parts Input/output error True") == 2, done.stdout
