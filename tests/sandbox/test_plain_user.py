"""Most who back up are no root: their proofs run in a user namespace, and need no account of their own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import ops_pipelines
from tests.end_to_end.conftest import PROJECT

_USER = "65534"
_AS_USER = ["setpriv", "--reuid", _USER, "--regid", _USER, "--clear-groups", "--"]
# A folder and a database, backed up and proved; and what such a user does not need.
_PROVE = """
import json, os, sys
if "COVERAGE_PROCESS_CONFIG" in os.environ:
    import tests.inside
import pyrage
from pathlib import Path
from ops_pipelines.sandbox import account, isolation
from tests.engines.files.conftest import House
path = Path(sys.argv[1])
(path / "age.key").touch(mode=0o600)
(path / "age.key").write_text(str(pyrage.x25519.Identity.generate()))
(path / "password").touch(mode=0o600)
(path / "password").write_text("restic's")
house = House(path)
house.configure(sources={})
house.backup()
verdict = house.verify()
json.dump({
    "best": isolation.standing().best, "outcome": verdict.outcome, "reason": verdict.reason, "gaps": len(verdict.gaps),
    "isolation": [check.detail for check in verdict.notable if check.name == "isolation"],
    "prefixes": [account.dropping(), account.without("mknod")],
    "left": [str(each) for each in path.glob("base/scratch/*/")],
}, sys.stdout)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory of that user's, where it can be reached."""
    path = Path(tempfile.mkdtemp(prefix="ops-plain-"))
    try:
        (path / "uploads").mkdir()
        (path / "uploads" / "of root").write_text("whose owner cannot come back", encoding="utf-8")
        for each in (path, path / "uploads"):
            os.chown(each, int(_USER), int(_USER))
            each.chmod(0o755)
        (path / "uploads" / "of root").chmod(0o644)
        yield path
    finally:
        shutil.rmtree(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_plain_user_s_proof_runs_in_a_sandbox_too(home: Path) -> None:
    if subprocess.run([*_AS_USER, "unshare", "-U", "true"], check=False).returncode:
        pytest.skip("no user namespaces here")
    for needed in (Path(sys.executable).resolve(), Path(ops_pipelines.__file__)):
        if subprocess.run([*_AS_USER, "test", "-r", needed], check=False).returncode:
            pytest.skip(f"that user cannot get to {needed}")
    argv = [*_AS_USER, sys.executable, "-c", _PROVE, str(home)]
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}
    done = subprocess.run(argv, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["best"], found["outcome"], found["isolation"]) == ("sandbox", "verified", []), found
    assert found["prefixes"] == [[], []] and found["left"] == []
