"""The `drill` assets: one step plays a disaster on whole applications, and every source that came back is an event."""

from collections.abc import Iterator, Sequence

import dagster as dg
from pydantic import Field

from ops_pipelines import text
from ops_pipelines.config.drills import SCENARIOS
from ops_pipelines.drill.record import Report, SourceResult
from ops_pipelines.drill.report.sections import headline
from ops_pipelines.drill.run import Drilled, run_drill
from ops_pipelines.errors import OpsError
from ops_pipelines.naming import DRILL_STEP, SOURCE_TAG
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.describe import Metadata, bullets
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.redact import redact


class DrillConfig(dg.Config):
    """What to play; the configured scenario, on every application, unless said otherwise."""

    scenario: str = Field("", description=f"one of {', '.join(SCENARIOS)}")
    applications: list[str] = Field([], description="only these")
    seed: int = Field(-1, description="repeats the choice of a random_restore_point")


def build_drill_asset(installation: Installation) -> list[dg.AssetsDefinition]:
    """The drill of every source, as one step; nothing where no drills are configured."""
    ours, called = installation.config, installation.names
    if (drills := ours.drilled) is None:
        return []
    specs = [
        dg.AssetSpec(
            called.drill(name),
            # Not beside the source's other assets, where "Materialize all" means a backup.
            group_name=called.name("drills"),
            tags={**installation.tags, SOURCE_TAG: name},
            owners=[*installation.owners],
            kinds={"drill"},
            skippable=True,
            deps=[dg.AssetDep(called.verified(name), partition_mapping=dg.LastPartitionMapping())],
            freshness_policy=dg.FreshnessPolicy.time_window(fail_window=drills.overdue_after),
            description=f"`{name}` recovered in a disaster drill, with its application, from what survives elsewhere.",
        )
        for name in ours.sources
    ]

    @dg.multi_asset(
        name=called.name(DRILL_STEP),
        specs=specs,
        can_subset=True,
        pool=called.drill_pool,
        op_tags={names.PRIORITY_TAG: "-1"},
    )
    def drill(context: dg.AssetExecutionContext, config: DrillConfig) -> Iterator[dg.MaterializeResult[None]]:
        with installation.step():
            drilled = _run(context, config, installation)
        wanted = context.selected_asset_keys
        for key, metadata in drill_metadata(drilled, called):
            if key in wanted:
                yield dg.MaterializeResult(asset_key=key, metadata=metadata)
        if not drilled.report.passed:
            problems = bullets(drilled.report.problems)
            raise dg.Failure(
                description=redact(f"the drill failed\n{problems}\n  next: read {drilled.directory}/report.md"),
                metadata={"report": dg.MetadataValue.md(drilled.written)},
                allow_retries=False,
            )

    return [drill]


def _run(context: dg.AssetExecutionContext, config: DrillConfig, installation: Installation) -> Drilled:
    scenario = config.scenario or installation.config.scenario
    known = [each for each in SCENARIOS if each == scenario]
    if not known:
        raise OpsError(f"there is no scenario {scenario!r}", next=f"one of {', '.join(SCENARIOS)}")
    tags = context.run.tags
    schedule, user = tags.get("dagster/schedule_name"), tags.get("user")
    by = f"schedule {schedule}" if schedule else tags.get("ops/started_by") or user or "somebody in Dagster's UI"

    def tell(step: str, _done: int, total: int | None) -> None:
        if total is None:
            context.log.info(text.line(redact(step)))

    return run_drill(
        installation.workspace,
        known[0],
        applications=config.applications or _of_selected(context, installation),
        seed=config.seed if config.seed >= 0 else None,
        started_by=by,
        run_id=context.run.run_id,
        progress=tell,
    )


def _of_selected(context: dg.AssetExecutionContext, installation: Installation) -> list[str]:
    """The applications of the sources that were selected: an application is recovered as a whole."""
    ours, called = installation.config, installation.names
    selected = {name for name in ours.sources if called.drill(name) in context.selected_asset_keys}
    return [name for name, each in ours.applications.items() if selected & {*each.sources}]


def drill_metadata(drilled: Drilled, called: names.Names) -> Iterator[tuple[dg.AssetKey, Metadata]]:
    """The asset of every source that came back, and how."""
    for group in drilled.report.groups:
        for each in group.sources if group.passed else ():
            yield called.drill(each.source), _metadata(drilled, drilled.report, each)


def _metadata(drilled: Drilled, report: Report, result: SourceResult) -> Metadata:
    loss = result.loss
    lines: Sequence[str] = [*report.missed, *(f"not verified: {each}" for each in report.limits)]
    return {
        "drill": dg.MetadataValue.text(report.id),
        "scenario": dg.MetadataValue.text(report.scenario),
        "result": dg.MetadataValue.text(text.line(redact(headline(report)))),
        "proof": dg.MetadataValue.text(result.words),
        "started_by": dg.MetadataValue.text(report.started_by),
        "backup_id": dg.MetadataValue.text(result.backup_id),
        "store": dg.MetadataValue.text(result.store),
        "rto_s": dg.MetadataValue.float(result.took_s),
        **{f"{step}_s": dg.MetadataValue.float(seconds) for step, seconds in result.seconds.items()},
        **({"lost_minutes": dg.MetadataValue.float(loss.minutes)} if loss is not None else {}),
        **({"lost_rows": dg.MetadataValue.int(loss.rows)} if loss is not None and loss.rows is not None else {}),
        **({"look": dg.MetadataValue.md(bullets(lines))} if lines else {}),
        "report": dg.MetadataValue.md(drilled.written),
        "path": dg.MetadataValue.path(str(drilled.directory)),
    }
