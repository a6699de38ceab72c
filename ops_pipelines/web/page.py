"""The status page: one look at three in the morning says what is wrong and what to type."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ops_pipelines import __version__, text
from ops_pipelines.chronology import in_words
from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.config.models import Config
from ops_pipelines.ledger.models import Incident
from ops_pipelines.proof import VERIFIED
from ops_pipelines.redact import redact
from ops_pipelines.watch.situations import State
from ops_pipelines.watch.snapshots import SeenWhole, Snapshot, snapshots
from ops_pipelines.workspace import Workspace

REFRESH_S = 30
_URGENCY: Mapping[State, int] = {"FAIL": 0, "NEVER": 1, "OVERDUE": 2, "UNKNOWN": 3, "STALE": 4, "WEAK": 5, "OK": 6}
_COLOUR: Mapping[str, str] = {
    "OK": "good",
    "WEAK": "warn",
    "STALE": "warn",
    "UNKNOWN": "warn",
    VERIFIED: "good",
    "inconclusive": "warn",
}


@dataclass(frozen=True)
class _Line:
    """One source, as the template shows it."""

    name: str
    kind: str
    state: State
    cause: str
    next: str
    at: datetime | None
    rpo: timedelta
    seen: SeenWhole | None
    link: str | None

    @property
    def partly(self) -> bool:
        """Whether its proof is no whole one: it must not look like one."""
        return self.seen is not None and self.seen.proof is not None and not self.seen.proof.whole


def status_page(workspace: Workspace) -> str:
    """The page as HTML. Raises LedgerError."""
    config, now = workspace.config, workspace.clock.now()
    with workspace.ledger.session() as session:
        found = snapshots(session, config.sources, SeenWhole)
        incidents = session.query(Incident).filter(Incident.open_key.is_not(None)).order_by(Incident.opened_at).all()
        session.expunge_all()
    lines = sorted((_line(workspace.config, each, now) for each in found), key=lambda line: _URGENCY[line.state])
    looked = [each.at for each in found if each.at is not None]
    return (
        _environment(now)
        .get_template("status.html")
        .render(
            lines=lines,
            broken=[line for line in lines if _URGENCY[line.state] < _URGENCY["UNKNOWN"]],
            unsure=[line for line in lines if line.state in ("UNKNOWN", "STALE", "WEAK")],
            partly=[line for line in lines if line.partly],
            incidents=incidents,
            now=now,
            looked_at=min(looked, default=None),
            dagster_url=config.alerts.dagster_url,
            refresh_s=REFRESH_S,
            version=__version__,
        )
    )


def _line(config: Config, snapshot: Snapshot[SeenWhole], now: datetime) -> _Line:
    source, ui = config.sources[snapshot.source], config.alerts.dagster_url
    state, cause, advice = snapshot.judged(now, config.web.stale_after)
    link = f"{ui.rstrip('/')}/locations/ops_pipelines/asset-groups/{snapshot.source}/lineage" if ui else None
    name, kind, seen = snapshot.source, source.kind, snapshot.seen
    return _Line(name, kind, state, cause, advice, snapshot.at, source.rpo, seen, link)


def _environment(now: datetime) -> Environment:
    def shown(value: Any) -> Any:
        # Whatever ends up on the page passes here, before it is escaped.
        return text.lines(redact(value)) if type(value) is str else value

    def ago(at: datetime | None) -> str:
        return in_words(at, now) if at is not None else "never"

    def moment(at: datetime | None) -> str:
        return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else "never"

    environment = Environment(
        loader=PackageLoader("ops_pipelines.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    seconds = lambda value: human_duration(timedelta(seconds=value))  # noqa: E731
    environment.filters.update(ago=ago, moment=moment, size=human_size, span=human_duration, seconds=seconds)
    environment.filters["colour"] = lambda word: _COLOUR.get(word, "bad")
    # A proof that compared less than everything is good news, but never in the colour of one that compared all.
    environment.filters["proof"] = lambda verdict: _COLOUR.get(
        verdict.words or verdict.outcome, "warn" if verdict.outcome == "verified" else "bad"
    )
    return environment
