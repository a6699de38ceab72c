"""A clock that was ahead and is right again: Dagster waits for the time that it has seen already, for years if need be.

A sensor whose last tick lies in the future is never due, and a schedule goes on after its latest tick. So nothing is
backed up, and nothing is watched, although every daemon is alive. Here such marks are taken away.
"""

from datetime import datetime, timedelta

import dagster as dg

from ops_pipelines.chronology import SKEW
from ops_pipelines.orchestration.dagster_internals import (
    InstigatorState,
    ScheduleInstigatorData,
    SensorInstigatorData,
)

_EVER = timedelta(days=365 * 100)


def reset_future_ticks(instance: dg.DagsterInstance, now: datetime) -> list[str]:
    """Let schedules and sensors that wait for a time in the future go on from now; returns their names.

    A daemon that runs remembers the time of its last look as well, until it is restarted.
    """
    if instance.schedule_storage is None:
        return []  # an instance that lives as long as its process has no schedules
    latest = (now + SKEW).timestamp()
    found = []
    for state in instance.all_instigator_state():
        origin, selector = state.instigator_origin_id, state.selector_id
        ticks = instance.get_ticks(origin, selector, after=latest, limit=1)
        if not ticks and not _waits(state, latest):
            continue
        if ticks:
            # Only ticks before a time can be removed: the record of the others goes with them.
            instance.purge_ticks(origin, selector, before=(now + _EVER).timestamp())
        if (data := _from(state, now)) is not None:
            instance.update_instigator_state(state.with_data(data))
        found.append(state.instigator_name)
    return sorted(found)


def _waits(state: InstigatorState, latest: float) -> bool:
    data = state.instigator_data
    if isinstance(data, SensorInstigatorData):
        return max(data.last_tick_timestamp or 0, data.last_tick_start_timestamp or 0) > latest
    if isinstance(data, ScheduleInstigatorData):
        return max(data.start_timestamp or 0, data.last_iteration_timestamp or 0) > latest
    return False


def _from(state: InstigatorState, now: datetime) -> SensorInstigatorData | ScheduleInstigatorData | None:
    data = state.instigator_data
    if isinstance(data, SensorInstigatorData):
        return SensorInstigatorData(
            min_interval=data.min_interval, cursor=data.cursor, last_run_key=data.last_run_key,
            sensor_type=data.sensor_type,
        )  # fmt: skip
    if isinstance(data, ScheduleInstigatorData):
        return ScheduleInstigatorData(data.cron_schedule, start_timestamp=now.timestamp())
    return None
