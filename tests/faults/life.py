"""A house that lives through anything in any order, and a model that says what must be true after each step.

The model knows which copies there are and which bytes they had when they were published; whether one is whole,
coreutils and those bytes say, never our code. Hypothesis chooses the steps.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.take import take_backup
from ops_pipelines.healing import bring
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.workspace import Workspace
from tests.faults.house import build
from tests.faults.protected import protect
from tests.faults.tally import Tried

STORES = st.sampled_from(("local", "nas"))
ANY = st.integers(0, 2**16)


class Life(RuleBasedStateMachine):
    """One house from its first backup on."""

    request: ClassVar[pytest.FixtureRequest]

    def __init__(self) -> None:
        super().__init__()
        self._place = TemporaryDirectory(prefix="ops-life-", ignore_cleanup_errors=True)
        path = Path(self._place.name)
        self.house = build(path, protect("sqlite", self.request, path / "data"))
        self.roots = {"local": self.house.base / "restore-points", "nas": path / "nas"}
        self.published: dict[str, dict[str, str]] = {}
        """By restore point: the SHA-256 of each of its files, as it was published."""
        self.tried = Tried("a life in any order", "sqlite")

    # What there is, without asking our code.

    def at(self, store: str, backup_id: str) -> Path:
        """Where a copy stands, if it does."""
        return self.roots[store] / "crm" / backup_id

    def ids(self, store: str) -> list[str]:
        """The restore points that a store has something of."""
        folder = self.roots[store] / "crm"
        return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []

    def whole(self, store: str, backup_id: str) -> bool:
        """Whether a copy has every byte that was published."""
        return digests(self.at(store, backup_id)) == self.published.get(backup_id)

    def copies(self) -> list[tuple[str, str]]:
        """Every copy, whole or not: store and restore point."""
        return [(store, each) for store in self.roots for each in self.ids(store)]

    def workspace(self) -> Workspace:
        """The house, opened anew: each step is another process to it."""
        return self.house.workspace()

    def learn(self) -> None:
        """What a step published."""
        for backup_id in self.ids("local"):
            self.published.setdefault(backup_id, digests(self.at("local", backup_id)))

    # What we do.

    @rule()
    def back_up(self) -> None:
        """A new restore point, whatever lies around."""
        self.house.protected.change()
        taken = take_backup(self.workspace(), "crm")
        assert taken.id not in self.published
        self.learn()
        assert self.whole("local", taken.id)

    @precondition(lambda self: self.published)
    @rule(store=STORES)
    def copy(self, store: str) -> None:
        """`ops copy`: what is whole anywhere and believed is whole here then, or it says which is not."""
        ends = bring(self.workspace(), "crm", store)
        for end in ends:
            if end.done in ("copied", "replaced"):
                assert self.whole(store, end.id), f"{end.id} in {store} is {end.done} and not whole"
            assert end.ok or end.error is not None

    @precondition(lambda self: self.published)
    @rule(which=ANY, store=STORES)
    def prove(self, which: int, store: str) -> None:
        """`ops verify`: verified means whole, bad means not."""
        workspace = self.workspace()
        points = [each for each in workspace.catalogue("crm").points if store in each.stores]
        if not points:
            return
        point = points[which % len(points)]
        verdict = verify(workspace, point, store=store)
        assert (verdict.outcome == "verified") == self.whole(store, point.id), f"{verdict.outcome}: {verdict.reason}"
        assert verdict.outcome != "inconclusive", verdict.reason

    @precondition(lambda self: self.published)
    @rule()
    def prune(self) -> None:
        """`ops prune`: what could be recovered before can be after."""
        before = self.recoverable()
        (done,) = prune(self.workspace(), ["crm"], apply=True)
        deleted = {each for store in done.stores for each in store.deleted}
        assert not deleted or self.recoverable() or not before
        assert max(before, default="") not in deleted, "the newest that was proved and is whole stays"

    # What others do.

    @precondition(lambda self: self.copies())
    @rule(which=ANY, where=ANY)
    def flip(self, which: int, where: int) -> None:
        """A disk flips one bit, of any file of any copy."""
        store, backup_id = self.copies()[which % len(self.copies())]
        files = sorted(path for path in self.at(store, backup_id).iterdir() if path.is_file())
        if files and (content := bytearray(files[where % len(files)].read_bytes())):
            content[where % len(content)] ^= 1 << where % 8
            files[where % len(files)].write_bytes(content)

    @precondition(lambda self: self.copies())
    @rule(which=ANY)
    def cut(self, which: int) -> None:
        """Somebody's editor saves half of a manifest."""
        store, backup_id = self.copies()[which % len(self.copies())]
        manifest = self.at(store, backup_id) / "manifest.json"
        if manifest.exists():
            manifest.write_bytes(manifest.read_bytes()[: which % 400])

    @precondition(lambda self: self.copies())
    @rule(which=ANY, how=st.sampled_from(("copy", "manifest", "signature", "part")))
    def delete(self, which: int, how: str) -> None:
        """Somebody deletes a copy, or a file of it, behind our back."""
        store, backup_id = self.copies()[which % len(self.copies())]
        directory = self.at(store, backup_id)
        if how == "copy":
            shutil.rmtree(directory)
            return
        names = {"manifest": "manifest.json", "signature": "manifest.json.minisig", "part": "contents.json.zst.age"}
        (directory / names[how]).unlink(missing_ok=True)

    @precondition(lambda self: len(self.copies()) > 1)
    @rule(which=ANY)
    def swap(self, which: int) -> None:
        """Somebody renames one copy to another's name."""
        store, backup_id = self.copies()[which % len(self.copies())]
        others = [each for each in self.ids(store) if each != backup_id]
        if others:
            one, other = self.at(store, backup_id), self.at(store, others[which % len(others)])
            aside = one.with_name("aside")
            one.rename(aside)
            other.rename(one)
            aside.rename(other)

    @rule(store=STORES)
    def litter(self, store: str) -> None:
        """A dead machine's unfinished copy, with its mark, in the staging directory."""
        unfinished = self.roots[store] / ".staging" / "20200101T000000Z-dead"
        unfinished.mkdir(parents=True, exist_ok=True)
        (unfinished / ".owner").touch()
        (unfinished / "dump.tar.zst.age").write_bytes(b"half")

    @rule(verb=st.sampled_from(("back_up", "copy", "prove", "prune")), after_ms=st.integers(0, 400))
    def kill(self, verb: str, after_ms: int) -> None:
        """A process is killed at work."""
        workspace = self.workspace()
        points = workspace.catalogue("crm").points
        if verb != "back_up" and not points:
            return
        doomed = set(self.copies())
        if verb == "prune":
            (plan,) = prune(workspace, ["crm"], apply=False)
            doomed -= {(each.store, one.point.id) for each in plan.stores for one in each.doomed if not plan.refused}
        elif verb == "copy":
            doomed -= {("nas", each) for each in self.ids("nas") if not self.whole("nas", each)}
        work: dict[str, Callable[[Workspace], object]] = {
            "back_up": lambda opened: take_backup(opened, "crm"),
            "copy": lambda opened: bring(opened, "crm", "nas"),
            "prove": lambda opened: verify(opened, opened.catalogue("crm").points[-1]),
            "prune": lambda opened: prune(opened, ["crm"], apply=True),
        }
        child = os.fork()
        if child == 0:
            try:
                work[verb](self.workspace())
            finally:
                os._exit(0)
        time.sleep(after_ms / 1000)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert doomed <= set(self.copies()), "what nobody meant to remove is gone"
        self.learn()

    # What must be true.

    def recoverable(self) -> list[str]:
        """Restore points that count as verified and have a whole copy."""
        return [
            each.id
            for each in self.workspace().catalogue("crm").points
            if each.verified and any(self.whole(store, each.id) for store in each.stores)
        ]

    @invariant()
    def every_whole_copy_is_listed_and_every_other_is_told(self) -> None:
        """Nothing is invented, nothing is hidden."""
        catalogue = self.workspace().catalogue("crm")
        listed = {(store, point.id) for point in catalogue.points for store in point.stores}
        told = about(catalogue)
        for store, backup_id in self.copies():
            if self.whole(store, backup_id):
                assert (store, backup_id) in listed, (
                    f"{backup_id} in {store} is whole and not listed: {catalogue.messages}"
                )
            elif self.small_files_differ(store, backup_id):
                assert (store, backup_id) in told, (
                    f"{backup_id} in {store} is not what was published, and nobody says so"
                )
        assert listed <= set(self.copies()), "what is not there is not listed"
        self.lost_without_a_prune(catalogue)

    def small_files_differ(self, store: str, backup_id: str) -> bool:
        """Whether a listing can see that a copy is not what was published: of a bit in a part only a proof knows."""
        found, published = digests(self.at(store, backup_id)), self.published.get(backup_id, {})
        return found.keys() != published.keys() or any(
            found[name] != published[name] for name in ("manifest.json", "manifest.json.minisig", "SHA256SUMS")
        )

    def lost_without_a_prune(self, catalogue: Catalogue) -> None:
        """What was removed behind our back is missing, and not forgotten."""
        pruned = {
            row.backup_id for row in self.workspace().ledger.recent(kind="prune", limit=1000) if row.status != "failed"
        }
        made = {
            row.backup_id
            for row in self.workspace().ledger.recent(kind="dump", limit=1000)
            if row.status == "succeeded"
        }
        gone = {each for each in made if each and not any((store, each) in self.copies() for store in self.roots)}
        assert gone - pruned <= {each.id for each in catalogue.strangers if each.standing == "missing"} | pruned

    def teardown(self) -> None:
        """In the end everything works again, and nothing is left."""
        try:
            take_backup(self.workspace(), "crm")
            self.learn()
            bring(self.workspace(), "crm", "nas")
            workspace = self.workspace()
            newest = self.newest(workspace)
            assert verify(workspace, newest, store="nas").outcome == "verified"
            assert not self.house.leftovers()
        finally:
            self._place.cleanup()

    def newest(self, workspace: Workspace) -> RestorePoint:
        """The newest restore point."""
        newest = workspace.catalogue("crm").newest
        assert newest is not None
        return newest


def digests(directory: Path) -> dict[str, str]:
    """The SHA-256 of every file in a directory, by name; coreutils' word."""
    files = sorted(path for path in directory.iterdir() if path.is_file()) if directory.is_dir() else []
    if not files:
        return {}
    said = subprocess.run(["sha256sum", "--", *files], check=True, capture_output=True, text=True).stdout
    return {Path(line.split("  ", 1)[1]).name: line[:64] for line in said.splitlines()}


def about(catalogue: Catalogue) -> set[tuple[str, str]]:
    """The copies that a catalogue says something bad of."""
    return {
        *((each.store, each.id) for each in (*catalogue.faults, *catalogue.damage)),
        # What is missing everywhere is told of no store.
        *(
            (store, each.id)
            for each in catalogue.strangers
            for store in ((each.store,) if each.store else ("local", "nas"))
        ),
    }
