"""A source's past in Markdown, for Dagster's UI: its days as squares, sizes and restore times as small bars."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from ops_pipelines.config.models import Config
from ops_pipelines.language.said import said
from ops_pipelines.language.speech import Language, language
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.watch.charts import Tone, sparkline
from ops_pipelines.watch.drawn import MARKS
from ops_pipelines.watch.history import Day, restore_points, strips

_SQUARES: Mapping[Tone, str] = {"good": "🟩", "warn": "🟨", "bad": "🟥", "none": "⬜"}
_NEWEST = 30


def past(config: Config, ledger: Ledger, source: str, now: datetime) -> str:
    """Thirty days, and how size and restore time develop, in the language of `ops.yaml`.

    Raises:
        LedgerError: the past is not known.
    """
    spoken = language(config.language)
    with ledger.session() as session:
        days = strips(session, [source], now)[source]
        points = restore_points(session, source, newest=_NEWEST, gone=True)[::-1]
    restores = [proof.took_s for each in points for proof in each.provings if proof.outcome == "verified"]
    allowed = spoken.tell(said("{rto} is allowed", rto=config.sources[source].rto))
    return "\n\n".join(
        [
            *_days(days, spoken),
            *_bars(spoken.tell(said("size of a backup")), [each.size_bytes for each in points], spoken.size),
            *_bars(
                spoken.tell(said("time that a restore and its comparison took")),
                restores,
                spoken.seconds,
                f", {allowed}",
            ),
        ]
    )


def _days(days: Sequence[Day], spoken: Language) -> Sequence[str]:
    good = sum(day.mark == "verified" for day in days)
    told = said("a backup was restored and compared on {count} of {days} days", count=good, days=len(days))
    span = f"{spoken.day(days[0].day)} – {spoken.day(days[-1].day)}"
    return ["".join(_SQUARES[MARKS[day.mark][0]] for day in days), f"{span}: {spoken.tell(told)}"]


def _bars(what: str, values: Sequence[float], shown: Callable[[float], str], more: str = "") -> Sequence[str]:
    if len(values) < 2:  # one is no development
        return []
    return [f"{what}: `{''.join(sparkline(values))}` {shown(values[0])} → {shown(values[-1])}{more}"]
