"""What is offered to the repository of Dagster's community has the layout that it asks for, and its tests pass."""

import re
import subprocess
import sys
from pathlib import Path

LIBRARY = Path(__file__).parents[2] / "integrations/dagster-ops-pipelines"
PACKAGE = LIBRARY.name.replace("-", "_")


def test_its_layout_is_that_of_the_template() -> None:
    for name in ("Makefile", "README.md", "CHANGELOG.md", "pyproject.toml", f"{PACKAGE}/__init__.py"):
        assert (LIBRARY / name).is_file(), name
    assert [*(LIBRARY / f"{PACKAGE}_tests").glob("test_*.py")]
    made = (LIBRARY / "Makefile").read_text("utf-8")
    assert {"install", "build", "test", "ruff", "check"} <= set(re.findall(r"^(\w+):", made, re.MULTILINE))
    assert "## [Unreleased]" in (LIBRARY / "CHANGELOG.md").read_text("utf-8")
    for heading in ("Installation", "Example Usage", "Development"):
        assert f"## {heading}" in (LIBRARY / "README.md").read_text("utf-8")


def test_its_own_tests_pass(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", "pyproject.toml", "--override-ini=pythonpath=.",
         f"--basetemp={tmp_path / 'made'}", "-p", "no:cacheprovider", f"{PACKAGE}_tests"],
        cwd=LIBRARY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
