"""The tutorial's commands, typed one after the other on a real PostgreSQL, print what it says they print."""

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TestServer
from tests.docs.pages import PROJECT, Block, blocks

TUTORIAL = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")
_NOT_RUN = re.compile(r"<!-- not run: [^>]* -->\n```sh\n.*?^```$", re.MULTILINE | re.DOTALL)
_MARK = "@@ block "


@pytest.mark.timeout(900)
def test_the_tutorial_does_what_it_says(pg_debian: TestServer, tmp_path: Path) -> None:
    password = secrets.token_hex(12)
    pg_debian.sql(f"create role tutor superuser login password '{password}'")
    steps = blocks(_NOT_RUN.sub("", TUTORIAL))
    script = "\n".join(
        f"echo '{_MARK}{number}'\n{step.text}" for number, step in enumerate(steps) if step.language == "sh"
    )
    programs = Path(sys.executable).parent, pg_debian.programs.path("psql").parent
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={
            "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
            "HOME": str(tmp_path),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(pg_debian.port),
            "PGUSER": "tutor",
            "PGPASSWORD": password,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert password not in done.stdout
    printed = {
        int(number): text
        for number, text in re.findall(rf"^{_MARK}(\d+)\n(.*?)(?=^{_MARK}|\Z)", done.stdout, re.M | re.S)
    }
    told = [number for number, step in enumerate(steps) if step.language == "text"]
    assert len(told) > 5
    for number in told:
        assert missing(steps[number], printed[number - 1]) == [], printed[number - 1]


def missing(expected: Block, printed: str) -> list[str]:
    """The lines of a block of output that were not printed in this order; `…` stands for anything."""
    waiting = expected.text.splitlines()
    for line in printed.splitlines():
        pattern = ".*".join(re.escape(" ".join(part.split())) for part in waiting[0].split("…")) if waiting else None
        if pattern is not None and re.fullmatch(pattern, " ".join(line.split())):
            waiting.pop(0)
    return waiting
