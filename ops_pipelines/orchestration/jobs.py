"""The jobs. One shared job for every source: a job each costs seconds of loading per hundred sources."""

import dagster as dg

from ops_pipelines.config.models import Config
from ops_pipelines.orchestration.dagster_internals import AssetJob
from ops_pipelines.orchestration.execution import executor
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.names import PLAIN, Names
from ops_pipelines.orchestration.patience import in_one_process


def chain_selection(config: Config, source: str, names: Names = PLAIN) -> list[dg.AssetKey]:
    """The assets of one run of a source: dump, copies, proof, report."""
    return [*_own_assets(config, source, names), names.report]


def group_selection(config: Config, source: str, names: Names = PLAIN) -> list[dg.AssetKey]:
    """The assets of one scheduled run of a database with the folders that belong to it, one after the other."""
    group = config.group_of(source)
    keys = [key for name in group for key in _own_assets(config, name, names)]
    unproved = {names.verified(name) for name in group if not config.sources[name].verify.auto}
    return [*(key for key in keys if key not in unproved), names.report]


def _own_assets(config: Config, source: str, names: Names) -> list[dg.AssetKey]:
    settings = config.sources[source]
    copies = [names.copy(source, store) for store in settings.copies]
    dumped = [names.dump(source, settings.kind)] if settings.taken_by is None else []
    return [*dumped, *copies, names.verified(source)]


def asset_job(
    name: str,
    *keys: dg.AssetKey,
    description: str,
    tags: dict[str, str],
    executor: dg.ExecutorDefinition = in_one_process,
) -> AssetJob:
    """A job over assets of ours, and over no others of the project."""
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*keys),
        description=description,
        tags=tags,
        executor_def=executor,
    )


def build_backup_job(installation: Installation) -> AssetJob:
    """The job that schedules, the UI and `ops backup` share; each run selects one source's assets."""
    names = installation.names
    # A drill plays a disaster on all sources at once: it has a job of its own.
    drills = set(map(names.drill, installation.config.sources))
    return asset_job(
        names.backup_job,
        *sorted(installation.keys - drills),
        description="Dump, copy, restore, compare, report.",
        tags={"dagster/max_runtime": str(6 * 3600)},
        executor=executor(installation.config, names),
    )
