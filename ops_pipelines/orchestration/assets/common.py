"""What assets share: those of one source group, tags, partitions; those of all, what they wait for."""

from dataclasses import dataclass
from typing import TypedDict

import dagster as dg

from ops_pipelines.config.models import Config
from ops_pipelines.engines.source import Source
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.installation import Installation


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

    @property
    def options(self) -> Options:
        """What every asset of the chain has."""
        return {
            "group_name": self.names.name(self.name),
            "tags": {**self.installation.tags, names.SOURCE_TAG: self.name},
            "owners": [*self.installation.owners],
            "partitions_def": self.installation.calendar,
            "backfill_policy": dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
        }


def newest_proofs(installation: Installation) -> list[dg.AssetDep]:
    """What an asset across all sources depends on: the newest day of each source's `verified`."""
    mapping = dg.LastPartitionMapping()
    keys = map(installation.names.verified, installation.config.sources)
    return [dg.AssetDep(key, partition_mapping=mapping) for key in keys]
