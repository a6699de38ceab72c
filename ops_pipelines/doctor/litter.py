"""Questions about what killed runs left, and its end: `ops doctor --sweep`.

Removed is what we made and nobody owns now: every such thing carries a mark of ours, a note that was written before it
was made, or a kernel lock that its maker's death has freed. What carries none is left alone, whatever it is called.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from ops_pipelines.clock import Clock, human_duration
from ops_pipelines.config.models import Config
from ops_pipelines.doctor.question import Answer, Question, attention, well
from ops_pipelines.doctor.shared import Shared
from ops_pipelines.engines.examiner import Repositories, Stray
from ops_pipelines.engines.offers import Carrier
from ops_pipelines.engines.verify_databases import noted
from ops_pipelines.errors import Busy, OpsError
from ops_pipelines.lease import Standing
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.locks import Locks
from ops_pipelines.outages import outages_left
from ops_pipelines.places import Places
from ops_pipelines.recovery.leftovers import leftovers
from ops_pipelines.scratch import scratch_census
from ops_pipelines.sweeping import sweep as sweep_away
from ops_pipelines.vault.catalogue import Catalogue
from ops_pipelines.vault.manifest import NAME
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.workspace import Workspace

SUBJECT = "leftovers"
_SWEEP = "ops doctor --sweep --dry-run; then without --dry-run"
_NAMED = 3
_RESTIC = timedelta(minutes=2)


class Rightly(str):
    """A reason to leave something that is no trouble."""


_UNDER_WAY, _FOREIGN = Rightly("its run is under way"), Rightly("we did not make it")


def questions(shared: Shared) -> Iterator[Question]:
    """About what killed runs left."""
    yield Question(SUBJECT, "scratch servers", lambda: _litter(_scratch(shared.workspace.places)[0], "none", _SWEEP))
    yield Question(SUBJECT, "unfinished copies", lambda: _unfinished(shared))
    yield Question(SUBJECT, "half restore points", lambda: _half_restore_points(shared))
    yield Question(SUBJECT, "snapshots", lambda: _snapshots(shared), _RESTIC)
    yield Question(
        SUBJECT,
        "open attempts",
        lambda: _litter(_attempts(shared.workspace.places, shared.workspace.ledger), "none", _SWEEP),
    )
    yield Question(
        SUBJECT,
        "restore targets",
        lambda: _targets(shared.workspace.config, shared.workspace.clock, shared.workspace.places),
    )


@dataclass
class Swept:
    """What a sweep removed, or would remove, and what it left, with the reason."""

    removed: list[str] = field(default_factory=list)
    left: list[tuple[str, str | Rightly]] = field(default_factory=list)


def sweep(workspace: Workspace, *, dry_run: bool) -> Swept:
    """Remove everything we made that nobody owns now; raises nothing: what does not work is told as left.

    Args:
        dry_run: only say what it would be.
    """
    done = Swept()
    strays = list(_strays_of_all(workspace.config, workspace.locks, workspace.stores, workspace.catalogue, done.left))
    if dry_run:
        done.removed += [
            *_scratch(workspace.places)[0],
            *_attempts(workspace.places, workspace.ledger),
            *(stray.what for _, _, stray in strays),
        ]
        for store in workspace.stores.values():
            with _reported(done, f"store {store.name}"):
                done.removed += store.litter()
    else:
        for each in sweep_away(workspace):
            done.left.append((each.what, each.problem)) if each.problem else done.removed.append(each.what)
        for name, store, stray in strays:
            with _reported(done, stray.what):
                _forget(workspace.config, workspace.locks, name, store, stray)
                done.removed.append(stray.what)
    done.left += _left_alone(workspace.places, workspace.stores)
    return done


@contextmanager
def _reported(done: Swept, what: str) -> Iterator[None]:
    try:
        yield
    except OpsError as error:
        done.left.append((what, f"{error.what}: {error.why}" if error.why else error.what))


def _forget(config: Config, locks: Locks, name: str, store: Store, stray: Stray) -> None:
    engine = config.engine(name)
    assert isinstance(engine, Carrier)
    with locks.held(name, doing="sweep", wait=timedelta(0)):
        engine.forget([stray.facts], store.repository(name))


def _scratch(places: Places) -> tuple[list[str], list[tuple[str, str]]]:
    """What dead runs left below `scratch` and on lent servers; what lies there for another reason."""
    dead: list[str] = []
    left: list[tuple[str, str]] = []
    for directory, standing in scratch_census(places.scratch):
        if standing == "dead":
            dead.append(str(directory))
            if (lodged := noted(directory)) is not None:
                dead.append(f"database {lodged[1]}, made to verify {lodged[0]}")
        else:
            left.append((str(directory), _why(standing)))
    return dead, left


def _left_alone(places: Places, stores: Mapping[str, Store]) -> list[tuple[str, str]]:
    left = _scratch(places)[1]
    for store in stores.values():
        left += [(str(path), _why(standing)) for path, standing in store.staged() if standing != "dead"]
    return left


def _why(standing: Standing) -> Rightly:
    return _UNDER_WAY if standing == "alive" else _FOREIGN


def _attempts(places: Places, ledger: Ledger) -> list[str]:
    """Servers a dead drill stopped, and attempts whose process is dead."""
    stopped = [f"server stopped by a drill: {path.name}" for path in outages_left(places.outages)]
    return stopped + [f"activity {row.id} ({row.kind} of {row.source})" for row in ledger.orphans()]


def _unfinished(shared: Shared) -> Answer:
    return _litter([line for store in shared.answering().values() for line in store.litter()], "none", _SWEEP)


def _half_restore_points(shared: Shared) -> Answer:
    """Nothing of ours leaves a directory without its manifest: what looks so was changed by somebody, or is his."""
    found = []
    for store in shared.answering().values():
        if store.root is not None:
            points = (path for source in shared.sources for path in sorted((store.root / source).glob("*")))
            found += [str(path) for path in points if path.is_dir() and not (path / NAME).is_file()]
    return _litter(found, "every one has its manifest", "look at them; move away what is no backup: mv … /elsewhere")


def _snapshots(shared: Shared) -> Answer:
    problems: list[tuple[str, str]] = []
    found = [
        stray.what
        for _, _, stray in _strays_of_all(
            shared.workspace.config, shared.workspace.locks, shared.answering(), shared.catalogue, problems
        )
    ]
    if problems and not found:
        return attention("; ".join(f"{what}: {why}" for what, why in problems), "ops doctor")
    return _litter(found, "every one belongs to a restore point", _SWEEP)


def _strays_of_all(
    config: Config,
    locks: Locks,
    stores: Mapping[str, Store],
    held: Callable[[str], Catalogue],
    problems: list[tuple[str, str]],
) -> Iterator[tuple[str, Store, Stray]]:
    """Data in repositories that no restore point names; of sources that nobody works on at this moment."""
    for name, source in config.sources.items():
        examiner = source.examiner(name)
        if not isinstance(examiner, Repositories):
            continue
        try:
            with locks.held(name, doing="doctor", wait=timedelta(0)):
                catalogue = held(name)
                if catalogue.problems:
                    problems.append((f"snapshots of {name}", f"not judged: {catalogue.problems[0]}"))
                    continue
                if unused := [each for each in catalogue.strangers if each.store and not each.name]:
                    # Their data lies in the same repository, and belongs to whoever they belong to.
                    problems.append((f"snapshots of {name}", f"not judged: {unused[0].words}"))
                    continue
                published = {str(point.manifest.engine.get("tag")) for point in catalogue.points}
                for store in stores.values():
                    if not _unused(store, name):
                        for each in examiner.strays(store.repository(name), published):
                            yield name, store, each
        except Busy:
            problems.append((f"snapshots of {name}", _UNDER_WAY))
        except OpsError as error:
            problems.append((f"snapshots of {name}", f"{error.what}: {error.why}"))


def _unused(store: Store, source: str) -> bool:
    """A directory store's repository that was never made; asking for its address could mark an unmounted volume."""
    return store.root is not None and not (store.root / ".restic" / source).is_dir()


def _targets(config: Config, clock: Clock, places: Places) -> Answer:
    """They may hold work of somebody: no sweep removes them."""
    now = clock.now()
    lines = [f"{each.to} of {each.source}, {human_duration(now - each.at)} old" for each in leftovers(config, places)]
    return _litter(lines, "none", "ops leftovers")


def _litter(found: Sequence[str], none: str, fix: str) -> Answer:
    if not found:
        return well(none)
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return attention(", ".join(found[:_NAMED]) + more, fix)
