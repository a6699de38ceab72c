"""Bring a snapshot, or some of its paths, into a folder; and say what of it lies there afterwards.

A large snapshot is proved by a sample: some files are restored and compared whole, every other path is compared with
restic's own listing, and the packs of the repository are read in rotation, a few each day.
"""

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from ops_pipelines.clock import UTC
from ops_pipelines.engines.base import EXISTS, Contents, Restored
from ops_pipelines.engines.files.listing import as_restic_says, read_back, written
from ops_pipelines.engines.files.restic import Restic, ResticFailed
from ops_pipelines.engines.folders import inside
from ops_pipelines.errors import CorruptCopy, Inconclusive, SourceError
from ops_pipelines.streams import Progress
from ops_pipelines.text import line

SAMPLE_FILES = 300
_SNAPSHOT = re.compile(r"[0-9a-f]{8,64}")
_TAG = re.compile(r"\w[\w.-]{0,99}")
_ROTATION = 14  # so many verifications read every pack of a repository once


@dataclass(frozen=True)
class Restoration:
    """What was restored into a target.

    Attributes:
        picked: the paths that were wanted; None when it was everything.
        others: what is known of all the other paths, as they are written down.
        said: for a sample, what it consisted of.
    """

    roots: Sequence[str]
    picked: Sequence[str] | None = None
    others: Mapping[str, str] = field(default_factory=dict)
    said: str = ""

    def noted(self) -> Mapping[str, JsonValue]:
        """It as `Restored.notes`."""
        return {"restoration": _RESTORATION.dump_python(self, mode="json")}


_RESTORATION = TypeAdapter(Restoration)


def restoration(notes: Mapping[str, JsonValue]) -> Restoration | None:
    """What was restored, of its notes; None where there are none."""
    noted = notes.get("restoration")
    return None if noted is None else _RESTORATION.validate_python(noted)


def snapshot_of(facts: Mapping[str, JsonValue]) -> str:
    """The snapshot's id, as a manifest has it. Raises CorruptCopy for what is no id: it would be read as an option."""
    return _fitting(_SNAPSHOT, facts, "snapshot")


def tag_of(facts: Mapping[str, JsonValue]) -> str:
    """The snapshot's own tag, as a manifest has it. Raises CorruptCopy for what is none of ours."""
    return _fitting(_TAG, facts, "tag")


def _fitting(pattern: re.Pattern[str], facts: Mapping[str, JsonValue], name: str) -> str:
    if not pattern.fullmatch(text := str(facts.get(name))):
        raise CorruptCopy(
            f"the manifest's {name} cannot be one of restic's", check="manifest", why=line(text), next="ops list"
        )
    return text


def load(
    restic: Restic,
    facts: Mapping[str, JsonValue],
    target: Path,
    picked: Sequence[str] | None,
    progress: Progress,
    *,
    but: Sequence[str] = (),
) -> dict[str, float]:
    """Restore a snapshot, or the picked paths of it; returns seconds by phase.

    Args:
        but: paths that are left out.
    Raises:
        CorruptCopy: the repository lacks what it should hold, or it is damaged.
        Inconclusive: it could not be opened, or the target could not be written.
    """
    expected = int(str(facts["bytes"]))
    include = [word for path in picked or () for word in ("--include", _pattern(path))]
    include += [word for path in but for word in ("--exclude", _pattern(path))]
    started = time.monotonic()
    with_snapshot(
        restic,
        facts,
        lambda snapshot: restic.run(
            "restore",
            "--target",
            str(target),
            *include,
            "--",
            snapshot,
            moved=lambda done: progress("restore", min(done, expected), expected),
        ),
    )
    return {"load": round(time.monotonic() - started, 3)}


def with_snapshot(restic: Restic, facts: Mapping[str, JsonValue], action: Callable[[str], object]) -> None:
    """Do something with the snapshot, by the id it has in this repository; restic's failures become verdicts.

    Raises:
        CorruptCopy, Inconclusive.
    """
    try:
        try:
            action(snapshot_of(facts))
        except ResticFailed as error:
            if error.kind != "snapshot":
                raise
            # `restic copy` gives it an id of its own.
            action(snapshot_in(restic, facts))
    except ResticFailed as error:
        raise verdict_on(error, restic.repository.address) from None


def snapshot_in(restic: Restic, facts: Mapping[str, JsonValue]) -> str:
    """The snapshot's id in a repository it was copied to.

    Raises:
        CorruptCopy: it is not there (check `snapshot`), or this is another source's repository (check `repository`).
    """
    found, tag = restic.snapshots(), tag_of(facts)
    for each in found:
        if tag in (each.get("tags") or ()):
            return str(each["id"])
    if found and not any(facts["source"] in (each.get("tags") or ()) for each in found):
        raise CorruptCopy(
            f"{restic.repository.address} is another repository than the one that was written",
            check="repository",
            why=f"it holds {len(found)} snapshots, and none of {facts['source']}",
        )
    raise CorruptCopy(
        f"the snapshot {snapshot_of(facts)[:8]} is not in {restic.repository.address}",
        check="snapshot",
        why=f"it holds {len(found)} others",
    )


def verdict_on(error: ResticFailed, address: str) -> CorruptCopy | Inconclusive:
    """Who is to blame for a failed restore: the copy, or whatever tried to read it."""
    if error.kind in ("missing", "damaged", "snapshot"):
        check = {"missing": "repository", "snapshot": "snapshot"}.get(error.kind, "packs")
        return CorruptCopy(f"{address}: {error.what}", check=check, why=error.why)
    hints = {
        "password": "give the password the repository was made with (password: in ops.yaml)",
        "full": "make room for a restore, or put base on a larger disk",
    }
    return Inconclusive(
        f"{address}: {error.what}",
        why=error.why,
        safe="the copy is not marked bad",
        next=error.next or hints.get(error.kind, ""),
    )


