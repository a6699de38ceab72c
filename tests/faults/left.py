"""What is left of a run that is over: processes, directories, locks, open rows, decrypted bytes.

Nothing here asks our code but for the ledger's rows; whatever it finds belongs to nobody.
"""

import os
import subprocess
from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import Path

import psutil

from ops_pipelines.ledger.models import RUNNING
from ops_pipelines.workspace import Workspace
from tests.faults.protected import CANARY

# Keys as they are once they were decrypted.
_KEY = "AGE-SECRET-KEY-1[A-Z0-9]{20}"


def left_in(
    path: Path,
    workspace: Workspace,
    *,
    allowed: Collection[str],
    plain: str = CANARY,
    temporary: Path | None = None,
) -> list[str]:
    """All of it below a house's directory.

    Args:
        allowed: files and folders of the house itself, by patterns of names at its top, where
            secrets and plain data belong.
        plain: a regular expression that the source's plain data match.
        temporary: where its processes put temporary files.
    """
    base = workspace.config.base
    found = [f"directory {each}" for name in ("scratch", "outages") for each in (base / name).glob("*/")]
    found += [f"note {each}" for each in (base / "scratch").glob("*.lent")]
    found += [f"unfinished {each}" for each in path.glob("**/.staging/*/")]
    found += [f"unfinished {each}" for each in base.glob("drills/*/") if not (each / "SHA256SUMS.minisig").is_file()]
    # A killed code server of Dagster's cannot take away its socket, and holds nothing any more.
    found += [f"temporary {each}" for each in (temporary.glob("*") if temporary else ()) if not each.is_socket()]
    found += [f"process {each}" for each in processes(str(path))]
    found += [f"open row {row.id}: {row.kind}" for row in workspace.ledger.recent(limit=30) if row.status == RUNNING]
    found += [f"decrypted {each}" for each in decrypted(path, allowed, plain)]
    return [*found, *(f"held lock {each}" for each in sorted(base.glob("locks/*")) if _held(each))]


def processes(path: str) -> list[str]:
    """Living processes with this path in their command line, their directory or among their open files."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if path in " ".join(process.cmdline()) or process.cwd().startswith(path):
                found.append(f"{process.pid} {process.name()}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def decrypted(path: Path, allowed: Collection[str], plain: str = CANARY) -> list[str]:
    """Files with something decrypted in them."""
    # By another process: closing a file of SQLite's in this one would take away the locks of our own ledger.
    argv = ["grep", "-rlaP", f"{plain}|{_KEY}", *(f"--exclude-dir={each}" for each in allowed)]
    argv += [*(f"--exclude={each}" for each in allowed), "."]
    found = subprocess.run(argv, cwd=path, capture_output=True, text=True, check=False).stdout.splitlines()
    return [each for each in found if not any(fnmatch(Path(each).parts[0], name) for name in allowed)]


def _held(lock: Path) -> bool:
    return subprocess.run(["flock", "--nonblock", lock, "true"], check=False).returncode != 0
