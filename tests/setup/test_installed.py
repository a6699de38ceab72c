"""What is published works where the project is not: installed from its wheel, from nothing to a proven restore."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import PASSWORD, TestServer
from tests.deploy.parts import free_port, until
from tests.faults.tries import long_run
from tools.dist import build

pytestmark = pytest.mark.timeout(600)  # a busy machine installs for minutes


@dataclass(frozen=True)
class Installed:
    """An environment with the package and what it needs, and nothing of this project."""

    bin: Path

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """Of a shell in which the environment's programs are found."""
        return {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(home), "TMPDIR": "/var/tmp", **more}

    def typed(self, home: Path, *words: str, expect: tuple[int, ...] = (0,), **more: str) -> str:
        """Type a command in a folder; returns what it printed."""
        done = subprocess.run(
            words, cwd=home, env=self.environment(home, **more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode in expect, done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as it is published."""
    return build(tmp_path_factory.mktemp("dist"))[0]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """`pip install WHEEL[postgres,web]`, or the same by uv where it is there, into an environment of its own."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    wanted = f"{wheel}[postgres,web]"
    if uv := shutil.which("uv"):
        commands = [[uv, "venv", "--quiet", "--python", sys.executable, folder],
                    [uv, "pip", "install", "--quiet", "--python", folder / "bin/python", wanted]]  # fmt: skip
    else:
        pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        commands = [[sys.executable, "-m", "venv", folder], [*pip, wanted]]
    for command in commands:
        # Tests before this one may have made what this process writes private; the account of a proof reads it, too.
        subprocess.run(command, check=True, umask=0o022)
    return Installed(folder / "bin")


def test_a_database_is_found_examined_backed_up_and_proved(
    installed: Installed, pg18: TestServer, tmp_path: Path
) -> None:
    shop = pg18.new_database()
    pg18.sql(
        "create table orders (id int primary key)", "insert into orders select generate_series(1, 100)", database=shop
    )
    address = {
        "PGHOST": "127.0.0.1", "PGPORT": str(pg18.port), "PGUSER": "boss", "PGPASSWORD": PASSWORD, "PGDATABASE": shop,
    }  # fmt: skip
    python = [str(installed.bin / "python"), "-c"]
    where = installed.typed(tmp_path, *python, "import ops_pipelines; print(ops_pipelines.__file__)").strip()
    assert Path(where).is_relative_to(installed.bin.parent)
    assert "init" in installed.typed(tmp_path, "ops", "--help")
    # Each command ends with the next one, until backups are made by themselves.
    begun = installed.typed(tmp_path, "ops", "init", "--yes", **address)
    assert f"{shop}: postgres 18" in begun and begun.endswith("next: ops doctor\n")
    examined = installed.typed(tmp_path, "ops", "doctor", expect=(2,), **address)
    failed = [line for line in examined.splitlines() if line.startswith("  FAILED")]
    assert all("NEVER: never backed up" in line for line in failed) and len(failed) == 2, examined
    assert examined.endswith("next: ops backup\n")
    backed_up = installed.typed(tmp_path, "ops", "backup", **address)
    assert f"{shop}: " in backed_up and backed_up.count("verified from") == 2
    assert backed_up.endswith("next: ops up\n")
    assert installed.typed(tmp_path, "ops", "doctor", expect=(1,), **address).endswith("next: ops up\n")
    (point,) = json.loads(installed.typed(tmp_path, "ops", "list", shop, "--json"))[shop]["restore_points"]
    assert point["verdict"]["outcome"] == "verified"


@pytest.fixture
def folder(installed: Installed, tmp_path: Path) -> Path:
    """A folder with one SQLite database and an `ops.yaml` that somebody wrote by hand."""
    installed.typed(
        tmp_path, "python", "-c", "import sqlite3; sqlite3.connect('a.db').execute('create table t (n int)')"
    )
    (tmp_path / "ops.yaml").write_text("sources: {app: {kind: sqlite, paths: [a.db]}}\n", encoding="utf-8")
    (tmp_path / "workspace.yaml").write_text("# mine\nload_from: [python_module: ops_pipelines.definitions]\n")
    return tmp_path


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the command is typed: not in the folder of its `ops.yaml`."""
    return tmp_path_factory.mktemp("elsewhere")


class Up:
    """A running `ops up`."""

    def __init__(self, installed: Installed, folder: Path, elsewhere: Path) -> None:
        self.ports = free_port(), free_port()
        self.words = ["ops", "up", "--config", str(folder / "ops.yaml"),
                      "--port", str(self.ports[0]), "--page-port", str(self.ports[1])]  # fmt: skip
        self.log = (elsewhere / "errors").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [installed.bin / self.words[0], *self.words[1:]], cwd=elsewhere, stdout=subprocess.PIPE, stderr=self.log,
            env=installed.environment(elsewhere), text=True,
        )  # fmt: skip

    def told(self) -> str:
        """What it says until it waits to be stopped."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("to stop"):
                break
        assert self.process.poll() is None, self.errors()
        return "".join(lines)

    def errors(self) -> str:
        """What its parts said."""
        self.log.seek(0)
        return self.log.read()

    def parts(self) -> list[psutil.Process]:
        """Every process of it but the first."""
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def running(installed: Installed, folder: Path, elsewhere: Path) -> Iterator[Up]:
    """`ops up` in a folder elsewhere; whatever becomes of it, nothing of it is left."""
    started = Up(installed, folder, elsewhere)
    yield started
    for each in (*started.parts(), started.process) if started.process.poll() is None else ():
        each.kill()
    started.process.wait()


def get(url: str, query: str = "") -> Any:
    """What an address answers; an unhealthy answer is one as well."""
    body = json.dumps({"query": query}).encode() if query else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, {"content-type": "application/json"})) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def test_up_runs_everything_from_anywhere_and_leaves_nothing_behind(
    running: Up, installed: Installed, folder: Path
) -> None:
    told = running.told()
    page, graph = (f"http://127.0.0.1:{port}" for port in reversed(running.ports))
    for where in (page, graph, str(folder / "ops.yaml"), str(folder / "var/backups/ledger.sqlite")):
        assert where in told
    assert f"wrote {folder / 'dagster.yaml'}" in told and "workspace.yaml:" not in told
    assert (folder / "workspace.yaml").read_text(encoding="utf-8").startswith("# mine"), "it is never overwritten"

    def keys() -> set[str] | None:
        found = get(f"{graph}/graphql", "{ assetNodes { assetKey { path } } }")["data"]["assetNodes"]
        return {"/".join(each["assetKey"]["path"]) for each in found} or None

    assert {"app/dump", "app/verified"} <= until(keys, "Dagster loads nothing")
    assert "app" in {each["service"] for each in get(f"{page}/health")["services"]}
    assert (folder / "var/dagster").is_dir()
    # Another one would start each backup twice; a port that is taken has a name.
    assert "runs already" in installed.typed(folder, "ops", "up", expect=(2,))
    other = folder / "other"
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("var", "dagster.yaml"))
    taken = installed.typed(other, *running.words[:2], *running.words[4:], expect=(2,), DAGSTER_HOME=str(other))
    assert f"127.0.0.1:{running.ports[0]}" in taken and f"ops up --port {running.ports[0] + 1}" in taken
    parts = running.parts()
    assert len(parts) >= 4
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(timeout=90) == 0, running.errors()
    assert [each for each in parts if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
    assert not [*folder.glob(".tmp_dagster*")]


@pytest.mark.skipif(not long_run(), reason="it starts everything a second time: make faults")
def test_a_killed_up_takes_its_parts_with_it(running: Up) -> None:
    running.told()
    parts = running.parts()
    running.process.kill()
    _gone, alive = psutil.wait_procs(parts, timeout=90)
    assert alive == [], running.errors()
