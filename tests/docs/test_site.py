"""The documents build without a warning: no broken link, no page that nobody lists."""

import re
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest

from ops_pipelines.config.load import load_config
from tests.docs.pages import PROJECT, blocks

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_site_builds_in_strict_mode(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "how-to" / "total-loss.html").exists()


def test_every_link_of_the_readme_leads_somewhere() -> None:
    linked = {link.partition("#")[0] for link in re.findall(r"\]\((?!https?://|#)([^)]+)\)", README)}
    assert "docs/tutorial.md" in linked
    assert {link for link in linked if not (PROJECT / link).exists()} == set()


def test_the_readmes_ten_lines_are_a_good_ops_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = [block.text for block in blocks(README) if block.language == "yaml"]
    assert len(text.splitlines()) <= 13
    for variable in re.findall(r"{env: (\w+)}", text):
        monkeypatch.setenv(variable, "postgresql://u@127.0.0.1/db")
    (tmp_path / "ops.yaml").write_text(
        text.replace("age1…", str(pyrage.x25519.Identity.generate().to_public())), encoding="utf-8"
    )
    config = load_config(tmp_path / "ops.yaml")
    assert set(config.sources) == {"crm", "crm_uploads", "service", "forge"}
