"""The list of restore points and copies, read from the manifests that are ours, which are the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ops_pipelines.errors import CorruptCopy, OpsError, StoreError
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.order import ahead, in_order, moments
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.trust import ALARMING, Found, Published, Sealed, Stranger, Untrusted, summary, told_apart
from ops_pipelines.vault.verdict import Verdict


@dataclass(frozen=True)
class RestorePoint:
    """One restore point, the stores that hold a copy of it, and what verifications found.

    Attributes:
        verdicts: in the order of their numbers: a clock that was wrong puts none of them last.
        sha256: of the manifest's bytes.
        number: its turn among those that this installation took; None of one that was adopted or signed later, whose
            place is given by its time.
    """

    manifest: Manifest
    stores: Sequence[str]
    verdicts: Sequence[Verdict] = field(default=())
    sha256: str = ""
    number: int | None = None

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
        """The stores whose copy was proved bad."""
        return [name for name in self.stores if (proof := self.proof(name)) is not None and proof.outcome == "bad"]

    @property
    def verdict(self) -> Verdict | None:
        """What to tell of it: the newest bad verdict that still stands, else the newest good one, else the newest."""
        if (condemnation := self._condemnation) is not None:
            return condemnation
        proofs = [proof for proof in map(self.proof, self.stores) if proof is not None]
        for outcome in ("bad", "verified", "inconclusive"):
            if found := [proof for proof in proofs if proof.outcome == outcome]:
                return max(found, key=lambda proof: (proof.number, proof.file_name))
        # The copy that was proved is gone or out of reach; what was found out about the backup still holds.
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
        problems: stores or copies that cannot be read, in words.
        troubled: the names of those stores, and of those in which something was forged.
        strangers: what is there and is not ours, or is not what it should be: nothing uses it.
    """

    points: Sequence[RestorePoint]
    problems: Sequence[str] = ()
    troubled: frozenset[str] = frozenset()
    strangers: Sequence[Stranger] = ()
    source: str = ""

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
    def told(self) -> Sequence[str]:
        """What a human should know: what cannot be read, and what is not believed."""
        return (*self.problems, *summary(self.strangers, self.source))

    def find(self, backup_id: str) -> RestorePoint | None:
        """The restore point with this id."""
        return next((point for point in self.points if point.id == backup_id), None)


def read_catalogue(
    stores: Mapping[str, Store],
    source: str,
    published: Mapping[str, Published] | None = None,
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
    whole = every_store and not reading.problems
    kept, strangers = told_apart(reading.found, published or {}, source, frozenset(reading.present), whole=whole)
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
            _turn(found[0]),
        )
        for key, found in copies.items()
    ]
    return Catalogue(
        tuple(in_order(points)),
        tuple(line for _, line in reading.problems),
        frozenset(name for name, _ in reading.problems)
        | {each.store for each in strangers if each.standing in ALARMING and not each.name},
        tuple(strangers),
        source,
    )


class _Reading:
    """A source's copies and verdicts, gathered from one store after another."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.found: list[Found] = []
        self.present: set[str] = set()
        self.strangers: list[Stranger] = []
        self.problems: list[tuple[str, str]] = []
        self._verdicts: dict[str, dict[str, Verdict]] = {}

    def read(self, store: Store) -> None:
        try:
            ids = store.ids(self._source)
        except StoreError as error:
            self.problems.append((store.name, _line(error)))
            return
        self.present.update(ids)
        for backup_id in ids:
            if self._read_point(store, backup_id):
                self._read_verdicts(store, backup_id)

    def verdicts_on(self, backup_id: str) -> tuple[Verdict, ...]:
        """In the order of their numbers."""
        found = self._verdicts.get(backup_id, {})
        return tuple(verdict for _, verdict in sorted(found.items(), key=lambda each: (each[1].number, each[0])))

    def _read_point(self, store: Store, backup_id: str) -> bool:
        """Whether it is ours."""
        sealed: Sealed | None = None
        try:
            sealed = store.sealed(self._source, backup_id)
            manifest, number = store.opened(sealed, self._source, backup_id)
        except Untrusted as error:
            self.strangers.append(self._stranger(error, store, backup_id, sealed))
        except (CorruptCopy, StoreError) as error:
            self.problems.append((store.name, _line(error)))
        else:
            self.found.append(Found(store.name, manifest, number, sealed.sha256))
            return True
        return False

    def _read_verdicts(self, store: Store, backup_id: str) -> None:
        try:
            sealed = store.sealed_verdicts(self._source, backup_id)
        except (CorruptCopy, StoreError) as error:
            # What other stores keep of the proofs still counts: a bad store costs its own only.
            self.problems.append((store.name, _line(error)))
            return
        for name, each in sealed:
            where = f"{name} on {store.location(self._source, backup_id)}"
            try:
                verdict = store.trust.open_verdict(each, self._source, backup_id, where=where)
            except Untrusted as error:
                self.strangers.append(self._stranger(error, store, backup_id, each, name))
            except CorruptCopy as error:
                self.problems.append((store.name, _line(error)))
            else:
                self._verdicts.setdefault(backup_id, {})[verdict.file_name] = verdict

    def _stranger(
        self, error: Untrusted, store: Store, backup_id: str, sealed: Sealed | None, name: str = ""
    ) -> Stranger:
        sha256 = sealed.sha256 if sealed is not None else ""
        return Stranger(error.standing, self._source, backup_id, store.name, error.why, sha256, error.claimed, name)


def _turn(found: Found) -> int | None:
    """The number it was taken with; one that it was given later says nothing of its turn."""
    manifest = found.manifest
    return found.number if manifest.adopted_from is None and manifest.number == found.number else None


def _line(error: OpsError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what
