"""The days ahead: what runs when and how long it takes, what retention deletes, when an RPO would break, the disk."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from ops_pipelines.backup.retention import SourcePruned
from ops_pipelines.engines.source import Source
from ops_pipelines.plan.history import Expected, expected
from ops_pipelines.plan.imagined import Future
from ops_pipelines.plan.moments import Doing, moments
from ops_pipelines.recovery.graded import not_noticed
from ops_pipelines.vault.catalogue import Catalogue
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.registry import LOCAL
from ops_pipelines.workspace import Workspace


@dataclass(frozen=True)
class Run:
    """One thing that a schedule will start.

    Attributes:
        source: what is backed up; empty for what concerns all.
        took: as long as the last ones; None when there were none.
        adds_bytes: by store.
        scenario: what a drill plays.
    """

    at: datetime
    doing: Doing
    source: str = ""
    took: timedelta | None = None
    adds_bytes: Mapping[str, int] | None = None
    scenario: str = ""


@dataclass(frozen=True)
class Deletion:
    """One copy that retention will delete.

    Attributes:
        imagined: it is one that is still to be taken.
    """

    at: datetime
    source: str
    store: str
    backup_id: str
    started_at: datetime
    size_bytes: int
    because: str
    imagined: bool


@dataclass(frozen=True)
class Outlook:
    """One source.

    Attributes:
        breaks_at: when its RPO breaks if nothing runs any more; None when nothing of it is verified, so it is broken.
        leaves_out: what proofs of it will not notice by its `fingerprint`; empty when they compare everything.
        problem: why retention leaves it, or a store of it, alone when it runs next.
    """

    source: str
    runs: int
    next_at: datetime | None
    expected: Expected
    breaks_at: datetime | None
    warns_at: datetime | None
    leaves_out: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Room:
    """One store.

    Attributes:
        most_bytes: the most by which it will have grown at any moment.
        free_bytes: of its disk; None where nobody knows.
        needed_bytes: what has to be free: the growth, and in `local` the largest restore for a verification as well.
    """

    store: str
    adds_bytes: int
    frees_bytes: int
    most_bytes: int
    free_bytes: int | None
    needed_bytes: int

    @property
    def enough(self) -> bool:
        """Whether the disk will do, as far as anybody knows."""
        return self.free_bytes is None or self.needed_bytes <= self.free_bytes


@dataclass(frozen=True)
class Day:
    """The sums of a day, in the configured time zone."""

    day: str
    backups: int
    took: timedelta
    adds_bytes: int
    deletions: int
    frees_bytes: int


@dataclass(frozen=True)
class Plan:
    """Everything ahead, by time."""

    begin: datetime
    end: datetime
    runs: Sequence[Run]
    deletions: Sequence[Deletion]
    sources: Sequence[Outlook]
    rooms: Sequence[Room]
    days: Sequence[Day]


def look_ahead(workspace: Workspace, days: int) -> Plan:
    """What the schedules will do in the next days, if every run succeeds and the sources stay as they are.

    Args:
        days: how far to look, from now.
    """
    begin = workspace.clock.now()
    end, config = begin + timedelta(days=days), workspace.config
    known = {
        name: expected(name, config.source(name), workspace.catalogue(name), lambda: workspace.ledger)
        for name in config.sources
    }
    future, runs, deletions = (
        Future(config, lambda: workspace.ledger, workspace.stores, workspace.catalogue),
        list[Run](),
        list[Deletion](),
    )
    first: list[SourcePruned] = []
    for at, doing, head in moments(workspace.config, begin, end):
        if doing == "backup":
            future.take(head, at)
            runs += [_backup(member, config.places(member), at, known[member]) for member in config.group_of(head)]
            continue
        if doing == "verify":
            runs.append(Run(at, doing, head))
            continue
        runs.append(Run(at, doing, scenario=head))
        if doing == "retention":
            pruned = future.prune(at)
            first = first or pruned
            deletions += _deletions(pruned, at, future, known)
    restores = max((each.plain_bytes or 0 for each in known.values()), default=0)
    problems = {each.source: "; ".join(each.problems) for each in first}
    return Plan(
        begin,
        end,
        runs,
        deletions,
        [
            _outlook(name, config.source(name), workspace.catalogue(name), runs, known[name], problems.get(name, ""))
            for name in config.sources
        ],
        [_room(store, runs, deletions, restores) for store in workspace.stores.values()],
        _days(runs, deletions, ZoneInfo(config.timezone)),
    )


def _backup(name: str, stores: Sequence[str], at: datetime, known: Expected) -> Run:
    adds = dict.fromkeys(stores, known.size_bytes) if known.size_bytes is not None else {}
    return Run(at, "backup", name, known.took, adds)


def _deletions(
    pruned: Sequence[SourcePruned], at: datetime, future: Future, known: Mapping[str, Expected]
) -> Iterator[Deletion]:
    for source in pruned:
        if source.refused:
            continue
        for store in source.stores:
            for decision in store.doomed:
                imagined = future.is_imagined(decision.point.id)
                size = known[source.source].size_bytes or 0 if imagined else decision.point.manifest.size_bytes
                yield Deletion(
                    at,
                    source.source,
                    store.store,
                    decision.point.id,
                    decision.point.started_at,
                    size,
                    decision.because,
                    imagined,
                )


def _outlook(
    name: str, source: Source, catalogue: Catalogue, runs: Sequence[Run], known: Expected, problem: str
) -> Outlook:
    point = catalogue.recovery_point
    mine = [run.at for run in runs if run.source == name and run.doing == "backup"]
    return Outlook(
        name,
        len(mine),
        mine[0] if mine else None,
        known,
        point.started_at + source.rpo if point is not None else None,
        point.started_at + source.warn_window if point is not None else None,
        not_noticed(source),
        problem,
    )


def _room(store: Store, runs: Sequence[Run], deletions: Sequence[Deletion], largest_restore: int) -> Room:
    adds = [(run.at, (run.adds_bytes or {}).get(store.name, 0)) for run in runs]
    frees = [(each.at, each.size_bytes) for each in deletions if each.store == store.name]
    grown = most = 0
    for _at, change in sorted([*adds, *((at, -size) for at, size in frees)]):
        grown += change
        most = max(most, grown)
    return Room(
        store.name,
        sum(size for _at, size in adds),
        sum(size for _at, size in frees),
        most,
        _free(store.root) if store.root is not None else None,
        most + (largest_restore if store.name == LOCAL else 0),
    )


def _free(root: Path) -> int | None:
    try:
        return shutil.disk_usage(next(each for each in (root, *root.parents) if each.exists())).free
    except OSError:
        return None


def _days(runs: Sequence[Run], deletions: Sequence[Deletion], zone: ZoneInfo) -> list[Day]:
    def day_of(at: datetime) -> str:
        return f"{at.astimezone(zone):%Y-%m-%d}"

    found = []
    moments = [*(run.at for run in runs), *(each.at for each in deletions)]
    for day in sorted(set(map(day_of, moments))):
        backups = [run for run in runs if run.doing == "backup" and day_of(run.at) == day]
        gone = [each for each in deletions if day_of(each.at) == day]
        found.append(
            Day(
                day,
                len(backups),
                sum((run.took or timedelta() for run in backups), timedelta()),
                sum(sum((run.adds_bytes or {}).values()) for run in backups),
                len(gone),
                sum(each.size_bytes for each in gone),
            )
        )
    return found
