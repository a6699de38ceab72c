"""What assets share: those of one source group, tags, partitions; those of all, what they wait for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypedDict

import dagster as dg

from ops_pipelines.config.models import Config
from ops_pipelines.engines.source import Source
from ops_pipelines.naming import SOURCE_TAG
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.execution import Step, step_tags
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.text import markdown_block


class Options(TypedDict):
    """Keyword arguments of `dg.asset` that every asset of a chain has."""

    group_name: str
    tags: dict[str, str]
    owners: list[str]
    partitions_def: dg.PartitionsDefinition[str]
    backfill_policy: dg.BackfillPolicy


@dataclass(frozen=True)
class Chain:
    """One source, as the factories of its assets see it."""

    installation: Installation
    name: str

    @property
    def config(self) -> Config:
        """What is configured."""
        return self.installation.config

    @property
    def names(self) -> names.Names:
        """What its assets are called."""
        return self.installation.names

    @property
    def source(self) -> Source:
        """Its configuration."""
        return self.config.sources[self.name]

    @property
    def freshness(self) -> dg.FreshnessPolicy:
        """The RPO as a policy: Dagster's own badge on the asset's page."""
        return dg.FreshnessPolicy.time_window(fail_window=self.source.rpo, warn_window=self.source.warn_window)

    def tags_of(self, step: Step) -> dict[str, str]:
        """The tags of one of its steps: its turn in a run, and where it runs."""
        return step_tags(self.config, self.name, step, self.names)

    @property
    def options(self) -> Options:
        """What every asset of the chain has."""
        return {
            "group_name": self.names.name(self.name),
            "tags": {**self.installation.tags, SOURCE_TAG: self.name},
            "owners": [*self.installation.owners],
            "partitions_def": self.installation.calendar,
            "backfill_policy": dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
        }

    @contextmanager
    def step(self, context: dg.AssetExecutionContext) -> Iterator[None]:
        """The work of a step of this source; what goes wrong is the newest that its asset's page shows."""
        try:
            with self.installation.step():
                yield
        except dg.Failure as failure:
            show_failure(context, failure)
            raise


def show_failure(context: dg.AssetExecutionContext, failure: dg.Failure) -> None:
    """Put a failure on the asset's page: Dagster itself keeps what it says in the log of the run alone."""
    context.log_event(
        dg.AssetObservation(
            context.asset_key,
            description="failed",
            partition=context.partition_key,
            metadata={"failed": dg.MetadataValue.md(markdown_block(failure.description or "")), **failure.metadata},
        )
    )


def newest_proofs(installation: Installation) -> list[dg.AssetDep]:
    """What an asset across all sources depends on: the newest day of each source's `verified`."""
    mapping = dg.LastPartitionMapping()
    keys = map(installation.names.verified, installation.config.sources)
    return [dg.AssetDep(key, partition_mapping=mapping) for key in keys]
