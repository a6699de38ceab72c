"""Rules about what will go wrong if nothing is done: disks that fill, locks that end, sources that grow unusually."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from ops_pipelines.config.models import Config
from ops_pipelines.errors import OpsError
from ops_pipelines.language.said import Size, counted, said
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.watch.alerts.conditions import Condition
from ops_pipelines.watch.health import SourceHealth
from ops_pipelines.watch.trends import daily, growth_by_day

RULES: Mapping[str, str] = {
    "disk_filling": "a store's disk will be full before the next three runs are done, going by the last ones",
    "lock_ending": "the object lock of the newest verified copy in a bucket ends soon, and no newer one has come",
    "source_grows": "a source grew in a day by far more than it usually does",
}
_RUNS_AHEAD = 3
_LOCK_AHEAD = timedelta(days=7)
# Fewer days tell nothing of what is usual; small sources jump by nature.
_USUAL_DAYS, _TIMES_USUAL, _LEAST_SHARE, _LEAST_BYTES = 3, 5, 0.1, 16 * 2**20


def disks(stores: Mapping[str, Store], found: Sequence[SourceHealth]) -> list[Condition]:
    """Stores in directories that will be full before the next runs are done, if these are as large as the last."""
    conditions = []
    for store in stores.values():
        here = [each for each in found if store.name in {copy.store for copy in each.copies}]
        each_run = sum(health.size_bytes or 0 for health in here)
        if store.root is not None and store.root.is_dir() and each_run:
            system = os.statvfs(store.root)
            free = system.f_bavail * system.f_frsize
            if free < _RUNS_AHEAD * each_run:
                conditions.append(_filling(store, free, each_run, len(here)))
    return conditions


def ahead(
    config: Config, stores: Mapping[str, Store], name: str, catalogue: Catalogue, now: datetime
) -> list[Condition]:
    """What will go wrong with one source."""
    return [*_locks(config, stores, name, catalogue, now), *_growth(name, catalogue.points)]


def _filling(store: Store, free: int, each_run: int, sources: int) -> Condition:
    return Condition(
        rule="disk_filling",
        severity="error" if free < each_run else "warn",
        source="",
        phase="health",
        title=counted(
            "the disk will be full after {count} more run",
            "the disk will be full after {count} more runs",
            free // each_run,
        ),
        cause=counted(
            "{free} free on {path}; a run of its {count} source writes {each}",
            "{free} free on {path}; a run of its {count} sources writes {each}",
            sources,
            free=Size(free),
            path=str(store.root),
            each=Size(each_run),
        ),
        next=f"df -h {store.root}; ops prune",
        store=store.name,
    )


def _locks(
    config: Config, stores: Mapping[str, Store], name: str, catalogue: Catalogue, now: datetime
) -> Iterator[Condition]:
    """The newest verified copy stays whatever `keep:` says, and its lock does not. A bucket is asked only when late."""
    for store in config.source(name).copies:
        settings = config.stores[store]
        if settings.locked_for is None:
            continue
        sound = [each for each in catalogue.points if each.verified and store in {*each.stores} - {*each.damaged}]
        warned = min(_LOCK_AHEAD, settings.locked_for / 4)
        if not sound or now - sound[-1].started_at < settings.locked_for - warned:
            continue
        try:
            until = stores[store].locked_until(name, sound[-1].id)
        except OpsError:
            continue  # a bucket that cannot be read is told as that
        if until is None or until - now < warned:
            yield _ending(name, store, sound[-1], until if until is not None and until > now else None)


def _ending(name: str, store: str, point: RestorePoint, until: datetime | None) -> Condition:
    title = said("object lock in {store} has ended", store=store)
    cause = said(
        "{id}, the newest verified copy there, is not locked any more: whoever has a key can delete it", id=point.id
    )
    if until is not None:
        title = said("object lock in {store} ends soon", store=store)
        cause = said(
            "{id}, the newest verified copy there, is locked until {at}: then whoever has a key can delete it",
            id=point.id,
            at=until,
        )
    return Condition(
        rule="lock_ending",
        severity="warn" if until is not None else "error",
        source=name,
        phase="copy",
        title=title,
        cause=cause,
        next=f"ops backup {name}",
        store=store,
    )


def _growth(name: str, points: Sequence[RestorePoint]) -> Iterator[Condition]:
    days = daily(points)
    if len(days) <= _USUAL_DAYS + 1:
        return
    *before, grown = growth_by_day(days)
    usual, size = max(median(before), 0), days[-1].manifest.plain_bytes
    if grown > max(_TIMES_USUAL * usual, _LEAST_SHARE * (size - grown), _LEAST_BYTES):
        yield Condition(
            rule="source_grows",
            severity="warn",
            source=name,
            phase="dump",
            title=said("grows unusually"),
            cause=said(
                "by {grown} to {size} in {span}; usually by {usual} a day",
                grown=Size(grown),
                size=Size(size),
                span=days[-1].started_at - days[-2].started_at,
                usual=Size(usual),
            ),
            next=f"ops list {name}",
        )
