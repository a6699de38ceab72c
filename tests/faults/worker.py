"""A process to kill: `python -m tests.faults.worker backup|verify|both|prune|adopt OPS_YAML`."""

import sys
from pathlib import Path

from ops_pipelines.backup.adopt import adopt, look
from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres import engine
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.verify import verify
from ops_pipelines.workspace import open_workspace


def main() -> int:
    """Do the verb; 0 when it went well."""
    verb, path = sys.argv[1:]
    workspace = open_workspace(load_config(Path(path), environ={}))
    assert engine.PostgresEngine  # imported now, so that the work begins when we say so
    print("begun", flush=True)
    try:
        if verb == "adopt":
            for candidate in look(workspace, "crm", Path(path).with_name("crm-20260203-0415.sql")):
                if not candidate.backup_id:
                    adopt(workspace, "crm", candidate)
        if verb == "prune":
            prune(workspace, ["crm"], apply=True)
        if verb in ("backup", "both"):
            print(take_backup(workspace, "crm").id, flush=True)
        if verb in ("verify", "both"):
            point = workspace.catalogue("crm").newest
            assert point is not None
            verdict = verify(workspace, point)
            print(verdict.outcome, verdict.reason, flush=True)
            return 0 if verdict.outcome == "verified" else 1
    except OpsError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
