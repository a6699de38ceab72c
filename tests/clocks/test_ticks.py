"""`ops plan` ticks as Dagster ticks, also where clocks are set."""

from datetime import datetime, timedelta, timezone
from itertools import takewhile

import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from ops_pipelines.config.cadence import ticks

CRONS = (
    "0 2,8,14,20 * * *", "30 2 * * *", "15 1 * * *", "0 * * * *", "*/20 2 * * *", "0 2 * * 0", "30 1,2,3 * * *",
    "0 */6 * * *", "5 */2 * * *", "30 2 1 * *", "0 2 * * 0#1", "30 0 * * *", "15,45 0 * * *", "0 3 * * 1-5",
)  # fmt: skip
ZONES = {
    "Europe/Prague": ("2026-03-28", "2026-10-24"),
    "America/New_York": ("2026-03-07", "2026-10-31"),
    "America/Havana": ("2026-03-07", "2026-10-31"),
    "America/Santiago": ("2026-04-04", "2026-09-05"),
    "UTC": ("2028-02-28", "2026-12-30"),
}


@pytest.mark.parametrize("cron", CRONS)
@pytest.mark.parametrize("zone", ZONES)
def test_a_cron_line_ticks_as_dagster_does_where_the_clock_is_set(zone: str, cron: str) -> None:
    for day in ZONES[zone]:
        begin = datetime.fromisoformat(day).replace(tzinfo=timezone.utc)
        end = begin + timedelta(days=3)
        theirs = schedule_execution_time_iterator(begin.timestamp(), cron, zone)
        wanted = [tick.astimezone(timezone.utc) for tick in takewhile(lambda tick, end=end: tick <= end, theirs)]
        assert ticks(cron, zone, begin, end) == [tick for tick in wanted if tick > begin]


def test_a_backup_at_two_runs_once_in_the_night_that_has_two_o_clock_twice() -> None:
    night = datetime(2026, 10, 24, 22, tzinfo=timezone.utc)
    assert ticks("0 2 * * *", "Europe/Prague", night, night + timedelta(hours=6)) == [
        datetime(2026, 10, 25, 1, tzinfo=timezone.utc)
    ]
