"""How long will it take? As long as the last ones of the same source and about the same size did, or nobody knows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.vault.catalogue import Catalogue, Catalogues
from ops_pipelines.vault.manifest import Manifest

_REMEMBERED = 5
_LIKE = 2.0
"""How many times as large or small another one may be: what does not grow with the data is most of a small restore."""


@dataclass(frozen=True)
class Estimate:
    """What a restore will take.

    Attributes:
        took: from begin to end.
        phases: the longest parts of it.
        restores: how many restores it is known from; 0 when only verifications are known.
    """

    took: timedelta
    phases: Mapping[str, timedelta]
    restores: int


@dataclass(frozen=True)
class _Known:
    seconds: float
    phases: Mapping[str, float]
    plain_bytes: int


def estimate(ledger: Callable[[], Ledger], catalogues: Catalogues, manifest: Manifest) -> Estimate | None:
    """What restoring this will take, from this source's own restores, else from its verifications; None when neither
    of one of about its size is known.

    Args:
        ledger: opens it; one that cannot be opened knows nothing.
    """
    restores = _like(_restores(ledger, manifest.source), manifest)
    known = restores or _like(_verifications(catalogues(manifest.source)), manifest)
    if not known:
        return None
    names = dict.fromkeys(name for each in known for name in each.phases)
    phases = {name: median(each.phases.get(name, 0.0) for each in known) for name in names}
    return Estimate(
        timedelta(seconds=median(each.seconds for each in known)),
        {name: timedelta(seconds=took) for name, took in phases.items()},
        len(restores),
    )


def _like(known: Sequence[_Known], manifest: Manifest) -> list[_Known]:
    """The last ones of about the same size."""
    size = max(1, manifest.plain_bytes)
    return [each for each in known if size / _LIKE <= max(1, each.plain_bytes) <= size * _LIKE][-_REMEMBERED:]


def _verifications(catalogue: Catalogue) -> list[_Known]:
    """Every good verification, in their order. The stores know them as well as the ledger does, which may be gone."""
    found = [
        (verdict.number, _Known(verdict.took_s, verdict.seconds, point.manifest.plain_bytes))
        for point in catalogue.points
        for verdict in point.verdicts
        if verdict.outcome == "verified"
    ]
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def _restores(ledger: Callable[[], Ledger], source: str) -> list[_Known]:
    """Good restores of everything, oldest first."""
    try:
        rows = ledger().recent(source=source, kind="restore", limit=4 * _REMEMBERED)
    except OpsError:
        return []
    return [
        _Known(row.duration_s, row.meta["seconds"], row.meta["plain_bytes"])
        for row in reversed(rows)
        if row.meta.get("good") and not row.meta.get("only") and row.duration_s and "plain_bytes" in row.meta
        if isinstance(row.meta.get("seconds"), dict)
    ]
