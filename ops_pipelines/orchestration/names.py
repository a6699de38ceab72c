"""Every name that Dagster sees: asset keys, groups, jobs, pools, tags. Decides nothing else."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from ops_pipelines.engines.registry import kind_of
from ops_pipelines.errors import OpsError
from ops_pipelines.naming import Named

PROCESS_TAG = "ops/process"
"""The process of a run that no code server watches: who typed `ops backup`."""
RECORDED_TAG = "ops/recorded"
"""Of a run that stands for what a command has done without Dagster, which the ledger knows, too."""
PRIORITY_TAG = "dagster/priority"
LIVE = "10"
"""The priority of what a schedule starts; what is started by hand has 0, and so have backfills."""
RPO_CHECK = "rpo"
ROTATION_CHECK = "rotation"
PROOF_CHECK = "everything_compared"
THREE_TWO_ONE_CHECK = "three_two_one"
PRUNED_CHECK = "pruned"
ALL_WELL_CHECK = "all_well"
_SIGNS = {"*": "any", ",": "_", "-": "to", "/": "per", "#": "nth"}
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WEEKDAYS = {**{str(number): day for number, day in enumerate((*_DAYS, "sun"))}, **{day: day for day in _DAYS}}
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Names(Named):
    """The same as Dagster takes them: asset keys, pools, schedules."""

    def key(self, *path: str) -> dg.AssetKey:
        """The key of an asset."""
        return dg.AssetKey([*self.prefix, *path])

    def source_of(self, key: dg.AssetKey) -> str:
        """The part of an asset's key where a source's assets have its name; empty for an asset of somebody else."""
        ours = tuple(key.path[: len(self.prefix)]) == self.prefix and len(key.path) > len(self.prefix)
        return key.path[len(self.prefix)] if ours else ""

    def dump(self, source: str, kind: str) -> dg.AssetKey:
        """`crm/dump`; of folders, `crm_uploads/snapshot`."""
        return self.key(source, kind_of(kind).step)

    def copy(self, source: str, store: str) -> dg.AssetKey:
        """`crm/offsite_nas`."""
        return self.key(source, f"offsite_{store}")

    def verified(self, source: str) -> dg.AssetKey:
        """`crm/verified`."""
        return dg.AssetKey(self.verified_path(source))

    def drill(self, source: str) -> dg.AssetKey:
        """`crm/drill`."""
        return self.key(source, "drill")

    def server(self, source: str) -> dg.AssetKey:
        """`crm/server`."""
        return self.key(source, "server")

    def service(self, service: str) -> dg.AssetKey:
        """`services/web`."""
        return self.key("services", service)

    @property
    def report(self) -> dg.AssetKey:
        """The report across all sources."""
        return dg.AssetKey(self.report_path)

    @property
    def health(self) -> dg.AssetKey:
        """The health of all sources."""
        return self.key("backup_health")

    @property
    def retention(self) -> dg.AssetKey:
        """What is deleted, across all sources."""
        return self.key("retention")

    def retention_at(self, site: str) -> dg.AssetKey:
        """What is deleted from the local store of another site."""
        return self.key(f"retention_{site}")

    @property
    def jobs(self) -> frozenset[str]:
        """All of them."""
        return frozenset(
            {
                self.backup_job, self.drill_job, self.history_job, self.report_job, self.restore_job,
                self.retention_job,
            }
        )  # fmt: skip

    def pool(self, source: str) -> str:
        """The pool that keeps dumps of one source from overlapping: the next run waits in Dagster's queue.

        Copies and proofs are in none: a backfill of them must not hold up a live backup.
        """
        return self.name(f"source_{source}")

    @property
    def drill_pool(self) -> str:
        """The pool of drills."""
        return self.name("dr_drill")

    def schedule(self, verb: str, cron: str) -> str:
        """The name of a schedule by when it runs, so that it stays the same when others come and go.

        `backup_daily_0200_1400` for `0 2,14 * * *`, `verify_sun_0430` for `30 4 * * 0`; any other line as it is
        spelled, with words for its signs.
        """
        minute, hours, *days = cron.lower().split()
        if minute.isdigit() and hours.replace(",", "").isdigit() and days[:2] == ["*", "*"] and len(days) == 3:
            which = "daily" if days[2] == "*" else _WEEKDAYS.get(days[2], "")
            if which:
                times = (f"{int(hour):02}{int(minute):02}" for hour in hours.split(","))
                return self.name("_".join([verb, which, *times]))
        fields = ("".join(_SIGNS.get(each, each) for each in field) for field in (minute, hours, *days))
        return self.name(re.sub(r"\W", "_", "__".join([verb, *fields])))


PLAIN = Names()
"""Those of a project that is ours alone."""


def prefixed(prefix: str | Sequence[str]) -> Names:
    """The names below a prefix.

    Args:
        prefix: one word or several, of letters, digits and `_`, as `key_prefix` of Dagster; empty for none.
    Raises:
        OpsError: Dagster would take it for a key, and for no name of a job.
    """
    words = (prefix,) if isinstance(prefix, str) else tuple(prefix)
    words = tuple(word for word in words if word)
    for word in words:
        if not _WORD.fullmatch(word):
            raise OpsError(
                f"{word!r} cannot be a key prefix",
                why="jobs, sensors and pools are called by it, too",
                next="use letters, digits and _, with a letter first",
            )
    return Names(words)
