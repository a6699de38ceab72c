"""A process to kill: `python -m tests.engines.files.worker OPS_YAML` takes a backup of `files`."""

import sys
from pathlib import Path

from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.files import engine
from ops_pipelines.workspace import open_workspace

if __name__ == "__main__":
    workspace = open_workspace(load_config(Path(sys.argv[1]), environ={}))
    assert engine.FilesEngine  # imported now, so that the work begins when we say so
    print("begun", flush=True)
    take_backup(workspace, "files")
