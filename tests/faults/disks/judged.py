"""What must hold wherever the power is cut; judged from SHA256SUMS and from SQLite's own reader, not by our code."""

import hashlib
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

from tests.faults.disks.disk import Disk, Step, Tree, everything, names_only, nothing

STORES = {"local": "base/restore-points", "nas": "nas"}
LEDGER = ("base/ledger.sqlite", "base/ledger.sqlite-wal")
# Locks and marks of the living, what is not finished, and what its loser only makes anew.
_UNPROMISED = re.compile(
    r"(base|var/backups)/(locks|scratch|ledger\.sqlite)|(^|/)\.staging(/|$)|/\.sweep\.lock$|\.lock$|\.known$|\.known\.new$"
    r"|/\.[^/]*$(?<!store)|-tmp-\d+$|\.new$|/locks/[0-9a-f]+$"
)
_PLACES = ("base", "nas", "kit", "out", "exported", "project")
"""`out` is what is restored into: whole when it is said to be."""


def promised(path: str) -> bool:
    """Whether a file is one that somebody may rely on."""
    return path.partition("/")[0] in _PLACES and _UNPROMISED.search(path) is None


def points(tree: Tree, *, signed: bool = True) -> dict[tuple[str, str, str], bool]:
    """Every restore point that a reader finds, by store, source and id; whether it is whole."""
    found = {}
    for store, root in STORES.items():
        for path, content in tree.items():
            steps = path.removeprefix(f"{root}/").split("/")
            if path.startswith(f"{root}/") and content is None and len(steps) == 2 and not steps[0].startswith("."):
                found[store, steps[0], steps[1]] = _whole(tree, path, signed=signed)
    return found


def _whole(tree: Tree, folder: str, *, signed: bool) -> bool:
    """As `sha256sum -c SHA256SUMS` has it, with a signature beside the manifest."""
    sums = tree.get(f"{folder}/SHA256SUMS") or b""
    listed = {name: digest for digest, name in (line.split("  ") for line in sums.decode().splitlines())}
    beside = ("manifest.json.minisig",) if signed else ()
    contents = {name: tree.get(f"{folder}/{name}") for name in (*listed, *beside)}
    return "manifest.json" in listed and all(
        content and listed.get(name, hashlib.sha256(content).hexdigest()) == hashlib.sha256(content).hexdigest()
        for name, content in contents.items()
    )


def worlds(disk: Disk, chance: Random, *, drawn: int) -> Iterator[tuple[int, str, Callable[[Step], bool]]]:
    """Every moment between two calls, and what of the unflushed the disk has then; one like the last is left out.

    Args:
        drawn: how many combinations are drawn at each moment, beside the three that tell most.
    """
    for at in range(len(disk.steps) + 1):
        done = disk.steps[at - 1] if at else None
        flushed = done is None or not done.changes
        if flushed:
            yield at, "nothing", nothing
        if flushed or (done is not None and done.entries):
            yield at, "names alone", names_only
            for _ in range(drawn):
                lucky = {step for step in disk.steps[:at] if chance.random() < 0.5}
                yield at, "some of it", lucky.__contains__
        if done is None or done.changes:
            yield at, "all of it", everything


def look(disk: Disk, chance: Random, *, drawn: int = 1, pruned: bool = False, signed: bool = True) -> int:
    """Look at every world; returns how many there were.

    Args:
        pruned: restore points that were there may be gone.
        signed: restore points have signatures from the start.
    """
    before, last, count = points(disk.tree(0, nothing), signed=signed), disk.tree(len(disk.steps), everything), 0
    for at, which, kept in worlds(disk, chance, drawn=drawn):
        count += 1
        done = disk.steps[at - 1].what if at else "the start"
        where = f"after step {at} ({done}), {which} on the disk"
        tree, torn = disk.tree_and_torn(at, kept)
        torn = [path for path in torn if promised(path) and not _unfinished(path, tree[path] or b"", last)]
        assert not torn, f"{where}: files without all of their bytes: {torn}"
        found = points(tree, signed=signed)
        halves = [key for key, whole in found.items() if not whole]
        assert not halves, f"{where}: half a restore point: {halves}"
        if not pruned:
            assert before.keys() <= found.keys(), f"{where}: lost: {before.keys() - found.keys()}"
        if which == "nothing" and done.startswith("said"):
            _kept(disk, at, where)
        if which == "nothing" and done.startswith("flush"):
            _true_to_the_ledger(tree, where, points(tree, signed=signed))
    _kept(disk, len(disk.steps), "when it had ended")
    return count


def _unfinished(path: str, content: bytes, last: Tree) -> bool:
    """Whether it may have less than in the end: a target before it is said to be restored, a list with whole lines."""
    grows = path.startswith("base/snapshots/")
    return path.startswith("out/") or (grows and content.endswith(b"\n") and (last[path] or b"").startswith(content))


def _kept(disk: Disk, at: int, where: str) -> None:
    """Whatever is there when somebody is told so, is on the disk; the ledger says the same as in the living machine."""
    there, least = disk.tree(at, everything), disk.tree(at, nothing)
    lost = [path for path, content in there.items() if promised(path) and (path not in least or least[path] != content)]
    assert not lost, f"{where}: not on the disk yet: {lost[:8]}"
    back = [path for path in least if promised(path) and path not in there]
    assert not back, f"{where}: removed, and on the disk still: {back[:8]}"
    assert ledger_rows(least) == ledger_rows(there), where


def ledger_rows(tree: Tree) -> list[tuple[str, str, str, str, str]]:
    """Kind, source, restore point, store and status of every attempt, as another reader of SQLite sees them."""
    with tempfile.TemporaryDirectory() as folder:
        for path in LEDGER:
            if (content := tree.get(path)) is not None:
                (Path(folder) / Path(path).name).write_bytes(content)
        with closing(sqlite3.connect(Path(folder) / "ledger.sqlite")) as opened:
            assert opened.execute("pragma integrity_check").fetchall() == [("ok",)]
            if not opened.execute("select 1 from sqlite_master where name = 'ops_activities'").fetchall():
                return []
            return opened.execute(
                "select kind, source, backup_id, coalesce(store, 'local'), status from ops_activities order by turn"
            ).fetchall()


def _true_to_the_ledger(tree: Tree, where: str, found: dict[tuple[str, str, str], bool]) -> None:
    """What the ledger says was done, is on the disk before it says so."""
    rows = ledger_rows(tree)
    # A prune says which one it removes before it does.
    gone = {(store, source, backup_id) for kind, source, backup_id, store, _status in rows if kind == "prune"}
    for kind, source, backup_id, store, status in rows:
        if status != "succeeded":
            continue
        key = (store, source, backup_id)
        if kind in ("dump", "adopt", "copy") and key not in gone:
            assert found.get(key), f"{where}: the ledger has a {kind} of {key}, the disk has not"
        if kind == "prune":
            assert key not in found, f"{where}: the ledger says that {key} is pruned, and it is there"
        if kind == "verify" and not any(each[1:] == key[1:] for each in gone):
            verdicts = f"base/restore-points/.verdicts/{source}/{backup_id}/verify-"
            named = {path for path in tree if path.startswith(verdicts)}
            signed = {path for path in named if f"{path}.minisig" in named}
            assert signed, f"{where}: the verdict on {key} is not on the disk"
