"""The `three_two_one` check: three copies on two media, one off-site, and which is missing. A warning, no error."""

import dagster as dg

from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.describe import bullets
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.watch.three_two_one import judge


def build_three_two_one_check(installation: Installation, source: str) -> dg.AssetChecksDefinition:
    """The check on a source's `verified` asset."""

    @dg.asset_check(
        asset=installation.names.verified(source),
        name=names.THREE_TWO_ONE_CHECK,
        description=(
            f"Of `{source}` there are three copies (the live data counts), on two media, one of them off-site. "
            "Counted are sound copies of the newest verified restore point."
        ),
    )
    def check() -> dg.AssetCheckResult:
        with installation.sensing(names.THREE_TWO_ONE_CHECK):
            workspace = installation.workspace
            point = workspace.catalogue(source).recovery_point
            found = judge(
                source, point, workspace.config.source(source).copies, workspace.stores, workspace.unseen(source, point)
            )
        return dg.AssetCheckResult(
            passed=found.holds,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "recovery_point": found.recovery_point or "none",
                "copies": ", ".join(found.copies),
                "media": ", ".join(found.media),
                "offsite": ", ".join(found.offsite) or "none",
                **({"missing": dg.MetadataValue.md(bullets(found.missing))} if found.missing else {}),
                **({"next": dg.MetadataValue.md(bullets(found.advice))} if found.advice else {}),
            },
        )

    return check
