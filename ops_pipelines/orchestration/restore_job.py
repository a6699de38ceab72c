"""The job `restore`: a restore point into a new database or folder beside what is protected, never over it.

`ops restore` is recorded as a run of it; in the web UI its Launchpad asks for the source and the target.
"""

from collections.abc import Mapping, Sequence

import dagster as dg
from pydantic import Field

from ops_pipelines.errors import SafetyRefusal
from ops_pipelines.naming import RESTORE_STEP
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.describe import Metadata, bullets
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.patience import in_one_process
from ops_pipelines.recovery.choose import LATEST, choose
from ops_pipelines.recovery.restore import Recovered, restore_to
from ops_pipelines.streams import Progress


class RestoreConfig(dg.Config):
    """What is restored, and where to."""

    source: str = Field(description="the source that was backed up")
    to: str = Field(
        description="a new database beside the source, or a new folder; never the source itself, whose replacement by "
        "a command has nothing here"
    )
    backup: str = Field(LATEST, description="the id of a restore point, or latest-verified")
    store: str = Field("", description="where to fetch it from; the nearest copy unless given")
    only: list[str] = Field([], description="nothing but these tables, collections or paths")


def build_restore_job(installation: Installation) -> dg.JobDefinition:
    """One job for every source."""
    workspace = installation.workspace

    @dg.op(name=installation.names.name(RESTORE_STEP), description="Restores beside, and compares what came back.")
    def restore_step(context: dg.OpExecutionContext, config: RestoreConfig) -> None:
        with installation.step():
            if not config.to:
                raise SafetyRefusal(
                    f"no target is named, and {config.source} itself is replaced by a command alone",
                    safe="nothing was changed",
                    next=f"ops restore {config.source} --into-production",
                )
            point = choose(workspace, config.source, config.backup, store=config.store or None)
            recovered = restore_to(
                workspace, point, config.to, store=config.store or None, only=config.only, progress=_logged(context)
            )
        context.add_output_metadata(_metadata(recovered))
        if not recovered.good:
            failed = [f"{each.name}: {each.detail}" for each in recovered.checks if not each.passed]
            raise dg.Failure(
                description=f"{recovered.target} is not as {config.source} was\n{bullets(failed)}\n"
                f"  safe: the source and every backup are untouched\n  next: ops verify {config.source}",
                allow_retries=False,
            )

    @dg.job(
        name=installation.names.restore_job,
        executor_def=in_one_process,
        description="Restores a backup into a new database or folder beside what is protected, and compares it.",
        tags={"dagster/max_runtime": str(24 * 3600), names.PRIORITY_TAG: names.LIVE},
    )
    def restore() -> None:
        restore_step()

    return restore


def _logged(context: dg.OpExecutionContext) -> Progress:
    seen: set[str] = set()

    def tell(phase: str, _done: int, _total: int | None) -> None:
        if phase not in seen:
            seen.add(phase)
            context.log.info(phase)

    return tell


def _metadata(recovered: Recovered) -> Metadata:
    phases: Mapping[str, float] = recovered.phases
    gaps: Sequence[str] = [str(each) for each in recovered.gaps]
    return {
        "backup_id": dg.MetadataValue.text(recovered.backup_id),
        "store": dg.MetadataValue.text(recovered.store),
        "target": dg.MetadataValue.text(recovered.target),
        "proof": dg.MetadataValue.text(recovered.words),
        "duration_s": dg.MetadataValue.float(recovered.seconds),
        **{f"{phase}_s": dg.MetadataValue.float(took) for phase, took in phases.items()},
        **({"not_compared": dg.MetadataValue.md(bullets(gaps))} if gaps else {}),
    }
