"""The backup report as one page of HTML: on a screen, on a phone, on paper. It needs nothing beside itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from ops_pipelines.config.models import Config
from ops_pipelines.errors import OpsError
from ops_pipelines.language.said import said
from ops_pipelines.language.speech import ENGLISH, Language
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.watch.charts import Tone
from ops_pipelines.watch.drawn import MARKS, Drawing, drawings, rpo_gauge, strip_of
from ops_pipelines.watch.health import SourceHealth
from ops_pipelines.watch.history import Day, kept_since, restore_points, strips
from ops_pipelines.watch.html import document
from ops_pipelines.watch.kept import Kept
from ops_pipelines.watch.words import headline, remarks

_SHOWN, _BREACHES = 7, 5


@dataclass(frozen=True)
class _Past:
    """What the ledger tells of a source."""

    days: Sequence[Day]
    drawings: Sequence[Drawing]
    kept: Kept | None


@dataclass(frozen=True)
class _Section:
    """One source, as the template shows it."""

    health: SourceHealth
    age: str
    gauge: Markup
    rto: timedelta
    days: Sequence[Day]
    strip: Markup
    legend: Sequence[tuple[Tone, str]]
    kept: Kept | None
    drawings: Sequence[Drawing]
    remarks: Sequence[str]
    points: Sequence[RestorePoint]


def report_page(
    config: Config,
    found: Sequence[SourceHealth],
    catalogues: Callable[[str], Catalogue],
    ledger: Callable[[], Ledger],
    now: datetime,
    spoken: Language = ENGLISH,
) -> str:
    """The report on every source, as HTML.

    Args:
        found: how they are.
        catalogues: what the stores hold of a source.
        ledger: opens it; without it the report has no past.
        spoken: its language.
    """
    pasts = _pasts(config, ledger, now, spoken)
    verdict, colour = headline(found)
    return document(
        "report.html",
        now,
        spoken=spoken,
        verdict=verdict,
        verdict_tone=colour,
        ledger=pasts is not None,
        longest=_BREACHES,
        sources=[
            _section(config, each, catalogues(each.source), (pasts or {}).get(each.source), spoken) for each in found
        ],
    )


def _pasts(config: Config, ledger: Callable[[], Ledger], now: datetime, spoken: Language) -> Mapping[str, _Past] | None:
    """What the ledger tells, by source; None when it cannot be read."""
    found = {}
    try:
        with ledger().session() as session:
            days = strips(session, config.sources, now)
            for name, source in config.sources.items():
                points = restore_points(session, name, gone=True)
                kept = kept_since(session, name, points, days[name][0].day, now, source.rpo)
                found[name] = _Past(days[name], drawings(points, source.rto, spoken), kept)
    except OpsError:
        return None
    return found


def _section(
    config: Config, health: SourceHealth, catalogue: Catalogue, past: _Past | None, spoken: Language
) -> _Section:
    days = past.days if past is not None else ()
    seen = {day.mark for day in days}
    unknown = said("its age is not known") if health.recovery_point else said("never backed up and verified")
    return _Section(
        health=health,
        age=spoken.span(health.age) if health.age is not None else unknown,
        gauge=rpo_gauge(health.age, health.rpo, health.warn_after, spoken),
        rto=config.sources[health.source].rto,
        days=days,
        strip=strip_of(health.source, days, spoken) if days else Markup(""),
        legend=[each for mark, each in MARKS.items() if mark in seen],
        kept=past.kept if past is not None else None,
        drawings=past.drawings if past is not None else (),
        remarks=remarks(health),
        points=list(reversed(catalogue.points[-_SHOWN:])),
    )
