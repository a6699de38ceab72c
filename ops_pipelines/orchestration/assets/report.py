"""The `backup_report` asset: one page on every source, in the UI's metadata and as a file."""

import dagster as dg

from ops_pipelines.config.models import Config
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.assets.common import newest_proofs
from ops_pipelines.orchestration.describe import failures_explained
from ops_pipelines.watch.health import all_health
from ops_pipelines.watch.report import write_report
from ops_pipelines.workspace import Workspace


def build_report_asset(config: Config) -> dg.AssetsDefinition:
    """The report across all sources."""

    @dg.asset(
        key=names.REPORT_KEY,
        group_name="reports",
        kinds={"markdown"},
        owners=["team:ops"],
        deps=newest_proofs(config),
        description="What is protected, how old it is, what was proved: Markdown below `base/reports`.",
    )
    def backup_report(workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult[None]:
        with failures_explained():
            path, *_others = write_report(workspace)
            states = {health.source: health.state for health in all_health(workspace)}
        return dg.MaterializeResult(
            metadata={
                "report": dg.MetadataValue.md(path.read_text(encoding="utf-8")),
                "path": dg.MetadataValue.path(str(path)),
                "states": dg.MetadataValue.json(states),
            }
        )

    return backup_report
