"""What Dagster loads: `ops.yaml`, or what was last good. Where nothing was, its UI shows what `ops check` prints."""

from ops_pipelines import stopping
from ops_pipelines.config.last_good import load_or_last_good
from ops_pipelines.orchestration.build import build_project
from ops_pipelines.orchestration.code_server import look_on
from ops_pipelines.workspace import open_workspace

stopping.reraise_swallowed_stops()
look_on()
defs = build_project(open_workspace(load_or_last_good(keep=True)))
