"""Snapshots on their way from one repository to another; and a damaged repository made whole from a sound one.

restic copies a snapshot that the target has already by passing over it. So a target that is damaged first forgets the
broken ones that the origin can give, after its index was made anew from what really lies there: then only what is
missing is written. Snapshots that are whole, and those that the origin does not have, are left as they are.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from ops_pipelines.engines.files import restic, restore
from ops_pipelines.engines.files.restic import Restic, ResticFailed
from ops_pipelines.engines.offers import RepositoryDamaged
from ops_pipelines.errors import CorruptCopy, StoreError
from ops_pipelines.streams import Progress
from ops_pipelines.text import shell

_REPAIRS = (0, 16)


def carry(
    name: str, there: Restic, origin: Restic, facts: Mapping[str, JsonValue], *, anew: bool, progress: Progress
) -> None:
    """Copy a snapshot of a source into a repository, making that when it is missing; see `Carrier.carry`."""
    theirs, ours = origin.repository, there.repository
    if theirs.environment and ours.environment and theirs.environment != ours.environment:
        raise StoreError(
            f"restic cannot read {theirs.address} and write {ours.address} with different keys",
            safe="nothing was copied",
            next=f"ops copy {name} --to local, then this again",
        )
    reading = {**theirs.environment, **ours.environment}
    reading |= {"RESTIC_FROM_REPOSITORY": theirs.address, "RESTIC_FROM_PASSWORD": there.password}
    snapshots = [restore.snapshot_of(facts)]
    if anew:
        snapshots = _make_room(there, origin, facts)
    elif _is_there(name, there, facts, reading):
        return
    expected = int(str(facts["bytes"]))

    def copy(wanted: Sequence[str]) -> None:
        lock = ["--no-lock"] if restic.read_only(theirs.address) else []
        there.run(
            "copy", *lock, "--", *wanted,
            env=reading, moved=lambda done: progress("copy files", min(done, expected), expected),
        )  # fmt: skip

    try:
        try:
            for each in snapshots:
                copy([each])
        except ResticFailed as error:
            if error.kind != "snapshot" or anew:
                raise
            # Where it was copied to it has another id.
            copy([restore.snapshot_in(origin, facts)])
    except ResticFailed as error:
        raise _not_carried(name, error, snapshots[0], origin, there) from None


def _is_there(name: str, there: Restic, facts: Mapping[str, JsonValue], reading: Mapping[str, str]) -> bool:
    """Whether a repository, made when it is missing, has the snapshot whole.

    Raises StoreError when it cannot be used, RepositoryDamaged when it is asked to take what it has and is damaged.
    """
    try:
        try:
            found = there.snapshots("--tag", restore.tag_of(facts))
        except ResticFailed as error:
            if error.kind != "missing":
                raise
            # The same chunk boundaries: what is copied twice is stored once.
            there.run("init", "--copy-chunker-params", env=reading)
            restic.keep_names(there.repository)
            return False
        if found:
            there.run("check", "--read-data", moved=lambda done: None)
    except ResticFailed as error:
        address = there.repository.address
        raise (RepositoryDamaged if error.kind == "damaged" else StoreError)(
            f"{address} cannot take the snapshot {restore.snapshot_of(facts)[:8]} of {name}",
            why=f"{error.what}: {error.why}",
            safe="copies in other stores are untouched",
            next=error.next,
        ) from None
    return bool(found)


def _make_room(there: Restic, origin: Restic, facts: Mapping[str, JsonValue]) -> list[str]:
    """Prepare a repository, whose damaged objects were put aside, to take in again what is broken in it.

    Returns:
        The ids, in the origin, of the snapshot that is wanted and of the others that are broken in the target.
    Raises:
        CorruptCopy: the origin lacks the snapshot, or cannot be read.
        StoreError: the target cannot be used.
    """
    try:
        in_origin = origin.snapshots()
    except ResticFailed as error:
        raise restore.verdict_on(error, origin.repository.address) from None
    wanted = _with_tag(in_origin, restore.tag_of(facts)) or restore.snapshot_in(origin, facts)
    repair = ("repair", "index") if restic.numbers(restic.version(there.program)) >= _REPAIRS else ("rebuild-index",)
    try:
        there.run(*repair, moved=lambda done: None)
        both = {str(each["id"]): _with_tag(in_origin, _tag(each)) for each in there.snapshots() if _tag(each)}
        broken = {
            here: theirs for here, theirs in both.items()
            if theirs and not there.is_whole(here) and (theirs == wanted or origin.is_whole(theirs))
        }  # fmt: skip
        if broken:
            there.run("forget", "--", *broken)
    except ResticFailed as error:
        address = there.repository.address
        raise StoreError(
            f"{address} cannot be made whole",
            why=f"{error.what}: {error.why}",
            safe="copies in other stores are untouched",
            next=error.next or _anew(address),
        ) from None
    return [wanted, *(each for each in broken.values() if each != wanted)]


def _anew(address: str) -> str:
    """What lets a repository in a directory be made from nothing."""
    return f"mv {shell(address, address + '.damaged')}   # then this again" if address.startswith("/") else ""


def _not_carried(
    name: str, error: ResticFailed, snapshot: str, origin: Restic, there: Restic
) -> CorruptCopy | StoreError:
    # The target answered a moment ago: what is missing or damaged now is what is read.
    if error.kind in ("damaged", "snapshot", "missing"):
        return CorruptCopy(
            f"the snapshot {snapshot[:8]} of {name} cannot be read from {origin.repository.address}",
            check={"snapshot": "snapshot", "missing": "repository"}.get(error.kind, "packs"),
            why=f"{error.what}: {error.why}",
            safe="copies in other stores are untouched",
        )
    return StoreError(
        f"the snapshot {snapshot[:8]} of {name} cannot be copied to {there.repository.address}",
        why=f"{error.what}: {error.why}",
        safe="copies in other stores are untouched",
        next=error.next,
    )


def _tag(snapshot: Mapping[str, Any]) -> str:
    """The tag of a snapshot that tells it from all others; empty for one that is not ours."""
    return next((str(tag) for tag in snapshot.get("tags") or () if restic.OWN_TAG.fullmatch(str(tag))), "")


def _with_tag(snapshots: Sequence[Mapping[str, Any]], tag: str) -> str:
    return next((str(each["id"]) for each in snapshots if tag in (each.get("tags") or ())), "")
