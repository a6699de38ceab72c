"""Is this backup of a size that one would expect? Attention, never a verdict: data may well shrink or grow."""

from collections.abc import Callable, Sequence
from itertools import takewhile
from statistics import median

from ops_pipelines.clock import human_size
from ops_pipelines.settings.common import Verification
from ops_pipelines.vault.catalogue import Catalogue
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.verdict import Check

_COMPARED = 7


def drift(manifest: Manifest, catalogue: Catalogue, settings: Verification) -> list[Check]:
    """Size and rows against the median of the last verified restore points before it; none before there are any.

    Args:
        catalogue: the source's restore points.
        settings: how much smaller or larger is still unremarkable.
    """
    earlier = takewhile(lambda point: point.id != manifest.id, catalogue.points)
    before = [point.manifest for point in earlier if point.verified and not point.safety][-_COMPARED:]
    if not before:
        return []
    checks = [_check("size drift", manifest.plain_bytes, [each.plain_bytes for each in before], settings, human_size)]
    counted = [each.contents.rows for each in before if each.contents.level != "off"]
    if counted and manifest.contents.level != "off":
        checks.append(_check("row drift", manifest.contents.rows, counted, settings, "{:,.0f}".format))
    return checks


def _check(name: str, now: int, before: Sequence[int], settings: Verification, say: Callable[[float], str]) -> Check:
    usual = median(before)
    change = (now - usual) / usual * 100 if usual else (0.0 if not now else 100.0)
    detail = f"{say(now)}, {change:+.0f} % against {say(usual)}, the median of the last {len(before)} verified"
    return Check(
        name=name, passed=-settings.shrink_percent <= change <= settings.grow_percent, detail=detail, attention=True
    )
