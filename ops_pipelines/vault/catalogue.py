"""The list of restore points and copies, read from the manifests, which are the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ops_pipelines.errors import CorruptCopy, OpsError, StoreError
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.verdict import Verdict


@dataclass(frozen=True)
class RestorePoint:
    """One restore point, the stores that hold a copy of it, and what verifications found."""

    manifest: Manifest
    stores: Sequence[str]
    verdicts: Sequence[Verdict] = field(default=())

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
                return max(found, key=lambda proof: proof.started_at)
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
    """The restore points of one source, oldest first, and what could not be read.

    Attributes:
        problems: stores or copies that cannot be read, in words.
        troubled: the names of those stores.
    """

    points: Sequence[RestorePoint]
    problems: Sequence[str] = ()
    troubled: frozenset[str] = frozenset()

    @property
    def newest(self) -> RestorePoint | None:
        """The newest restore point, verified or not."""
        return self.points[-1] if self.points else None

    @property
    def recovery_point(self) -> RestorePoint | None:
        """The newest verified restore point: what a disaster would go back to. Never one taken for safety."""
        return next((point for point in reversed(self.points) if point.verified and not point.safety), None)

    def find(self, backup_id: str) -> RestorePoint | None:
        """The restore point with this id."""
        return next((point for point in self.points if point.id == backup_id), None)


def read_catalogue(stores: Mapping[str, Store], source: str) -> Catalogue:
    """What the stores hold of a source.

    A store that cannot be reached, or a manifest that cannot be read, is a problem in the result: the
    others are still listed.
    """
    manifests: dict[str, Manifest] = {}
    held: dict[str, list[str]] = {}
    verdicts: dict[str, dict[str, Verdict]] = {}
    problems: list[tuple[str, str]] = []
    unproved: set[str] = set()
    for store in stores.values():
        try:
            ids = store.ids(source)
        except StoreError as error:
            problems.append((store.name, _line(error)))
            continue
        for backup_id in ids:
            try:
                manifest = store.manifest(source, backup_id)
            except (CorruptCopy, StoreError) as error:
                problems.append((store.name, _line(error)))
                continue
            if (manifest.id, manifest.source) != (backup_id, source):
                there = store.location(source, backup_id)
                problems.append((store.name, f"{there} holds {manifest.id} of {manifest.source}"))
                continue
            manifests.setdefault(backup_id, manifest)
            held.setdefault(backup_id, []).append(store.name)
            try:
                found = {verdict.file_name: verdict for verdict in store.verdicts(source, backup_id)}
            except (CorruptCopy, StoreError) as error:
                # Without its verdicts it is a copy like any other, but it proves nothing.
                problems.append((store.name, _line(error)))
                unproved.add(backup_id)
            else:
                verdicts.setdefault(backup_id, {}).update(found)
    for backup_id in unproved:
        verdicts.pop(backup_id, None)
    points = [
        RestorePoint(manifest, tuple(held[key]), tuple(verdict for _, verdict in sorted(verdicts.get(key, {}).items())))
        for key, manifest in manifests.items()
    ]
    return Catalogue(
        tuple(sorted(points, key=lambda point: (point.started_at, point.id))),
        tuple(line for _, line in problems),
        frozenset(name for name, _ in problems),
    )


def _line(error: OpsError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what
