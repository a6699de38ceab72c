"""The sensor for what went wrong in Dagster itself: killed and cancelled runs, checks, backfills, freshness.

A plain sensor, since Dagster's own run-failure sensor forgets what it could not deliver and sees neither cancelled runs
nor checks. A tick that fails keeps its cursor, and the next one finds the same.
"""

from functools import partial

import dagster as dg

from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.sensors import facts
from ops_pipelines.watch.alerts.runs import Facts, look_at_runs
from ops_pipelines.watch.alerts.watch import watch

_EVERY_S = 30


def build_run_sensor(installation: Installation) -> dg.SensorDefinition:
    """One sensor for all runs of what is protected."""
    workspace = installation.workspace

    @dg.sensor(
        name=installation.names.name("run_watch"),
        minimum_interval_seconds=_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Alerts on runs that were killed or cancelled, failed checks and backfills, and stale assets.",
    )
    def run_watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now, instance = workspace.clock.now(), context.instance
        with installation.sensing("run_watch"):
            before = facts.Cursor.model_validate_json(context.cursor) if context.cursor else facts.begin(now)
            after = facts.read_runs(instance, installation, before, now)
            found = Facts(
                runs=[each.run for each in after.unmended.values()],
                checks=facts.failed_checks(instance, installation, _checks(installation, context)),
                backfills=facts.failed_backfills(instance, installation, now),
                unfresh=facts.unfresh(instance, installation),
            )
            # Attempts of killed processes end first: what they say is better than what Dagster knows.
            workspace.ledger.fail_orphans()
            done = watch(workspace, {"runs": partial(look_at_runs, facts=found)})
        settled = done.settled["runs"]
        return dg.SensorResult(
            cursor=after.model_dump_json(),
            skip_reason=dg.SkipReason(
                f"{len(after.unmended)} runs, {len(found.checks)} checks, {len(found.backfills)} backfills and "
                f"{len(found.unfresh)} stale sources are open"
                f"{f'; alerts sent: {len(settled.announced)}' if settled and settled.announced else ''}"
            ),
        )

    return run_watch


def _checks(installation: Installation, context: dg.SensorEvaluationContext) -> list[dg.AssetCheckKey]:
    """Every check on an asset of ours, whoever wrote it."""
    if context.repository_def is None:
        return []
    graph = context.repository_def.asset_graph
    return sorted(key for key in graph.asset_check_keys if key.asset_key in installation.noted_keys)
