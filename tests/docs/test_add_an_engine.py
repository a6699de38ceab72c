"""The engine and the store of the how-to page, typed from the page alone into a copy of the package, and used."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ops_pipelines
from tests.docs.pages import PROJECT

PAGE = (PROJECT / "docs/how-to/add-an-engine.md").read_text("utf-8")
BLOCK = re.compile(r'```python title="([^"]+)"\n(.*?)```', re.DOTALL)
REGISTRIES = ("engines/registry.py", "vault/stores/registry.py")
CONFIG = """
base: base
# This copy of the package lies where a sandbox cannot see it.
defaults: {copies: [drawer], verify: {isolation: none, retries: 0}}
stores:
  drawer: {kind: drawer, label: backups, mounts: media}
sources:
  events: {kind: journal, path: events.log}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the package with what the page says, and a project that uses it."""
    package = tmp_path / "lib" / "ops_pipelines"
    shutil.copytree(Path(ops_pipelines.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, code in BLOCK.findall(PAGE):
        path = package / name
        if name in REGISTRIES:
            # The page's import, and its line in the place of ours.
            bring, _, line = code.strip().partition("\n\n")
            text = path.read_text("utf-8")
            known = line.partition(" = ")[0]
            text = re.sub(rf"^{re.escape(known)} = .*$", line, text, flags=re.MULTILINE)
            path.write_text(text.replace("from ops_pipelines", f"{bring}\nfrom ops_pipelines", 1), encoding="utf-8")
            assert line in text
        else:
            path.parent.mkdir(exist_ok=True)
            (path.parent / "__init__.py").touch()
            path.write_text(code, encoding="utf-8")
    (tmp_path / "media" / "backups").mkdir(parents=True)
    (tmp_path / "ops.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    (tmp_path / "events.log").write_bytes(b"one\ntwo\nhalf a li")
    return tmp_path


def ops(project: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """An `ops` command of that package."""
    environment = {**os.environ, "PYTHONPATH": str(project / "lib"), "DAGSTER_HOME": str(project)}
    environment.pop("OPS_CONFIG", None)
    argv = [sys.executable, "-c", "from ops_pipelines.cli.main import main; main()", *words]
    return subprocess.run(argv, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_what_the_page_says_is_an_engine_and_a_store(project: Path) -> None:
    done = ops(project, "backup")
    assert done.returncode == 0, done.stdout + done.stderr
    (health,) = json.loads(ops(project, "status", "--json").stdout)["sources"]
    assert (health["state"], sorted(copy["store"] for copy in health["copies"])) == ("OK", ["drawer", "local"])
    assert ops(project, "restore", "events", "--to", "back", "--from", "drawer").returncode == 0
    assert (project / "back" / "journal.log").read_bytes() == b"one\ntwo\n"
    part = next((project / "media").rglob("journal.log.zst"))
    part.write_bytes(part.read_bytes()[:-3])
    assert ops(project, "verify", "events", "--from", "drawer").returncode == 2


def test_the_type_checker_sees_what_an_engine_or_a_store_lacks(project: Path) -> None:
    """A signature that the protocol does not have fails, without a test of it."""
    mypy = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--follow-imports", "silent"]
    files = [
        str(project / "lib/ops_pipelines" / each) for each in ("engines/journal/settings.py", "vault/stores/drawer.py")
    ]
    options = ["--config-file", str(PROJECT / "pyproject.toml")]

    def checked() -> str:
        return subprocess.run(
            [*mypy, *options, *files], cwd=project / "lib", capture_output=True, text=True, check=False
        ).stdout

    assert "Success" in checked()
    engine = project / "lib/ops_pipelines/engines/journal/engine.py"
    engine.write_text(
        engine.read_text("utf-8").replace("def exists(self, name_or_url: str) -> bool", "def exists(self) -> bool")
    )
    assert '"JournalEngine", expected "Engine"' in checked()
