"""From a configuration to Dagster definitions. The factories live beside; this puts them together."""

import warnings
from collections.abc import Mapping, Sequence

import dagster as dg

from ops_pipelines.config.models import Config
from ops_pipelines.orchestration.assets.common import Chain
from ops_pipelines.orchestration.assets.drill import build_drill_asset
from ops_pipelines.orchestration.assets.dump import build_dump, taken_elsewhere
from ops_pipelines.orchestration.assets.health import build_health_asset
from ops_pipelines.orchestration.assets.offsite import build_offsite
from ops_pipelines.orchestration.assets.report import build_report_asset
from ops_pipelines.orchestration.assets.retention import build_retention_asset, build_site_retention
from ops_pipelines.orchestration.assets.verified import build_verified
from ops_pipelines.orchestration.checks.rpo import build_rpo_check
from ops_pipelines.orchestration.checks.three_two_one import build_three_two_one_check
from ops_pipelines.orchestration.drill_job import build_drill_job
from ops_pipelines.orchestration.every_day import build_daily
from ops_pipelines.orchestration.execution import executor
from ops_pipelines.orchestration.history import build_history_job
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.jobs import build_backup_job
from ops_pipelines.orchestration.names import prefixed
from ops_pipelines.orchestration.outside import build_heartbeat_sensor
from ops_pipelines.orchestration.probes import build_probes
from ops_pipelines.orchestration.restore_job import build_restore_job
from ops_pipelines.orchestration.schedules import build_schedules
from ops_pipelines.orchestration.sensors.alerts import build_alert_sensor
from ops_pipelines.orchestration.sensors.arrivals import build_arrivals_sensor
from ops_pipelines.orchestration.sensors.rpo import build_rpo_sensor
from ops_pipelines.orchestration.sensors.runs import build_run_sensor
from ops_pipelines.workspace import Workspace


def build_definitions(
    config: Config,
    *,
    key_prefix: str | Sequence[str] = (),
    owners: Sequence[str] = ("team:ops",),
    tags: Mapping[str, str] | None = None,
    after: Mapping[str, Sequence[dg.AssetKey]] | None = None,
) -> dg.Definitions:
    """Everything Dagster needs to know about a configuration, to be loaded alone or merged with a project's own.

    Nothing of the process is changed: its umask, its loggers and its error reporting stay as they are.

    Args:
        key_prefix: what asset keys begin with, and the names of jobs, schedules, sensors, groups and pools: two
            configurations in one project need one each.
        owners: of every asset: `team:name` or an address.
        tags: of every asset of a source, beside ours.
        after: by source, assets of the project that its dump depends on: those that fill its tables.
    Raises:
        OpsError: the prefix cannot be used, `after` names a source that is not configured, or this process reads names
            of files in another encoding than UTF-8.
    """
    workspace, after = Workspace(config), after or {}
    for name in after:
        workspace.config.source(name)
    return definitions_of(Installation(workspace, prefixed(key_prefix), owners=owners, tags=tags or {}, after=after))


def definitions_of(installation: Installation) -> dg.Definitions:
    """The same for an installation that is opened already."""
    with warnings.catch_warnings():
        # We use backfill policies knowingly; a warning on every start would only teach people to ignore warnings.
        warnings.simplefilter("ignore", category=dg.BetaWarning)
        return _defined(installation)


def build_project(workspace: Workspace) -> dg.Definitions:
    """A project that is ours alone: whatever is materialized in it runs as our jobs do."""
    return dg.Definitions.merge(
        definitions_of(Installation(workspace)), dg.Definitions(executor=executor(workspace.config))
    )


def _defined(installation: Installation) -> dg.Definitions:
    job = build_backup_job(installation)
    drill = build_drill_job(installation)
    history, purges = build_history_job(installation)
    servers, probe_sensors = build_probes(installation)
    daily = build_daily(installation)
    sources = installation.config.sources
    return dg.Definitions(
        assets=[
            *servers,
            *(asset for name in sources for asset in _chain(Chain(installation, name))),
            build_report_asset(installation),
            build_health_asset(installation),
            build_retention_asset(installation),
            *build_site_retention(installation),
            *build_drill_asset(installation),
        ],
        asset_checks=[
            build(installation, name) for name in sources for build in (build_rpo_check, build_three_two_one_check)
        ],
        jobs=[job, build_restore_job(installation), history, *(each.job for each in daily), *drill.jobs],
        schedules=[
            *build_schedules(installation, job),
            *(each.schedule for each in daily),
            purges,
            *drill.schedules,
        ],
        sensors=[
            build_rpo_sensor(installation),
            build_alert_sensor(installation),
            build_run_sensor(installation),
            *build_arrivals_sensor(installation, job),
            *build_heartbeat_sensor(installation),
            *probe_sensors,
        ],
    )


def _chain(chain: Chain) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    first = build_dump(chain) if chain.source.taken_by is None else taken_elsewhere(chain)
    return [first, *(build_offsite(chain, store) for store in chain.source.copies), build_verified(chain)]
