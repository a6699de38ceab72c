"""A process to kill, to record or to starve: `python -m tests.faults.worker VERB OPS_YAML [SOURCE]`.

It says `begun` when all is imported. What it says that it has done, begins with `said`, and was done when it says so.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ops_pipelines.backup.adopt import adopt, look
from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.last_good import load_or_last_good
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres import engine
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.verify import verify
from ops_pipelines.workspace import Workspace, open_workspace


def _backup(workspace: Workspace, source: str, _path: Path) -> bool:
    print("said backup", take_backup(workspace, source).id, flush=True)
    return True


def _verify(workspace: Workspace, source: str, _path: Path) -> bool:
    point = workspace.catalogue(source).newest
    assert point is not None
    verdict = verify(workspace, point)
    print("said", verdict.outcome, point.id, verdict.reason, flush=True)
    return verdict.outcome == "verified"


def _both(workspace: Workspace, source: str, path: Path) -> bool:
    return _backup(workspace, source, path) and _verify(workspace, source, path)


def _adopt(workspace: Workspace, source: str, path: Path) -> bool:
    for candidate in look(workspace, source, path.with_name("crm-20260203-0415.sql")):
        if not candidate.backup_id:
            adopt(workspace, source, candidate)
    return True


def _prune(workspace: Workspace, source: str, _path: Path) -> bool:
    prune(workspace, [source], apply=True)
    return True


_VERBS: Mapping[str, Callable[[Workspace, str, Path], bool]] = {
    "backup": _backup, "verify": _verify, "both": _both, "adopt": _adopt, "prune": _prune,
}  # fmt: skip


def main() -> int:
    """Do the verb; 0 when it went well."""
    verb, path, source = sys.argv[1], Path(sys.argv[2]), (*sys.argv[3:], "crm")[0]
    try:
        if verb == "remember":
            load_or_last_good(path, keep=True)
            return 0
        workspace = open_workspace(load_config(path, environ={}))
        assert engine.PostgresEngine  # imported now, so that the work begins when we say so
        print("begun", flush=True)
        return 0 if _VERBS[verb](workspace, source, path) else 1
    except OpsError as error:
        print(error, file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
