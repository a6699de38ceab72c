"""What Dagster's storage says of runs, checks, backfills and freshness, as facts for the rules. Judges nothing.

Runs are read once each, in the order in which they ended; what is still unmended is carried in the sensor's cursor. The
rest is read anew every time, so that a tick that failed has lost nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import dagster as dg
from pydantic import BaseModel, ConfigDict

from ops_pipelines.chronology import age
from ops_pipelines.clock import UTC
from ops_pipelines.naming import SOURCE_TAG
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.dagster_internals import (
    AssetCheckExecutionRecord,
    BulkActionsFilter,
    BulkActionStatus,
    CheckStatus,
    PartitionBackfill,
)
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.redact import redact
from ops_pipelines.watch.alerts.runs import BACKFILL_FORGOTTEN, EndedBackfill, EndedRun, FailedCheck

# Rules of their own tell these, from the stores and the ledger.
TOLD_ELSEWHERE = frozenset(
    {names.RPO_CHECK, names.ROTATION_CHECK, names.PROOF_CHECK, names.PRUNED_CHECK, names.ALL_WELL_CHECK}
)
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_FAR_BACK, _OVERLAP = timedelta(hours=24), timedelta(seconds=10)
_AT_ONCE = 200
_FROM_OUTSIDE = "marked as failed from outside"
_BACKFILLS_AT_ONCE = 50


class Unmended(BaseModel):
    """A run that did not go well, and what another one must materialize to mend it."""

    model_config = ConfigDict(frozen=True)

    run: EndedRun
    assets: frozenset[str]


class Cursor(BaseModel):
    """How far runs were read, and what of them is still open, by what they were about."""

    model_config = ConfigDict(frozen=True)

    read_to: datetime
    unmended: Mapping[str, Unmended] = {}


def begin(now: datetime) -> Cursor:
    """The cursor of who has read nothing yet: what ended within a day is of interest."""
    return Cursor(read_to=now - _FAR_BACK)


def read_runs(instance: dg.DagsterInstance, installation: Installation, cursor: Cursor, now: datetime) -> Cursor:
    """Read on; at most a few hundred runs. What a wrong clock dated in the future was read when it showed that time."""
    if age(cursor.read_to, now) is None:
        cursor = Cursor(read_to=begin(now).read_to, unmended=cursor.unmended)
    # A run may be written a moment after one that ended later: the last seconds are read twice, which changes nothing.
    wanted = dg.RunsFilter(statuses=_ENDED, updated_after=cursor.read_to - _OVERLAP)
    found = instance.get_run_records(wanted, limit=_AT_ONCE, order_by="update_timestamp", ascending=True)
    records = [each for each in found if age(each.update_timestamp.astimezone(UTC), now) is not None]
    unmended = dict(cursor.unmended)
    for record in records:
        run = record.dagster_run
        at = datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)
        for about, assets in _about(run, installation).items():
            before = unmended.get(about)
            if before is not None and at < before.run.at and age(before.run.at, now) is not None:
                continue
            if run.status is dg.DagsterRunStatus.SUCCESS:
                if before is not None and before.assets <= assets:
                    del unmended[about]
            elif not _reported_elsewhere(run):
                status = "CANCELED" if run.status is dg.DagsterRunStatus.CANCELED else "FAILURE"
                cause = redact(_cause(instance, run.run_id))
                ended = EndedRun(about=about, run_id=run.run_id, status=status, at=at, cause=cause)
                unmended[about] = Unmended(run=ended, assets=assets)
    read_to = max((record.update_timestamp.astimezone(UTC) for record in records), default=cursor.read_to)
    return Cursor(read_to=max(read_to, cursor.read_to), unmended=unmended)


def failed_checks(
    instance: dg.DagsterInstance, installation: Installation, keys: Sequence[dg.AssetCheckKey]
) -> list[FailedCheck]:
    """The checks whose newest evaluation did not pass; one that is under way changes nothing yet."""
    wanted = [key for key in keys if key.name not in TOLD_ELSEWHERE]
    storage = instance.event_log_storage
    failed = []
    for key, latest in storage.get_latest_asset_check_execution_by_key(wanted).items():
        record: AssetCheckExecutionRecord | None = latest
        if latest.status is CheckStatus.PLANNED:
            ended = {CheckStatus.SUCCEEDED, CheckStatus.FAILED}
            record = next(iter(storage.get_asset_check_execution_history(key, limit=1, status=ended)), None)
        if record is not None and record.status is CheckStatus.FAILED:
            failed.append(_failed(installation, key, record))
    return failed


def failed_backfills(instance: dg.DagsterInstance, installation: Installation, now: datetime) -> list[EndedBackfill]:
    """Backfills that ended badly of late, unless the same was done again and went well."""
    recent = instance.get_backfills(
        BulkActionsFilter(created_after=now - 7 * BACKFILL_FORGOTTEN), limit=_BACKFILLS_AT_ONCE
    )
    recent = [each for each in recent if installation.keys & set(each.asset_selection or installation.keys)]
    well = [each for each in recent if each.status in (BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.COMPLETED)]
    bad = {BulkActionStatus.FAILED, BulkActionStatus.COMPLETED_FAILED, BulkActionStatus.CANCELED}
    return [
        EndedBackfill(
            id=each.backfill_id,
            status=each.status.value.lower(),
            at=_backfill_ended(each),
            assets=_names(each.asset_selection or ()),
            cause=redact(each.error.message.strip()) if each.error is not None else "",
        )
        for each in recent
        if each.status in bad and not any(_does_again(later, each) for later in well)
    ]


def unfresh(instance: dg.DagsterInstance, installation: Installation) -> dict[str, list[str]]:
    """By source the assets whose freshness policy says FAIL; one that never was says nothing."""
    keys = {
        key: name
        for name, source in installation.config.sources.items()
        for key in (installation.names.dump(name, source.kind), installation.names.verified(name))
    }
    found: dict[str, list[str]] = {}
    for key, record in instance.get_freshness_state_records(list(keys)).items():
        if record.freshness_state.value == "FAIL":
            found.setdefault(keys[key], []).append(key.to_user_string())
    return found


def _about(run: dg.DagsterRun, installation: Installation) -> dict[str, frozenset[str]]:
    """What a run is about, with its assets: every source it touches, else its first asset or its job.

    Nothing, when it is somebody else's.
    """
    if not installation.owns(run):
        return {}
    found: dict[str, set[str]] = {}
    for key in run.asset_selection or ():
        source = installation.names.source_of(key)
        if source in installation.config.sources:
            found.setdefault(source, set()).add(key.to_user_string())
    if found:
        return {source: frozenset(assets) for source, assets in found.items()}
    selected = _names(run.asset_selection or ())
    return {run.tags.get(SOURCE_TAG) or next(iter(selected), run.job_name): frozenset(selected)}


def _reported_elsewhere(run: dg.DagsterRun) -> bool:
    """Runs that Dagster will try again, those of backfills, which are told as a whole, and what the ledger tells."""
    again = run.tags.get("dagster/will_retry") == "true"
    return again or "dagster/backfill" in run.tags or names.RECORDED_TAG in run.tags


def _cause(instance: dg.DagsterInstance, run_id: str) -> str:
    """How it ended; where it was ended from outside, what Dagster said of that right before."""
    ends = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED)
    said = ""
    for entry in instance.all_logs(run_id, of_type={*ends, dg.DagsterEventType.ENGINE_EVENT}):
        event = entry.dagster_event
        if event is not None and event.event_type in ends:
            own = (event.message or "").strip()
            return said if _FROM_OUTSIDE in own and said else own
        if event is not None:
            error = event.engine_event_data.error
            reason = error.message.strip().splitlines()[-1:] if error is not None else []
            said = ": ".join([(event.message or "").strip(), *reason])
    return said


def _failed(installation: Installation, key: dg.AssetCheckKey, record: AssetCheckExecutionRecord) -> FailedCheck:
    source = installation.names.source_of(key.asset_key)
    event = record.event.dagster_event if record.event is not None else None
    evaluation = event.asset_check_evaluation_data if event is not None else None
    warns = evaluation is not None and evaluation.severity is dg.AssetCheckSeverity.WARN
    return FailedCheck(
        source=source if source in installation.config.sources else "",
        asset=key.asset_key.to_user_string(),
        name=key.name,
        blames="warn" if warns else "error",
        run_id=record.run_id,
        said=redact(" ".join(_said(evaluation.metadata))) if evaluation is not None else "",
    )


def _said(metadata: Mapping[str, dg.MetadataValue]) -> Iterator[str]:
    """What a check found out, where it says so in words."""
    for name in ("missing", "cause", "problems"):
        if name in metadata:
            yield str(metadata[name].value).replace("\n", " ").removeprefix("- ")


def _does_again(later: PartitionBackfill, failed: PartitionBackfill) -> bool:
    same = {*(failed.asset_selection or ())} <= {*(later.asset_selection or ())}
    return same and later.backfill_timestamp > failed.backfill_timestamp


def _backfill_ended(backfill: PartitionBackfill) -> datetime:
    return datetime.fromtimestamp(backfill.backfill_end_timestamp or backfill.backfill_timestamp, UTC)


def _names(keys: Iterable[dg.AssetKey]) -> list[str]:
    return sorted(key.to_user_string() for key in keys)
