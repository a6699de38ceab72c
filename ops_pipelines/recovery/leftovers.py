"""Targets that restores made, and what a replacement kept: noted, listed, removed when told to.

A note is on the disk before its target is made, and is held by a kernel lock as long as the restore lives; so whatever
is noted and not held was left by a failure or a kill. What was restored to its end is its owner's: it stays noted as
that, and goes when it is named. Nothing is removed that was there before, that is a source, or
that holds anything the backup does not have: somebody works with it then. Targets given as URLs are not noted: a URL
may hold a password, and without it they are not found again.
"""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from ops_pipelines import durable, lease
from ops_pipelines.clock import Clock
from ops_pipelines.config.models import Config
from ops_pipelines.engines.base import Contents, Target
from ops_pipelines.engines.folders import folder_of
from ops_pipelines.engines.offers import InPlaceRestorer, Swapper
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.errors import Busy, OpsError, SafetyRefusal
from ops_pipelines.places import Places
from ops_pipelines.recovery.refuse import refuse_sources
from ops_pipelines.recovery.verify import fingerprint_of
from ops_pipelines.text import shell
from ops_pipelines.vault.reader import Copy
from ops_pipelines.workspace import Workspace

Purpose = Literal["restore", "restored", "replacement", "former"]
_NAMED = 3


