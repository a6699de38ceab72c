"""`make pythons`: the wheel on every Python that we say it runs on, from nothing to a proved restore.

    python -m tools.pythons [VERSION...]

Those that a shell finds (`python3.12`), and 3.14 as `tools/newer_servers.sh py314` unpacks it. Each gets an environment
of its own with the wheel and what it needs from the package index, and no file of this project.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.dist import build
from tools.recording import COMMANDS, make_project

PROJECT = Path(__file__).parents[1]
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
_NEWER = Path(os.environ.get("OPS_NEWER") or PROJECT / "var/newer").resolve()
# There is no backup yet.
_EXPECTED = {"ops doctor": 2}


class Failed(Exception):
    """A command ended in another way than it has to; its message is what it printed."""


def main() -> None:
    """Play it on each, and print a line for each; ends with status 1 when one failed or is not here."""
    wanted = sys.argv[1:] or list(VERSIONS)
    good = True
    with TemporaryDirectory(prefix="ops-pythons-") as name:
        wheel, _source = build(Path(name) / "dist")
        for version in wanted:
            python = _find(version)
            try:
                said = play(python, wheel, Path(name) / version) if python else "not on this machine"
            except Failed as error:
                said = f"FAILED: {error}"
            good &= python is not None and not said.startswith("FAILED")
            print(f"python {version}: {said}", flush=True)
    sys.exit(not good)


def play(python: Path, wheel: Path, folder: Path) -> str:
    """Install the wheel, and type what the README says in a Django project with SQLite.

    Returns:
        What it took.
    Raises:
        Failed: a command failed, or its backups are not proved.
    """
    environment, project = folder / "venv", folder / "shop"
    project.mkdir(parents=True)
    make_project(project)
    began = time.monotonic()
    _run([python, "-m", "venv", "--without-pip", environment], folder)
    _run([sys.executable, "-m", "pip", "--python", environment, "install", "--quiet", "--disable-pip-version-check",
          f"{wheel}[web]"], folder)  # fmt: skip
    installed = time.monotonic()
    env = {"PATH": f"{environment / 'bin'}:{os.defpath}", "HOME": str(project), "TMPDIR": str(folder)}
    for command in COMMANDS:
        _run(command.split(), project, env=env, expect=_EXPECTED.get(command, 0))
    proved = time.monotonic()
    found = json.loads(_run(["ops", "list", "--json"], project, env=env))
    outcomes = {name: [each["verdict"]["outcome"] for each in of["restore_points"]] for name, of in found.items()}
    if not outcomes or any(each != ["verified"] for each in outcomes.values()):
        raise Failed(f"not proved: {outcomes}")
    say = "import platform; print(platform.python_version())"
    exact = _run([environment / "bin/python", "-c", say], folder).strip()
    return f"{exact}, {len(outcomes)} proved; installed in {installed - began:.0f} s, then {proved - installed:.0f} s"


def _find(version: str) -> Path | None:
    """The interpreter; what a version manager puts in the place of one that is not switched on is none."""
    unpacked = _NEWER / f"py{version.replace('.', '')}/usr/bin"
    for folder in (None, unpacked):
        found = shutil.which(f"python{version}", path=folder)
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return Path(found)
    return None


def _run(argv: Sequence[str | Path], folder: Path, *, env: dict[str, str] | None = None, expect: int = 0) -> str:
    program = shutil.which(argv[0], path=env["PATH"]) if env else None
    done = subprocess.run(
        [program or argv[0], *argv[1:]], cwd=folder, env=env, umask=0o022, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode != expect or "Traceback" in done.stdout:
        raise Failed(f"{' '.join(map(str, argv))} ended with {done.returncode}\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    main()
