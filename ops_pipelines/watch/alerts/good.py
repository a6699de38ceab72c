"""What a disaster would go back to, for messages about conditions that were found without a look into the stores."""

from collections.abc import Sequence
from dataclasses import replace

from ops_pipelines.config.models import Config
from ops_pipelines.language.said import said
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.watch.alerts.conditions import Condition, GoodPoint, Look
from ops_pipelines.watch.snapshots import Seen, snapshots

_UNSEEN = GoodPoint("", None, said("not known yet: the stores were never looked at"))


def with_good(config: Config, ledger: Ledger, look: Look) -> Look:
    """The same, where each condition about a source names its last good restore point. Raises LedgerError."""
    names = {each.source for each in look.conditions if each.good is None} & set(config.sources)
    if not names:
        return look
    with ledger.session() as session:
        seen = {each.source: each.seen for each in snapshots(session, sorted(names), Seen)}
    return replace(look, conditions=_filled(look.conditions, {name: _good(seen[name]) for name in names}))


def _filled(conditions: Sequence[Condition], good: dict[str, GoodPoint | None]) -> list[Condition]:
    return [replace(each, good=each.good or good.get(each.source)) for each in conditions]


def _good(seen: Seen | None) -> GoodPoint | None:
    if seen is None:
        return _UNSEEN
    if seen.recovery_point is None:
        return None
    return GoodPoint(seen.recovery_point, seen.recovery_point_at, seen.proof.words if seen.proof is not None else "")