class Leftover(BaseModel):
    """One target, as it was noted.

    Attributes:
        to: the name beside the source, or the folder.
        purpose: a restore that was not finished, one that was, one beside a source that was not replaced, or what a
            replacement kept.
        problem: why it is not known whether it is still there.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    id: str
    source: str
    backup_id: str
    to: str
    purpose: Purpose
    at: AwareDatetime
    problem: str = ""


@contextmanager
def noted(
    config: Config, clock: Clock, places: Places, name: str, to: str, backup_id: str, purpose: Purpose = "restore"
) -> Iterator[None]:
    """Note a target around the block that makes and fills it; what a failed or killed block made stays noted.

    Args:
        name: the source whose engine makes it.
    Raises:
        SafetyRefusal: from the block; it says so when the target is what an earlier restore left.
        SourceError: whether the target is there cannot be found out.
    """
    engine = config.engine(name)
    if not _is_plain(config, name, to) or not places.writable:
        yield
        return
    to = lasting(config, name, to)
    if engine.exists(to):
        try:
            yield
        except SafetyRefusal as error:
            for each in _left(config, places, name, to):
                what = "an earlier restore made" if each.purpose == "restored" else "a restore left that did not finish"
                error.next = f"it is what {what}: ops leftovers {shell(to)} --apply, then again"
            raise
        for each in _left(config, places, name, to):
            _finished(places.targets, each)  # it was killed before it had brought anything, and this one has filled it
        return
    for each in _notes(places.targets):
        if (each.source, each.to) == (name, to):
            _forget(places.targets, each.id)  # somebody dropped it by hand
    left = _made(clock.now(), name, to, backup_id, purpose)
    with _held(places.targets, left.id):
        _write(places.targets, left)
        try:
            yield
        except BaseException:
            if not _is_there(engine, to):
                _forget(places.targets, left.id)
            raise
        _finished(places.targets, left)


def _finished(notes: Path, left: Leftover) -> None:
    """What a replacement made has another name by now; any other target is noted as what it is."""
    if left.purpose == "restore":
        _write(notes, left.model_copy(update={"purpose": "restored"}))
    elif left.purpose != "restored":
        _forget(notes, left.id)


def _left(config: Config, places: Places, name: str, to: str) -> list[Leftover]:
    return [each for each in _standing(config, places) if (each.source, each.to) == (name, to)]


def _made(at: datetime, name: str, to: str, backup_id: str, purpose: Purpose) -> Leftover:
    return Leftover(id=secrets.token_hex(6), source=name, backup_id=backup_id, to=to, purpose=purpose, at=at)


def note_former(clock: Clock, places: Places, name: str, names: Sequence[str], backup_id: str) -> None:
    """Note what a source will be called when it is replaced, before it is."""
    for each in names:
        _write(places.targets, _made(clock.now(), name, each, backup_id, "former"))


def leftovers(config: Config, places: Places) -> list[Leftover]:
    """What was not finished or was kept, is still there, and no living restore works on; the oldest first."""
    return [each for each in _standing(config, places) if each.purpose != "restored"]


def restored(config: Config, places: Places) -> list[Leftover]:
    """The targets that restores made and filled to their end, as long as they are there; the oldest first."""
    return [each for each in _standing(config, places) if each.purpose == "restored"]


def _standing(config: Config, places: Places) -> list[Leftover]:
    found = []
    for each in _notes(places.targets):
        try:
            with _held(places.targets, each.id):
                if config.engine(each.source).exists(each.to):
                    found.append(each)
                else:
                    _forget(places.targets, each.id)
        except Busy:
            continue
        except OpsError as error:
            found.append(each.model_copy(update={"problem": error.what}))
    return sorted(found, key=lambda each: each.at)


def remove(workspace: Workspace, left: Leftover) -> None:
    """Remove a leftover: the database or folder, and the note of it.

    Raises:
        SafetyRefusal: it is a source by now, or holds what the backup does not have.
        OpsError: it cannot be reached.
    """
    engine = workspace.config.engine(left.source)
    assert isinstance(engine, (Swapper, InPlaceRestorer))
    refuse_sources(workspace.config, left.source, left.to)
    if left.purpose != "former":
        url = engine.locate(left.to)
        found = engine.contents(url, "counts")
        point = workspace.catalogue(left.source).find(left.backup_id)
        copy = None
        if point is not None:
            store = workspace.stores[point.stores[0]]
            copy = Copy(store, point.manifest, lambda: workspace.identities(left.source))
        strange = _strange(_held_by(left, copy), found)
        folders = kind_of(workspace.config.source(left.source).kind).step == "snapshot"
        if folders and (other := _files_below(url) - found.rows) > 0:
            strange.append(f"{other} files elsewhere in it")
        if strange:
            more = f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
            why = (
                f"it holds what {left.backup_id} does not: {', '.join(strange[:_NAMED])}{more}; somebody works with it"
            )
            raise _not_removed(left, why, f"look at it: {engine.address(left.to)}; drop it by hand if you are sure")
    engine.discard(left.to)
    _forget(workspace.places.targets, left.id)


def _held_by(left: Leftover, copy: Copy | None) -> Contents:
    held = fingerprint_of(copy) if copy is not None else None
    if held is None or held.level == "off":
        why = f"{left.backup_id} is gone, or says nothing of its contents: whether it holds more is unknown"
        raise _not_removed(left, why, "drop it by hand if you are sure")
    return held


def _strange(held: Contents, found: Contents) -> list[str]:
    """What a target holds beyond what its backup brings."""
    more = [name for name in found.objects if name not in held.objects]
    fuller = [
        f"{name} ({facts.rows} rows)"
        for name, facts in found.tables.items()
        if name not in held.unsteady and (name not in held.tables or facts.rows > held.tables[name].rows)
    ]
    return sorted({*more, *fuller})


def _files_below(url: str) -> int:
    return sum(path.is_file() and not path.is_symlink() for path in folder_of(url).rglob("*"))


def _not_removed(left: Leftover, why: str, following: str) -> SafetyRefusal:
    return SafetyRefusal(f"{left.to} was not removed", why=why, safe="nothing was changed", next=following)


def lasting(config: Config, name: str, to: str) -> str:
    """A target as it is noted: a folder by its whole path, so that it is found from any directory.

    Args:
        name: the source whose engine makes it; one that is not protected any more changes nothing.
    """
    source = config.sources.get(name)
    if source is None or not kind_of(source.kind).on_disk or "/" not in to or "://" in to:
        return to
    return str(folder_of(to).resolve())


def _is_plain(config: Config, name: str, to: str) -> bool:
    """Whether a target is a mere name or folder: nothing else is sure to hold no password."""
    return kind_of(config.source(name).kind).step == "snapshot" or not ("://" in to or "=" in to)


def _is_there(engine: Target, to: str) -> bool:
    try:
        return engine.exists(to)
    except OpsError:
        return True


# -- notes ----------------------------------------------------------------------------------------------


@contextmanager
def _held(notes: Path, left_id: str) -> Iterator[None]:
    """Raises Busy when its restore lives."""
    path = notes / f"{left_id}.lock"
    with lease.exclusive(path, holder=f"process {os.getpid()}", wait=timedelta(0), what=left_id):
        yield


def _write(notes: Path, left: Leftover) -> None:
    path = notes / f"{left.id}.json"
    durable.write(path, left.model_dump_json(exclude={"problem"}).encode())


def _notes(notes: Path) -> list[Leftover]:
    found = []
    for path in sorted(notes.glob("*.json")):
        try:
            found.append(Leftover.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError):
            continue  # gone meanwhile
    return found


def _forget(notes: Path, left_id: str) -> None:
    for suffix in (".json", ".lock"):
        (notes / f"{left_id}{suffix}").unlink(missing_ok=True)
