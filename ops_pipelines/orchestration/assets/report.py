"""The `backup_report` asset: one page on every source, in the UI's metadata and as a file."""

import dagster as dg

from ops_pipelines.orchestration.assets.common import newest_proofs
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.watch.health import all_health
from ops_pipelines.watch.report import write_report


def build_report_asset(installation: Installation) -> dg.AssetsDefinition:
    """The report across all sources."""
    workspace = installation.workspace

    @dg.asset(
        key=installation.names.report,
        group_name=installation.names.name("reports"),
        kinds={"markdown"},
        owners=[*installation.owners],
        deps=newest_proofs(installation),
        description="What is protected, how old it is, what was verified: Markdown below `base/reports`.",
    )
    def backup_report() -> dg.MaterializeResult[None]:
        with installation.step():
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
