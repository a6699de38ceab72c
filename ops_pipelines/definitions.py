"""What Dagster loads. A broken `ops.yaml` shows in its UI with the message that `ops check` prints."""

from ops_pipelines.config.load import load_config
from ops_pipelines.orchestration.build import build_definitions

defs = build_definitions(load_config())