def pick_sample(held: Contents, facts: Mapping[str, JsonValue], limit_bytes: int) -> list[str]:
    """Files to be restored as a sample, the same for the same snapshot; hard links of one file stay together."""
    files = [(path, *what.split()[1:]) for path, what in held.objects.items() if what.startswith("file ")]
    linked: dict[str, list[str]] = {}
    for path, *_words in files:
        if " linked=" in held.objects[path]:  # the last word would not do: a name may have spaces
            linked.setdefault(held.objects[path].split("linked=", 1)[1], []).append(path)
    groups = {path: group for group in linked.values() for path in group}
    random.Random(str(facts["tag"])).shuffle(files)
    picked: dict[str, None] = {}
    left = limit_bytes
    for path, size, *_rest in files:
        if len(picked) >= SAMPLE_FILES:
            break
        if path not in picked and (int(size) <= left or not picked):
            left -= int(size)
            picked.update(dict.fromkeys(groups.get(path, [path])))
    return [read_back(path) for path in picked]


def pick_only(held: Contents, facts: Mapping[str, JsonValue], only: Sequence[str]) -> list[str]:
    """The wanted paths, absolute or relative to one of the folders. Raises SourceError when one is not there."""
    folders = [str(root) for root in roots_of(facts)]
    picked = []
    for wanted in only:
        meant = [wanted.rstrip("/")] if wanted.startswith("/") else [f"{root.rstrip('/')}/{wanted}" for root in folders]
        there = [path.rstrip("/") for path in meant if written(path.rstrip("/")) in held.objects]
        if not there:
            raise SourceError(
                f"{wanted} is not in this restore point",
                why=f"it holds {len(held.objects)} paths in {', '.join(folders)}",
                safe="nothing was restored",
                next="name a file or a folder as it was at the source, or choose another restore point",
            )
        picked += there
    return picked


def others(restic: Restic, facts: Mapping[str, JsonValue], held: Contents, picked: Sequence[str]) -> dict[str, str]:
    """What the repository says of the paths that were not restored.

    Where kind and size are those of the source, it counts as existing; where they are not, as what it is.

    Raises:
        CorruptCopy, Inconclusive.
    """
    nodes: dict[str, dict[str, object]] = {}
    with_snapshot(restic, facts, lambda snapshot: nodes.update(restic.ls(snapshot)))
    taken = [written(path) for path in picked]
    known: dict[str, str] = {}
    seen = set()
    for path, what in held.objects.items():
        said = as_restic_says(read_back(path))
        seen.add(said)
        node = nodes.get(said)
        if node is None or any(inside(path, each) for each in taken):
            continue
        kind, size = str(node["type"]), str(node.get("size", 0))
        words = what.split()
        same = what.startswith(EXISTS) or (words[0] == kind and (kind != "file" or words[1] == size))
        # A name that restic cannot spell may stand for several: its size says nothing.
        known[path] = f"{EXISTS} {kind}" if same or "\ufffd" in said else f"{kind} {size}"
    for said, node in nodes.items():
        if said not in seen and any(inside(said, as_restic_says(root)) for root in roots_of(facts)):
            known[written(said)] = f"{EXISTS} {node['type']}"
    return known


def devices(held: Contents) -> list[str]:
    """Device files, which only root can make."""
    return [path for path, what in held.objects.items() if what.split()[0] in ("chardev", "dev")]


def read_packs(restic: Restic, today: datetime) -> str:
    """Check the repository's structure and read today's share of its packs; returns which.

    Raises:
        CorruptCopy, Inconclusive.
    """
    share = f"{today.toordinal() % _ROTATION + 1}/{_ROTATION}"
    try:
        restic.run("check", f"--read-data-subset={share}", moved=lambda done: None)
    except ResticFailed as error:
        raise verdict_on(error, restic.repository.address) from None
    return share


def roots_of(facts: Mapping[str, JsonValue]) -> list[str]:
    """The paths a snapshot's contents are listed under."""
    folders = facts["roots"]
    assert isinstance(folders, list)
    return [read_back(str(each["listed"])) for each in folders if isinstance(each, dict)]


def sampled(
    restic: Restic, facts: Mapping[str, JsonValue], held: Contents, target: Path, limit: int, progress: Progress
) -> tuple[Restoration, Restored]:
    """Prove a snapshot that is too large to be restored whole; see the module.

    Raises:
        CorruptCopy, Inconclusive.
    """
    picked = pick_sample(held, facts, limit)
    seconds = load(restic, facts, target, picked, progress) if picked else {}
    started = time.monotonic()
    known = others(restic, facts, held, picked)
    share = read_packs(restic, datetime.now(UTC))
    seconds["check"] = round(time.monotonic() - started, 3)
    said = (
        f"{len(picked)} of {facts['files']} files restored and compared byte for byte, the others by name, kind and "
        f"size; {share} of the repository's packs read"
    )
    finished = Restored(seconds=seconds, warnings=[said], detail=said, sampled=True)
    return Restoration(roots_of(facts), picked, known, said), finished


def _pattern(path: str) -> str:
    """A path as a pattern that matches nothing else."""
    return "".join(f"\\{character}" if character in "\\*?[" else character for character in path)
