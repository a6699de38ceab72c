"""The list of restore points and copies, read from the manifests that are ours, which are the truth."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ops_pipelines.errors import CorruptCopy, NewerFormat, OpsError, StoreError
from ops_pipelines.vault.faults import Fault, Problem
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.order import ahead, in_order, moments
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.trust import (
    ALARMING,
    Found,
    Known,
    Published,
    Sealed,
    Stranger,
    Untrusted,
    separate_strangers,
    summary,
)
from ops_pipelines.vault.verdict import Verdict


@dataclass(frozen=True)
class RestorePoint:
    """One restore point, the stores that hold a copy of it, and what verifications found.

    Attributes:
        verdicts: in the order of their numbers: a clock that was wrong puts none of them last.
        sha256: of the manifest's bytes.
        number: its turn among those that this installation took; None of one that was adopted or signed later, whose
            place is given by its time.
        incomplete: by store, which part of the copy is missing there, or has another size.
    """

    manifest: Manifest
    stores: Sequence[str]
    verdicts: Sequence[Verdict] = field(default=())
    sha256: str = ""
    number: int | None = None
    incomplete: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its id."""
        return self.manifest.id

    @property
    def started_at(self) -> datetime:
        """The start of its dump: the moment it protects."""
        return self.manifest.started_at

    def proof(self, store: str) -> Verdict | None:
        """The newest verdict on the copy in a store; an inconclusive one only when there is no other."""
        ours = [verdict for verdict in self.verdicts if verdict.store == store]
        telling = [verdict for verdict in ours if verdict.outcome != "inconclusive"]
        return next(reversed(telling or ours), None)

    @property
    def damaged(self) -> Sequence[str]:
        """The stores whose copy was proved bad, or lacks something."""
        return [name for name in self.stores if self.damage(name)]

    def damage(self, store: str) -> str:
        """What is wrong with the copy in a store, in words; empty when nothing is known to be."""
        if store in self.incomplete:
            return self.incomplete[store]
        proof = self.proof(store)
        return proof.reason if proof is not None and proof.outcome == "bad" else ""

    @property
    def verdict(self) -> Verdict | None:
        """What to tell of it: the newest bad verdict that still stands, else the newest good one, else the newest."""
        if (condemnation := self._condemnation) is not None:
            return condemnation
        proofs = [proof for proof in map(self.proof, self.stores) if proof is not None]
        for outcome in ("bad", "verified"):
            if found := [proof for proof in proofs if proof.outcome == outcome]:
                return max(found, key=lambda proof: (proof.number, proof.file_name))
        # The copy that was proved is gone or out of reach: what was found out about the backup still holds, and a proof
        # of another copy that left it open takes nothing back.
        telling = [verdict for verdict in self.verdicts if verdict.outcome == "verified"]
        return next(reversed(telling or self.verdicts), None)

    @property
    def verified(self) -> bool:
        """Whether it was restored and compared, is not proved bad since, and has a copy that is not known to be."""
        proved = any(verdict.outcome == "verified" for verdict in self.verdicts)
        return proved and self._condemnation is None and len(self.damaged) < len(self.stores)

    @property
    def safety(self) -> bool:
        """Whether it was taken because its source was about to be replaced: nobody wants it unless it is named."""
        return self.manifest.safety

    @property
    def _condemnation(self) -> Verdict | None:
        """The bad verdict that holds for every copy, unless a later one of any store was good."""
        for verdict in reversed(self.verdicts):
            if verdict.outcome == "verified":
                return None
            if verdict.outcome == "bad" and verdict.blames != "copy":
                return verdict
        return None


