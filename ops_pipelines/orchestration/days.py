"""What a run must know of its day from Dagster: when it was asked for, and what the day's dump made."""

from datetime import datetime, timezone

import dagster as dg

from ops_pipelines.orchestration.assets.common import Chain
from ops_pipelines.orchestration.partitions import points_of, still_now
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint


def is_todays(context: dg.AssetExecutionContext, now: datetime) -> bool:
    """Whether the run may take what exists now for its day: of a run that is tried again, the first one counts."""
    first = context.instance.get_run_record_by_id(context.run.root_run_id or context.run.run_id)
    created = first.create_timestamp if first is not None else now
    asked_at = created if created.tzinfo is not None else created.replace(tzinfo=timezone.utc)
    return still_now(context.partition_time_window, now, asked_at=asked_at)


def points_of_day(context: dg.AssetExecutionContext, chain: Chain, catalogue: Catalogue) -> list[RestorePoint]:
    """The restore points of the run's day, oldest first."""
    wanted = dg.AssetRecordsFilter(
        asset_key=chain.names.dump(chain.name, chain.source.kind), asset_partitions=[context.partition_key]
    )
    made = next(iter(context.instance.fetch_materializations(wanted, limit=1).records), None)
    event = made.asset_materialization if made is not None else None
    named = event.metadata.get("backup_id") if event is not None else None
    dumped = str(named.value) if named is not None else None
    return points_of(catalogue, context.partition_time_window, dumped=dumped)
