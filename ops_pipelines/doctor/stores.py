"""Questions about one store: is it there, may we write, can what is written be taken away again, is there room?"""

import shutil
from collections.abc import Iterator
from functools import partial

from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.doctor.configuration import skew
from ops_pipelines.doctor.question import Answer, Measure, Question, attention, failed, well
from ops_pipelines.doctor.shared import STORE_LIMIT, Shared
from ops_pipelines.vault.stores.registry import LOCAL


def questions(shared: Shared, name: str) -> Iterator[Question]:
    """About one store."""
    bucket = shared.workspace.stores[name].root is None
    asked = {
        "reachable": _reachable,
        "writable": _writable,
        **({"immutable": _immutable} if shared.workspace.stores[name].offsite else {}),
        **({"clock": _clock} if bucket else {}),
        **({} if bucket or name == LOCAL else {"room": _room}),
    }
    for title, ask in asked.items():
        yield Question(f"store {name}", title, partial(ask, shared, name), STORE_LIMIT)


def _reachable(shared: Shared, name: str) -> Answer:
    store, held = shared.workspace.stores[name], shared.held_by(name)
    where = f"{store.medium}{', off-site' if store.offsite else ''}"
    if store.root is not None and not store.root.exists():
        return attention(f"{store.root} does not exist yet; the first backup creates it", "ops backup")
    return well(f"{where}: restore points of {', '.join(held)}" if held else f"{where}: empty")


def _writable(shared: Shared, name: str) -> Answer:
    if not shared.trial(name).written:
        return attention("it was never used, so nothing was tested", "ops backup")
    return well("a small file was written")


def _immutable(shared: Shared, name: str) -> Answer:
    trial = shared.trial(name)
    settings = shared.workspace.config.stores[name]
    if trial.written and not trial.erasable:
        newest = _locked(shared, name) if settings.locked_for is not None else ""
        return well(f"what was written could not be removed: {trial.kept_by}{newest}")
    if settings.locked_for is not None:
        return failed(
            "object_lock is set, and what was written could be removed at once",
            "make a new bucket with object lock enabled: a bucket gets it when it is made",
        )
    if settings.lockable:
        return attention(
            "whoever has these keys can delete every backup in it",
            f"make a bucket with object lock and set stores.{name}.object_lock; or take s3:DeleteObject from the keys",
        )
    return attention(
        "whoever gets into this machine can delete every backup in it",
        "add an off-site bucket with object_lock below stores:",
    )


def _locked(shared: Shared, name: str) -> str:
    """Until when the newest copies are locked."""
    store, now, until = shared.workspace.stores[name], shared.workspace.clock.now(), []
    for source in shared.sources:
        held = [point for point in shared.catalogue(source).points if name in point.stores]
        if held and (date := store.locked_until(source, held[-1].id)) is not None:
            until.append(date)
    return f"; the newest copies for {human_duration(min(until) - now)} more" if until else ""


def _clock(shared: Shared, name: str) -> Answer:
    there = shared.trial(name).clock
    return skew(there - shared.workspace.clock.now(), "the endpoint", name) if there is not None else well("this one's")


def _room(shared: Shared, name: str) -> Answer:
    """For one more run of everything that is copied here."""
    store = shared.workspace.stores[name]
    assert store.root is not None, "asked of stores on this machine only"
    if not store.root.exists():
        return well("nothing there yet")
    newest = (shared.catalogue(each).newest for each in shared.sources
              if name in shared.workspace.config.source(each).copies)  # fmt: skip
    wanted = sum(point.manifest.size_bytes for point in newest if point is not None)
    free = shutil.disk_usage(store.root).free
    said, measure = f"{human_size(free)} free, a run writes {human_size(wanted)}", Measure(f"{name}_room", free, "B")
    if free < wanted:
        return failed(said, f"df -h {store.root}; ops prune --apply", measures=[measure])
    return well(said, measure)