@dataclass(frozen=True)
class Catalogue:
    """The restore points of one source, in the order in which they were taken, and what could not be read.

    Attributes:
        faults: what cannot be read, and what is gone; for what is wrong with copies as a whole, see `damage`.
        strangers: what is there and is not ours, or is not what it should be: nothing uses it.
    """

    points: Sequence[RestorePoint]
    faults: Sequence[Fault] = ()
    strangers: Sequence[Stranger] = ()
    source: str = ""

    @property
    def problems(self) -> Sequence[str]:
        """Stores or copies that cannot be read, in words."""
        return tuple(each.words for each in self.faults if each.problem != "lost")

    @property
    def troubled(self) -> frozenset[str]:
        """Stores in which something cannot be read, or was forged."""
        return frozenset(each.store for each in self.faults if each.problem != "lost") | {
            each.store for each in self.strangers if each.standing in ALARMING and not each.name
        }

    @property
    def damage(self) -> Sequence[Fault]:
        """Every copy that is not what was published, whatever noticed it; that of the oldest restore point first.

        Of those that only lack their signature `copy` puts it back, and the bytes stay.
        """
        found = {(each.id, each.store): each for each in self.faults if each.problem == "damaged"}
        for each in self.strangers:
            point = self.find(each.id)
            other = point is not None and each.standing == "unsigned" and point.sha256 != each.sha256
            if point is not None and (each.standing in ALARMING or other) and each.store and not each.name:
                found[each.id, each.store] = Fault(each.store, each.id, "damaged", each.words)
        for point in self.points:
            for store in point.damaged:
                found[point.id, store] = Fault(store, point.id, "damaged", point.damage(store))
        return self._in_order(found.values())

    @property
    def damaged_verdicts(self) -> Sequence[Fault]:
        """Verdicts of ours that cannot be read or believed, by the age of the restore point, oldest first.

        One without a signature is among them when another store has it with one.
        """
        whole = {(each.id, verdict.file_name) for each in self.points for verdict in each.verdicts}
        found = {
            (each.id, each.store, each.name): each for each in self.faults if each.problem == "verdict" and each.name
        }
        for each in self.strangers:
            ours = each.standing in ALARMING or (each.standing == "unsigned" and (each.id, each.name) in whole)
            if each.name and ours:
                found[each.id, each.store, each.name] = Fault(each.store, each.id, "verdict", each.words, each.name)
        return self._in_order(found.values())

    def _in_order(self, faults: Iterable[Fault]) -> Sequence[Fault]:
        turns = {point.id: turn for turn, point in enumerate(self.points)}
        return sorted(faults, key=lambda each: (turns.get(each.id, -1), each.id, each.store, each.name))

    def wanting(self, store: str) -> Sequence[RestorePoint]:
        """The restore points that a store has no good copy of, oldest first."""
        damaged = {each.id for each in self.damage if each.store == store}
        return [point for point in self.points if store not in point.stores or point.id in damaged]

    @property
    def newest(self) -> RestorePoint | None:
        """The newest restore point, verified or not."""
        return self.points[-1] if self.points else None

    @property
    def recovery_point(self) -> RestorePoint | None:
        """The newest verified restore point: what a disaster would go back to. Never one taken for safety."""
        return next((point for point in reversed(self.points) if point.verified and not point.safety), None)

    def moments(self, now: datetime) -> Mapping[str, datetime | None]:
        """By id, a time that a restore point is no older than; None where a wrong clock leaves nothing to go by."""
        return moments(self.points, now)

    def age(self, point: RestorePoint, now: datetime) -> timedelta | None:
        """How old a restore point is at most, from the start of its dump; None where a wrong clock hides it."""
        at = self.moments(now)[point.id]
        return max(now - at, timedelta(0)) if at is not None else None

    def ahead(self, now: datetime) -> Sequence[RestorePoint]:
        """Restore points from the future, oldest first: a clock is wrong, or was when they were taken."""
        return ahead(self.points, now)

    @property
    def messages(self) -> Sequence[str]:
        """What a human should know: what cannot be read, what is gone, and what is not believed."""
        return (*self.problems, *self.loss_messages, *summary(self.strangers, self.source))

    @property
    def loss_messages(self) -> Sequence[str]:
        """The same of copies that are gone though no prune removed them, in one line."""
        lost = [each.words for each in self.faults if each.problem == "lost"]
        return [f"{lost[-1]}{f'; {len(lost) - 1} more are gone' if len(lost) > 1 else ''}"] if lost else []

    def find(self, backup_id: str) -> RestorePoint | None:
        """The restore point with this id."""
        return next((point for point in self.points if point.id == backup_id), None)


Catalogues = Callable[[str], Catalogue]
"""Reads what the stores hold of a source, by its name."""


def read_catalogue(
    stores: Mapping[str, Store],
    source: str,
    published: Known = None,
    *,
    every_store: bool = True,
) -> Catalogue:
    """What the stores hold of a source.

    A store that cannot be reached, or a manifest that cannot be read, is a problem in the result: the
    others are still listed. What is not ours is a stranger in the result.

    Args:
        published: what the ledger knows of restore points, by id; nothing when it cannot be asked.
        every_store: these are all there are, so that what none of them has is missing.
    """
    reading = _Reading(source)
    for store in stores.values():
        reading.read(store)
    whole = every_store and not any(each.problem == "away" for each in reading.faults)
    kept, strangers = separate_strangers(
        reading.found, published or {}, source, frozenset(reading.present), whole=whole
    )
    strangers = [*reading.strangers, *strangers]
    copies: dict[str, list[Found]] = {}
    for each in kept:
        copies.setdefault(each.manifest.id, []).append(each)
    points = [
        RestorePoint(
            found[0].manifest,
            tuple(each.store for each in found),
            reading.verdicts_on(key),
            found[0].sha256,
            found[0].turn,
            {each.store: each.incomplete for each in found if each.incomplete},
        )
        for key, found in copies.items()
    ]
    faults = (*reading.faults, *reading.lost(points, published or {}))
    return Catalogue(tuple(in_order(points)), faults, tuple(strangers), source)


