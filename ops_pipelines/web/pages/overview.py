"""The first page: one look at three in the morning says what is wrong, what is safe and what to type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from ops_pipelines.config.cadence import next_tick
from ops_pipelines.config.models import Config
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.watch.drawn import MARKS, strip_of
from ops_pipelines.watch.history import strips
from ops_pipelines.watch.snapshots import Seen, snapshots
from ops_pipelines.web.pages.environment import Visit, render
from ops_pipelines.web.pages.lines import URGENCY, Line, line_of
from ops_pipelines.workspace import Workspace

PER_PAGE = 25
_UNSURE = ("UNKNOWN", "STALE", "WEAK")
_NEXT = 3


@dataclass(frozen=True)
class Summary:
    """All sources in one sentence.

    Attributes:
        oldest: the age of the oldest recovery point, against what is allowed it.
    """

    lines: Sequence[Line]
    broken: Sequence[Line]
    unsure: Sequence[Line]
    partly: Sequence[Line]
    oldest: Line | None


def summary_of(lines: Sequence[Line]) -> Summary:
    """All sources in one sentence. The oldest is the one that has used up most of its RPO."""
    aged = [line for line in lines if line.age is not None]
    return Summary(
        lines=lines,
        broken=[line for line in lines if URGENCY[line.state] < URGENCY["UNKNOWN"]],
        unsure=[line for line in lines if line.state in _UNSURE],
        partly=[line for line in lines if line.partly],
        oldest=max(aged, key=lambda line: (line.age or timedelta()) / line.rpo, default=None),
    )


def overview(workspace: Workspace, visit: Visit) -> str:
    """The page as HTML.

    Args:
        visit: asks for `q`, a part of a name or a kind; `state`; `page`, counted from 1.
    Raises:
        LedgerError.
    """
    config, now = workspace.config, workspace.clock.now()
    with workspace.ledger.session() as session:
        found = snapshots(session, config.sources, Seen)
        lines = sorted((line_of(config, each, now) for each in found), key=lambda line: URGENCY[line.state])
        shown = _asked_for(lines, visit.asked)
        page, pages = _page(visit.asked, len(shown))
        part = shown[(page - 1) * PER_PAGE : page * PER_PAGE]
        days = strips(session, [line.name for line in part], now)
    looked = [each.at for each in found if each.at is not None]
    return render(
        visit,
        "overview.html",
        now,
        here="/",
        summary=summary_of(lines),
        lines=part,
        strips={name: strip_of(name, each, visit.spoken) for name, each in days.items()},
        matching=len(shown),
        states=[state for state in URGENCY if any(line.state == state for line in lines)],
        page=page,
        pages=pages,
        link=lambda number: "/?" + urlencode({**visit.asked, "page": number}),
        incidents=AlertLedger(workspace.ledger).open_incidents(),
        looked_at=min(looked, default=None),
        upcoming=_upcoming(config, now),
        legend=MARKS,
    )


def _asked_for(lines: Sequence[Line], asked: Mapping[str, str]) -> list[Line]:
    words, state = asked.get("q", "").strip().lower(), asked.get("state", "")
    return [line for line in lines if (not words or words in f"{line.name} {line.kind}") and state in ("", line.state)]


def _page(asked: Mapping[str, str], count: int) -> tuple[int, int]:
    pages = max(1, -(-count // PER_PAGE))
    given = asked.get("page", "1")
    return (min(max(1, int(given)), pages) if given.isdecimal() and len(given) < 7 else 1), pages


def _upcoming(config: Config, now: datetime) -> list[tuple[datetime, list[str]]]:
    """The next moments at which schedules start backups, with the sources of each."""
    moments: dict[datetime, list[str]] = {}
    for cron in {source.every for source in config.sources.values()}:
        at = next_tick(cron, config.timezone, now)
        moments.setdefault(at, []).extend(name for name, source in config.sources.items() if source.every == cron)
    return sorted(moments.items())[:_NEXT]
