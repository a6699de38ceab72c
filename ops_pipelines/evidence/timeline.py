"""What happened to a source's restore points, as ledger and stores know it: `watch.kept` works out ages from it.

The ledger may have been lost: what is sealed and signed in the stores counts as well.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from ops_pipelines.clock import moment_of
from ops_pipelines.ledger.models import REFUSED, RUNNING, SUCCEEDED, Activity
from ops_pipelines.vault.catalogue import Catalogue
from ops_pipelines.watch.kept import Event, Standing, What, judged, standings

_ORDER: Sequence[What] = ("copied", "good", "bad copy", "bad", "removed", "all removed")
_Of = tuple[str, Event]
"""The id of a restore point, and what happened to it."""


def standings_of(
    movements: Iterable[Activity], proofs: Iterable[Activity], catalogue: Catalogue, safety: Iterable[str]
) -> list[Standing]:
    """When each restore point was proved and could be restored.

    Args:
        movements: as `Ledger.movements` gives them.
        proofs: its verifications, as the ledger has them.
        catalogue: what its stores hold now; its verdicts count also where the ledger was lost.
        safety: ids of those that are no recovery point: they were taken because their source was about to be replaced.
    """
    events = _events(movements, proofs, catalogue)
    starts = _starts(events, catalogue, safety)
    return [each for point, began in starts.items() for each in standings(point, began, events.get(point, ()))]


def _events(
    movements: Iterable[Activity], proofs: Iterable[Activity], catalogue: Catalogue
) -> Mapping[str, Sequence[Event]]:
    """Of each restore point, in the order of time."""
    found = [event for row in movements for event in _moved(row)]
    found += [event for row in proofs for event in _proved(row)]
    known = {(point, event.store) for point, event in found if event.what == "copied"}
    for point in catalogue.points:
        unknown = [store for store in point.stores if (point.id, store) not in known]
        found += [(point.id, Event(point.manifest.finished_at, "copied", store)) for store in unknown]
        for verdict in point.verdicts:
            if (what := judged(verdict.outcome, verdict.blames)) is not None:
                found.append((verdict.backup_id, Event(verdict.finished_at, what, verdict.store)))
    events: dict[str, list[Event]] = {}
    for identifier, event in sorted(found, key=lambda each: (each[1].at, _ORDER.index(each[1].what))):
        events.setdefault(identifier, []).append(event)
    return events


def _starts(events: Iterable[str], catalogue: Catalogue, safety: Iterable[str]) -> dict[str, datetime]:
    """The start of each restore point's dump, by id; to the second where its manifest is gone."""
    starts = {point: moment_of(point) for point in events if _dated(point)}
    starts |= {point.id: point.started_at for point in catalogue.points}
    left_out = {*safety, *(point.id for point in catalogue.points if point.safety)}
    return {key: at for key, at in starts.items() if key not in left_out}


def _moved(row: Activity) -> Iterator[_Of]:
    at, point, store = row.finished_at or row.started_at, row.backup_id or "", row.store or ""
    if row.kind == "prune":
        # What was refused removed nothing. Who was killed may have.
        if REFUSED not in row.meta:
            yield point, Event(at, "removed", store)
    elif row.status == SUCCEEDED:
        yield point, Event(at, "all removed" if row.meta.get("gone") else "copied", store)


def _proved(row: Activity) -> Iterator[_Of]:
    what = judged(row.meta.get("outcome", ""), row.meta.get("blames"))
    if what is not None and row.status != RUNNING and row.backup_id is not None and row.finished_at is not None:
        yield row.backup_id, Event(row.finished_at, what, row.store or "")


def _dated(backup_id: str) -> bool:
    try:
        moment_of(backup_id)
    except ValueError:
        return False
    return True
