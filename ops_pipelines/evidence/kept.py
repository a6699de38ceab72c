"""What was signed and is still there: manifests, verdicts, reports of drills, each with the digest of its bytes."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

from ops_pipelines.drill.record import Report
from ops_pipelines.drill.report.keep import JSON, KEY, SIGNATURE, read_report
from ops_pipelines.errors import OpsError
from ops_pipelines.places import Places
from ops_pipelines.vault.catalogue import Catalogue, Catalogues
from ops_pipelines.vault.manifest import SUMS
from ops_pipelines.vault.signing.minisign import BadSignature, Signature, open_signer
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.verdict import Verdict

_SLACK = timedelta(seconds=1)


class SignedVerdict(NamedTuple):
    """A verdict whose signature is ours."""

    verdict: Verdict
    name: str
    sha256: str


class KeptReport(NamedTuple):
    """A drill's report; `signature` is `valid`, or what is wrong with it."""

    report: Report
    sha256: str
    signature: str


class Kept:
    """Reads each thing once.

    Args:
        catalogues: what the stores hold of a source.
    """

    def __init__(self, stores: Mapping[str, Store], catalogues: Catalogues, places: Places) -> None:
        self._stores, self._places = stores, places
        self._catalogues: dict[str, Catalogue] = {}
        self._read_catalogue = catalogues
        self.verdicts = cache(self._verdicts)

    def catalogue(self, source: str) -> Catalogue:
        """What the stores hold of a source."""
        if source not in self._catalogues:
            self._catalogues[source] = self._read_catalogue(source)
        return self._catalogues[source]

    def verdict_of(
        self, source: str, backup_id: str, store: str | None, begin: datetime, end: datetime
    ) -> SignedVerdict | None:
        """The verdict that a verification came to, which began and ended at these times; None where it is gone."""
        for each in self.verdicts(source, backup_id):
            verdict = each.verdict
            if verdict.store == store and begin - _SLACK <= verdict.started_at <= end + _SLACK:
                return each
        return None

    def report(self, drill_id: str) -> KeptReport | None:
        """The report of a drill; None where it is gone or cannot be read."""
        folder = self._places.drills / drill_id
        if folder.parent != self._places.drills:
            return None
        try:
            content = (folder / JSON).read_bytes()
            report = read_report(folder)
        except (OSError, OpsError):
            return None
        sha256 = hashlib.sha256(content).hexdigest()
        return KeptReport(report, sha256, self._standing(drill_id, sha256))

    def _verdicts(self, source: str, backup_id: str) -> list[SignedVerdict]:
        """Every verdict on a restore point that is ours, of whatever store, in the order of their numbers."""
        found: dict[str, SignedVerdict] = {}
        for store in self._stores.values():
            with suppress(OpsError):
                for name, sealed in store.sealed_verdicts(source, backup_id):
                    with suppress(OpsError):
                        verdict = store.trust.open_verdict(sealed, source, backup_id, where=name)
                        found.setdefault(name, SignedVerdict(verdict, name, sealed.sha256))
        return sorted(found.values(), key=lambda each: (each.verdict.number, each.name))

    def _standing(self, drill_id: str, sha256: str) -> str:
        """What the signature beside a report says of it."""
        folder = self._places.drills / drill_id
        try:
            sums = (folder / SUMS).read_bytes()
            signature = Signature.read((folder / SIGNATURE).read_bytes())
            if not (self._places.drills / KEY).exists():
                return "not checked: the key of drills is gone"
            key = open_signer(self._places.drills / KEY, lost="").verifier
            if signature.number != key.number:
                return "not checked: it is by an earlier key of drills"
            signature.check(key, sums)
        except (OSError, OpsError, BadSignature) as error:
            return f"not valid: {error}"
        listed = {line[66:]: line[:64] for line in sums.decode().splitlines()}
        return "valid" if listed.get(JSON) == sha256 else "not valid: it is over another report"
