"""What a restore point and a verdict are called apart from their time: numbers that only grow."""

from collections.abc import Mapping

from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.numbers import last_number, next_number
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint, read_catalogue
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.registry import LOCAL
from ops_pipelines.vault.trust import Known

POINT, VERDICT = "point", "verdict"


def next_point(ledger: Ledger, stores: Mapping[str, Store], name: str, known: Known) -> tuple[int, str | None]:
    """The number of the next restore point of a source, and the digest of the one before it.

    Call it under the source's lock. A number that a signed restore point has is never given again, even when the ledger
    was lost or is older than what lies in the stores.

    Args:
        known: of the source.
    Raises:
        LedgerError: the number cannot be given.
    """
    lost = last_number(ledger, name, POINT) == 0
    catalogue = read_catalogue(stores if lost else {LOCAL: stores[LOCAL]}, name)
    number = next_number(ledger, name, POINT, above=highest(catalogue)[POINT])
    earlier = [(each.number or 0, each.sha256) for each in (known or {}).values()]
    earlier += [(_number(point), point.sha256) for point in catalogue.points]
    return number, max(earlier)[1] if earlier else None


def next_verdict(ledger: Ledger, stores: Mapping[str, Store], name: str) -> int:
    """The number of the next verdict on a restore point of a source. Raises LedgerError."""
    lost = last_number(ledger, name, VERDICT) == 0
    catalogue = read_catalogue(stores if lost else {LOCAL: stores[LOCAL]}, name)
    return next_number(ledger, name, VERDICT, above=highest(catalogue)[VERDICT])


def highest(catalogue: Catalogue) -> Mapping[str, int]:
    """The highest numbers that signed things in a catalogue have, by series; 0 where there are none."""
    verdicts = (verdict.number for point in catalogue.points for verdict in point.verdicts)
    return {POINT: max(map(_number, catalogue.points), default=0), VERDICT: max(verdicts, default=0)}


def _number(point: RestorePoint) -> int:
    return point.manifest.number or 0
