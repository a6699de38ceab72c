"""What Dagster loads: `ops.yaml`, or what was last good. Where nothing was, its UI shows what `ops check` prints."""

from ops_pipelines import stopping
from ops_pipelines.config.last_good import load_or_last_good
from ops_pipelines.orchestration.build import build_definitions

stopping.lose_none()
defs = build_definitions(load_or_last_good(keep=True))
