"""From a configuration to Dagster definitions. The factories live beside; this puts them together."""

import warnings
from collections.abc import Mapping

import dagster as dg

from ops_pipelines.config.models import Config
from ops_pipelines.orchestration.assets.common import Chain
from ops_pipelines.orchestration.assets.drill import build_drill_asset
from ops_pipelines.orchestration.assets.dump import build_dump
from ops_pipelines.orchestration.assets.health import build_health_asset
from ops_pipelines.orchestration.assets.offsite import build_offsite
from ops_pipelines.orchestration.assets.report import build_report_asset
from ops_pipelines.orchestration.assets.retention import build_retention_asset
from ops_pipelines.orchestration.assets.verified import build_verified
from ops_pipelines.orchestration.checks.rpo import build_rpo_check
from ops_pipelines.orchestration.checks.three_two_one import build_three_two_one_check
from ops_pipelines.orchestration.drill_job import build_drill_job
from ops_pipelines.orchestration.history import build_history_job
from ops_pipelines.orchestration.jobs import build_backup_job
from ops_pipelines.orchestration.outside import build_heartbeat_sensor
from ops_pipelines.orchestration.partitions import daily
from ops_pipelines.orchestration.patience import wait_patiently
from ops_pipelines.orchestration.probes import build_probes
from ops_pipelines.orchestration.resources import WATCHER, WORKSPACE, Watcher
from ops_pipelines.orchestration.retention_schedule import build_retention_schedule
from ops_pipelines.orchestration.schedules import build_schedules
from ops_pipelines.orchestration.sensors.alerts import build_alert_sensor
from ops_pipelines.orchestration.sensors.rpo import build_rpo_sensor
from ops_pipelines.orchestration.sensors.runs import build_run_sensor
from ops_pipelines.workspace import open_workspace

# We use backfill policies knowingly; a warning on every start would only teach people to ignore warnings.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
wait_patiently()


def build_definitions(config: Config, *, overrides: Mapping[str, object] | None = None) -> dg.Definitions:
    """Everything Dagster needs to know about a configuration.

    Args:
        overrides: resources (`workspace`, `watcher`) to use instead of the real ones, for tests and the CLI.
    """
    workspace = open_workspace(config)
    calendar = daily(workspace)
    job = build_backup_job(config)
    drill = build_drill_job(config)
    history, purges = build_history_job(config)
    servers, probe_sensors = build_probes(config)
    resources: dict[str, object] = {WORKSPACE: workspace, WATCHER: Watcher(), **(overrides or {})}
    return dg.Definitions(
        assets=[
            *servers,
            *(asset for name in config.sources for asset in _chain(Chain(config, name, calendar))),
            build_report_asset(config),
            build_health_asset(config),
            build_retention_asset(config),
            *build_drill_asset(config),
        ],
        asset_checks=[build(name) for name in config.sources for build in (build_rpo_check, build_three_two_one_check)],
        jobs=[job, history, *drill.jobs],
        schedules=[*build_schedules(config, job), build_retention_schedule(config), purges, *drill.schedules],
        sensors=[
            build_rpo_sensor(config),
            build_alert_sensor(config),
            build_run_sensor(config),
            *build_heartbeat_sensor(config),
            *probe_sensors,
        ],
        resources=resources,
        # In one process a killed run leaves no orphan step, and three assets take 5 s instead of 16.
        executor=dg.in_process_executor,
    )


def _chain(chain: Chain) -> list[dg.AssetsDefinition]:
    return [build_dump(chain), *(build_offsite(chain, store) for store in chain.source.copies), build_verified(chain)]
