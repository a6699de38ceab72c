"""What is recorded, and killed by disks: `python -m tests.faults.disks.worker OPS_YAML VERB SOURCE`.

Whatever it says that it has done, begins with `said`, and was done when it says so.
"""

import sys
from pathlib import Path

from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.last_good import load_or_last_good
from ops_pipelines.config.load import load_config
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.verify import verify
from ops_pipelines.workspace import open_workspace


def main() -> int:
    """Do the verb; 0 when it went well."""
    path, verb, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    try:
        if verb == "remember":
            load_or_last_good(path, keep=True)
            return 0
        workspace = open_workspace(load_config(path, environ={}))
        if verb == "backup":
            print("said backup", take_backup(workspace, name).id, flush=True)
        if verb == "verify":
            point = workspace.catalogue(name).newest
            assert point is not None
            verdict = verify(workspace, point)
            print("said", verdict.outcome, point.id, verdict.reason, flush=True)
    except OpsError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