class _Reading:
    """A source's copies and verdicts, gathered from one store after another."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.found: list[Found] = []
        self.present: set[str] = set()
        self.strangers: list[Stranger] = []
        self.faults: list[Fault] = []
        self._ids: dict[str, set[str]] = {}
        self._verdicts: dict[str, dict[str, Verdict]] = {}

    def read(self, store: Store) -> None:
        try:
            ids = store.ids(self._source)
        except StoreError as error:
            self._fault(store, "", "away", error)
            return
        self._ids[store.name] = set(ids)
        self.present.update(ids)
        for backup_id in ids:
            if self._read_point(store, backup_id):
                self._read_verdicts(store, backup_id)

    def verdicts_on(self, backup_id: str) -> tuple[Verdict, ...]:
        """In the order of their numbers."""
        found = self._verdicts.get(backup_id, {})
        return tuple(verdict for _, verdict in sorted(found.items(), key=lambda each: (each[1].number, each[0])))

    def lost(self, points: Sequence[RestorePoint], published: Mapping[str, Published]) -> list[Fault]:
        """Copies that the ledger saw made and nothing of ours removed, of what another store still has."""
        return [
            Fault(store, point.id, "lost", f"the copy of {point.id} in {store} is gone, and no prune removed it")
            for point in points
            if point.id in published
            for store in sorted(published[point.id].stores & self._ids.keys())
            if point.id not in self._ids[store]
        ]

    def _read_point(self, store: Store, backup_id: str) -> bool:
        """Whether it is ours."""
        sealed: Sealed | None = None
        try:
            sealed = store.sealed(self._source, backup_id)
            manifest, number = store.opened(sealed, self._source, backup_id)
            incomplete = _incomplete(manifest, store.sizes(self._source, backup_id))
        except Untrusted as error:
            self.strangers.append(self._stranger(error, store, backup_id, sealed))
        except CorruptCopy as error:
            self._fault(store, backup_id, "damaged", error)
        except NewerFormat as error:
            self._fault(store, backup_id, "newer", error)
        except StoreError as error:
            self._fault(store, backup_id, "unreadable", error)
        else:
            turn = store.trust.turn(self._source, manifest, number)
            self.found.append(Found(store.name, manifest, number, sealed.sha256, incomplete, turn))
            return True
        return False

    def _read_verdicts(self, store: Store, backup_id: str) -> None:
        try:
            sealed = store.sealed_verdicts(self._source, backup_id)
        except (CorruptCopy, StoreError) as error:
            # What other stores keep of the proofs still counts: a bad store costs its own only.
            self._fault(store, backup_id, "verdict", error)
            return
        for name, each in sealed:
            where = f"{name} on {store.location(self._source, backup_id)}"
            try:
                verdict = store.trust.open_verdict(each, self._source, backup_id, where=where)
            except Untrusted as error:
                self.strangers.append(self._stranger(error, store, backup_id, each, name))
            except CorruptCopy as error:
                self._fault(store, backup_id, "verdict", error, name)
            except NewerFormat as error:
                self._fault(store, backup_id, "newer", error, name)
            else:
                self._verdicts.setdefault(backup_id, {})[verdict.file_name] = verdict

    def _fault(self, store: Store, backup_id: str, problem: Problem, error: OpsError, name: str = "") -> None:
        words = f"{error.what}: {error.why}" if error.why else error.what
        self.faults.append(Fault(store.name, backup_id, problem, words, name))

    def _stranger(
        self, error: Untrusted, store: Store, backup_id: str, sealed: Sealed | None, name: str = ""
    ) -> Stranger:
        sha256 = sealed.sha256 if sealed is not None else ""
        return Stranger(error.standing, self._source, backup_id, store.name, error.why, sha256, error.claimed, name)


def _incomplete(manifest: Manifest, sizes: Mapping[str, int]) -> str:
    """Which part a copy lacks, or has another size than it should, in words; empty when none does."""
    for part in manifest.parts:
        if part.name not in sizes:
            return f"parts: {part.name} is missing"
        if sizes[part.name] != part.size_bytes:
            return f"parts: {part.name} has {sizes[part.name]} bytes, the manifest says {part.size_bytes}"
    return ""
