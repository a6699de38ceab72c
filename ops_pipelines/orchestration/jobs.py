"""The jobs. One shared job for every source: a job each costs seconds of loading per hundred sources."""

from typing import TYPE_CHECKING

import dagster as dg

from ops_pipelines.config.models import Config
from ops_pipelines.orchestration import names

if TYPE_CHECKING:  # not exported by dagster, and only the type is needed
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def chain_selection(config: Config, source: str) -> list[dg.AssetKey]:
    """The assets of one run of a source: dump, copies, proof, report."""
    return [*_own_assets(config, source), names.REPORT_KEY]


def group_selection(config: Config, source: str) -> list[dg.AssetKey]:
    """The assets of one scheduled run of a database with the folders that belong to it, one after the other."""
    keys = [key for name in config.group_of(source) for key in _own_assets(config, name)]
    unproved = {names.verified_key(name) for name in config.group_of(source) if not config.sources[name].verify.auto}
    return [*(key for key in keys if key not in unproved), names.REPORT_KEY]


def _own_assets(config: Config, source: str) -> list[dg.AssetKey]:
    settings = config.sources[source]
    copies = [names.copy_key(source, store) for store in settings.copies]
    return [names.dump_key(source, settings.kind), *copies, names.verified_key(source)]


def build_backup_job(config: Config) -> "UnresolvedAssetJobDefinition":
    """The job that schedules, the UI and `ops backup` share; each run selects one source's assets."""
    return dg.define_asset_job(
        names.BACKUP_JOB,
        # A drill plays a disaster on all sources at once: it has a job of its own.
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(*map(names.drill_key, config.sources))
        if config.drilled is not None
        else dg.AssetSelection.all(),
        description="Dump, copy, restore, compare, report.",
        tags={"dagster/max_runtime": str(6 * 3600)},
    )
