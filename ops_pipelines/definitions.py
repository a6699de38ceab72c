"""What Dagster loads: `ops.yaml`, or what was last good. Where nothing was, its UI shows what `ops check` prints."""

import dagster as dg

from ops_pipelines import stopping
from ops_pipelines.config.last_good import load_or_last_good
from ops_pipelines.orchestration.build import build_definitions
from ops_pipelines.orchestration.patience import in_one_process
from ops_pipelines.workspace import open_workspace

stopping.lose_none()
workspace = open_workspace(load_or_last_good(keep=True))
defs = dg.Definitions.merge(
    build_definitions(workspace.config, workspace=workspace),
    # In one process a killed run leaves no orphan step, and three assets take 5 s instead of 16.
    dg.Definitions(executor=in_one_process),
)
