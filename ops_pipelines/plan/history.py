"""What a backup of a source will take: medians of the last ones, by the ledger and the manifests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from ops_pipelines.engines.source import Source
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import SUCCEEDED
from ops_pipelines.vault.catalogue import Catalogue

_REMEMBERED = 10
_LOOKED_AT = 100


@dataclass(frozen=True)
class Expected:
    """One backup of a source, as the last ones went.

    Attributes:
        seconds: of the dump, of the copy to each store and of the verification; only those that are known.
        size_bytes: of one copy as it is stored; None when there was none. Of folders only the parts: what restic adds
            for changed files is not known before.
        plain_bytes: what a verification restores.
    """

    seconds: dict[str, float]
    size_bytes: int | None
    plain_bytes: int | None

    @property
    def took(self) -> timedelta | None:
        """Everything together; None when nothing is known."""
        return timedelta(seconds=sum(self.seconds.values())) if self.seconds else None


def expected(name: str, source: Source, catalogue: Catalogue, ledger: Callable[[], Ledger]) -> Expected:
    """The medians of a source's last backups.

    Args:
        ledger: opens it; one that is gone knows no times.
    """
    points = [point.manifest for point in catalogue.points if not point.safety][-_REMEMBERED:]
    phases: dict[str, tuple[str, str | None]] = {"dump": ("dump", None), "verify": ("verify", None)}
    phases |= {f"copy {store}": ("copy", store) for store in source.copies}
    seconds = {}
    for phase, (kind, store) in phases.items():
        if took := _took(ledger, name, kind, store):
            seconds[phase] = round(median(took), 3)
    return Expected(
        seconds,
        int(median(each.size_bytes for each in points)) if points else None,
        int(median(each.plain_bytes for each in points)) if points else None,
    )


def _took(ledger: Callable[[], Ledger], name: str, kind: str, store: str | None) -> Sequence[float]:
    try:
        rows = ledger().recent(source=name, kind=kind, limit=_LOOKED_AT)
    except OpsError:
        return ()
    ended = (row for row in rows if row.status == SUCCEEDED and row.duration_s is not None)
    mine = [row.duration_s for row in ended if store is None or row.store == store]
    return [took for took in mine if took is not None][:_REMEMBERED]
