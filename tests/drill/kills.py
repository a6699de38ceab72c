"""Kill a drill at some moment, let something else start, and look for what is left: for the test and the benchmark."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ops_pipelines.config.drills import Scenario
from ops_pipelines.ledger.models import RUNNING
from ops_pipelines.sweeping import sweep
from tests.drill.conftest import House

OPS = str(Path(sys.executable).with_name("ops"))
# Rows, a file, and keys as they are once something was decrypted; `build` makes them.
_PLAIN = r"\tc17\b|an offer|AGE-SECRET-KEY-1[A-Z0-9]{20}"
_OWN = ("age.key", "files", "hook", "pass", "restic", "url", "signing.key")


@dataclass
class Kill:
    """One kill: what was played, when it was killed, whether it had ended by itself, what was left after a start."""

    scenario: str
    after_s: float
    ended: bool
    before: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@contextmanager
def drilling(house: House, scenario: Scenario) -> Iterator["subprocess.Popen[str]"]:
    """`ops drill` from the moment at which it begins, with a directory for temporary files that is only its own."""
    (house.path / "tmp").mkdir(exist_ok=True)
    argv = [OPS, "drill", scenario, "--config", str(house.path / "ops.yaml")]
    environment = {**os.environ, "TMPDIR": str(house.path / "tmp"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert "begins" in process.stdout.readline()
        yield process


def kill_one(house: House, scenario: Scenario, after_s: float) -> Kill:
    """Let a drill begin, kill it -9 after so long, and let the next start clear up."""
    with drilling(house, scenario) as process:
        time.sleep(after_s)  # the moment of the kill is the experiment
        done = Kill(scenario, after_s, ended=process.poll() is not None)
        process.kill()
    done.before = leftovers(house)
    sweep(house.workspace())
    deadline = time.monotonic() + 20  # processes that die with their parent take a moment
    while (left := leftovers(house)) and time.monotonic() < deadline:
        time.sleep(0.1)
    done.left = left
    return done


def leftovers(house: House) -> list[str]:
    """Servers, folders, keys, decrypted bytes, locks and open rows that belong to no living drill."""
    base, workspace = house.path / "base", house.workspace()
    found = [f"folder {path}" for name in ("scratch", "outages") for path in (base / name).glob("*/")]
    found += [f"unfinished {path}" for path in base.glob("drills/*/") if not (path / "SHA256SUMS.minisig").is_file()]
    found += [f"temporary {path}" for path in (house.path / "tmp").glob("*")]
    found += [f"process {each}" for each in _processes(str(house.path))]
    found += [f"row {row.id}" for row in workspace.ledger.recent(limit=20) if row.status == RUNNING]
    found += [f"decrypted {path}" for path in _plain(house.path)]
    held = subprocess.run(["flock", "--nonblock", base / "locks" / "@drill.lock", "true"], check=False).returncode
    return [*found, *(["the lock"] if held else [])]


def _processes(path: str) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and (path in " ".join(process.cmdline()) or process.cwd().startswith(path)):
                found.append(f"{process.pid} {process.name()}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _plain(folder: Path) -> list[str]:
    """Files with something decrypted in them; where secrets of the house itself are kept is no leftover."""
    # By another process: closing a file of SQLite's in this one would take away the locks of our own ledger.
    grep = ["grep", "--recursive", "--files-with-matches", "--text", "--perl-regexp", _PLAIN, "."]
    found = subprocess.run(grep, cwd=folder, capture_output=True, text=True, check=False).stdout.splitlines()
    return [path for path in found if Path(path).parts[0] not in _OWN and Path(path).name not in _OWN]
