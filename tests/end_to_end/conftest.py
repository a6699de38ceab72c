"""What a user has: a shell with `ops`, a protected database, and Dagster in a browser."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.recovery.verify import verify
from ops_pipelines.workspace import Workspace
from tests.conftest import TestServer, start_server
from tests.end_to_end.clean import PASSPHRASE, STANDARD, CleanMachine
from tests.engines.mysql.conftest import mariadb  # noqa: F401 - a fixture
from tests.sample import MAJOR, crm_server, write_config

PROJECT = Path(__file__).parents[2]
OPS = str(Path(sys.executable).with_name("ops"))


@pytest.fixture(scope="session")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The protected database."""
    with crm_server(tmp_path_factory.mktemp("source") / "pg") as server:
        yield server


@dataclass
class Shell:
    """Commands typed in the folder that holds `ops.yaml` and `dagster.yaml`."""

    folder: Path

    def ops(self, *words: str, expect: int = 0) -> str:
        """Type a command; returns what it printed, errors last."""
        done = subprocess.run(
            [OPS, *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def json(self, *words: str, expect: int = 0) -> Any:
        """The same with `--json`, parsed; nothing but JSON may be on standard output."""
        done = subprocess.run(
            [OPS, *words, "--json"], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return json.loads(done.stdout)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing but a PATH and a home."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder)}


@pytest.fixture
def shell(tmp_path: Path, crm: Server) -> Shell:
    """A folder as a user has it."""
    write_config(tmp_path, crm)
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(PROJECT / name, tmp_path / name)
    return Shell(tmp_path)


def back_up(shell: Shell, name: str = "crm", *, proved: bool = True) -> None:
    """Take, copy and, unless told otherwise, verify a backup: as `ops backup` does, without starting Dagster."""
    workspace = Workspace(load_config(shell.folder / "ops.yaml", environ={}))
    manifest = take_backup(workspace, name)
    point = workspace.catalogue(name).find(manifest.id)
    assert point is not None
    copy_to(workspace, point, "nas")
    if proved:
        assert verify(workspace, point, store="nas").outcome == "verified"


@dataclass
class Dagster:
    """A running `dagster dev`."""

    url: str

    def ask(self, query: str, **variables: object) -> Any:
        """A GraphQL query's data."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def wait(self, query: str, done: Any, *, seconds: float = 120) -> Any:
        """Ask until `done(data)` is true; returns its value."""
        deadline = time.monotonic() + seconds
        while True:
            data = self.ask(query)
            if value := done(data):
                return value
            assert time.monotonic() < deadline, data
            time.sleep(0.5)


@pytest.fixture
def dagster(shell: Shell) -> Iterator[Dagster]:
    """Dagster's web UI and daemon on the shell's folder, stopped afterwards with everything it started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (shell.folder / "dagster.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster", "dev", "--host", "127.0.0.1", "--port", str(port), "-w", "workspace.yaml"],
        cwd=shell.folder,
        env={**shell.environment, "OPS_CONFIG": str(shell.folder / "ops.yaml"), "PYTHONUNBUFFERED": "1"},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    running = Dagster(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + 90
        while not _up(running):
            assert process.poll() is None and time.monotonic() < deadline, (shell.folder / "dagster.log").read_text()
            time.sleep(0.3)
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def _up(running: Dagster) -> bool:
    try:
        return bool(running.ask("{ version }"))
    except OSError:
        return False


@pytest.fixture(scope="session")
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """The server that is recovered into."""
    with start_server(MAJOR, tmp_path_factory.mktemp("new_server")) as server:
        yield server


@pytest.fixture
def clean(tmp_path_factory: pytest.TempPathFactory, new_server: TestServer) -> Iterator[CleanMachine]:
    """A clean machine; its databases are dropped afterwards."""
    folder = tmp_path_factory.mktemp("clean")
    (folder / "bin").mkdir()
    (folder / "tmp").mkdir()
    for name in STANDARD:
        found = shutil.which(name)
        assert found is not None, name
        (folder / "bin" / name).symlink_to(found)
    for name in ("psql", "pg_restore", "createdb"):
        (folder / "bin" / name).symlink_to(new_server.programs.path(name))
    machine = CleanMachine(folder, new_server)
    yield machine
    for name in machine.databases():
        new_server.sql(f'drop database "{name}"')


@pytest.fixture
def backed_up(shell: Shell) -> Shell:
    """A verified backup, local and on the NAS."""
    back_up(shell)
    (shell.folder / "passphrase").write_text(PASSPHRASE + "\n", encoding="utf-8")
    return shell


def make_kit(shell: Shell, *words: str, expect: int = 0) -> Path:
    """The kit, in the folder `kit`."""
    shell.ops("kit", "--to", "kit", "--passphrase-file", "passphrase", *words, expect=expect)
    return shell.folder / "kit"
