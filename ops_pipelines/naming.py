"""What ours is called in a Dagster project: its jobs, their steps, the path of a source's assets. Knows no Dagster."""

from dataclasses import dataclass

SOURCE_TAG = "ops/source"
"""Of an asset and of a run: the source that it is about."""
DAY_TAG = "dagster/partition"
"""Of a run: the day that it works for."""
DRILL_STEP = "dr_drill_step"
RESTORE_STEP = "restore_step"


@dataclass(frozen=True)
class Named:
    """The names of one installation in a Dagster project.

    Attributes:
        prefix: what asset keys begin with, and joined by `_` everything else; empty where the project is ours alone.
    """

    prefix: tuple[str, ...] = ()

    def name(self, own: str) -> str:
        """The name of a job, a schedule, a sensor, a group, a pool or an op."""
        return "_".join([*self.prefix, own])

    def verified_path(self, source: str) -> list[str]:
        """The path of the asset that proves a source: `[crm, verified]`."""
        return [*self.prefix, source, "verified"]

    def verify_step(self, source: str) -> str:
        """The step that proves it: `crm__verified`."""
        return "__".join(self.verified_path(source))

    def queue(self, site: str) -> str:
        """The queue on which the workers of a site listen."""
        return self.name(f"site_{site}")

    @property
    def report_path(self) -> list[str]:
        """The path of the report's asset."""
        return [*self.prefix, "backup_report"]

    @property
    def backup_job(self) -> str:
        """The job that every source shares."""
        return self.name("backup")

    @property
    def drill_job(self) -> str:
        """The job that plays a disaster."""
        return self.name("dr_drill")

    @property
    def history_job(self) -> str:
        """The job that purges old runs."""
        return self.name("purge_history")

    @property
    def report_job(self) -> str:
        """The job that writes the report."""
        return self.name("write_report")

    @property
    def retention_job(self) -> str:
        """The job that deletes what is no longer kept."""
        return self.name("prune")

    @property
    def restore_job(self) -> str:
        """The job that restores beside what is protected."""
        return self.name("restore")
