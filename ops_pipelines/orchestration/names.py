"""Every name that Dagster sees: asset keys, groups, pools, tags. Decides nothing else."""

import re
from typing import Literal

import dagster as dg

from ops_pipelines.engines.registry import kind_of

BACKUP_JOB = "backup"
DRILL_JOB = "dr_drill"
HISTORY_JOB = "purge_history"
DRILL_POOL = "dr_drill"
REPORT_KEY = dg.AssetKey(["backup_report"])
HEALTH_KEY = dg.AssetKey(["backup_health"])
RETENTION_KEY = dg.AssetKey(["retention"])
SOURCE_TAG = "ops/source"
PROCESS_TAG = "ops/process"
"""The process of a run that no code server watches: who typed `ops backup`."""
PRIORITY_TAG = "dagster/priority"
LIVE = "10"
"""The priority of what a schedule starts; what is started by hand has 0, and so have backfills."""
RPO_CHECK = "rpo"
ROTATION_CHECK = "rotation"
PROOF_CHECK = "everything_compared"
THREE_TWO_ONE_CHECK = "three_two_one"
PRUNED_CHECK = "pruned"
_SIGNS = {"*": "any", ",": "_", "-": "to", "/": "per", "#": "nth"}
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WEEKDAYS = {**{str(number): day for number, day in enumerate((*_DAYS, "sun"))}, **{day: day for day in _DAYS}}
ALL_WELL_CHECK = "all_well"


def dump_key(source: str, kind: str) -> dg.AssetKey:
    """`crm/dump`; of folders, `crm_uploads/snapshot`."""
    return dg.AssetKey([source, kind_of(kind).step])


def copy_key(source: str, store: str) -> dg.AssetKey:
    """`crm/offsite_nas`."""
    return dg.AssetKey([source, f"offsite_{store}"])


def verified_key(source: str) -> dg.AssetKey:
    """`crm/verified`."""
    return dg.AssetKey([source, "verified"])


def drill_key(source: str) -> dg.AssetKey:
    """`crm/drill`."""
    return dg.AssetKey([source, "drill"])


def pool(source: str) -> str:
    """The pool that keeps dumps of one source from overlapping: the next run waits in Dagster's queue.

    Copies and proofs are in none: a backfill of them must not hold up a live backup.
    """
    return f"source_{source}"


def schedule(verb: str, cron: str) -> str:
    """The name of a schedule by when it runs, so that it stays the same when others come and go.

    `backup_daily_0200_1400` for `0 2,14 * * *`, `verify_sun_0430` for `30 4 * * 0`; any other line as it is spelled,
    with words for its signs.
    """
    minute, hours, *days = cron.lower().split()
    if minute.isdigit() and hours.replace(",", "").isdigit() and days[:2] == ["*", "*"] and len(days) == 3:
        which = "daily" if days[2] == "*" else _WEEKDAYS.get(days[2], "")
        if which:
            return "_".join([verb, which, *(f"{int(hour):02}{int(minute):02}" for hour in hours.split(","))])
    fields = ("".join(_SIGNS.get(each, each) for each in field) for field in (minute, hours, *days))
    return re.sub(r"\W", "_", "__".join([verb, *fields]))


def order(step: Literal["dump", "snapshot", "copy", "verify"]) -> dict[str, str]:
    """The tag that puts steps of one run in their order where none needs the other: Dagster runs higher ones first.

    A store that is down must not keep a backup from being proved, nor a database its uploads from being saved, so
    these are no dependencies: a failed one would skip what comes after it.
    """
    return {PRIORITY_TAG: str({"dump": 4, "snapshot": 3, "copy": 2, "verify": 1}[step])}
