"""`ops history`: how a source's backups went, day by day. Reads the ledger alone: no store is asked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Annotated

import typer

from ops_pipelines.cli import output, strips
from ops_pipelines.cli.encoding import is_unicode
from ops_pipelines.cli.output import Markup, markup
from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.engines.source import Source
from ops_pipelines.watch import history
from ops_pipelines.watch.kept import Kept
from ops_pipelines.watch.snapshots import Seen, snapshots
from ops_pipelines.workspace import Workspace

_BREACHES = 3
_NEWEST = 10_000


@dataclass(frozen=True)
class _Past:
    """What is told of one source."""

    name: str
    source: Source
    state: str
    cause: str
    days: Sequence[history.Day]
    points: Sequence[history.Made]
    kept: Kept | None

    @property
    def sizes(self) -> dict[date, float]:
        """Bytes of each day's last restore point."""
        return {_day(each.started_at): each.size_bytes for each in reversed(self.points)}

    @property
    def dumps(self) -> dict[date, float]:
        """Seconds that each day's last dump took."""
        return {_day(each.started_at): each.duration_s for each in reversed(self.points) if not each.adopted}

    @property
    def restores(self) -> dict[date, float]:
        """Seconds that each day's last good proof took."""
        good = [each for point in self.points for each in point.provings if each.outcome == "verified"]
        return {_day(each.at): each.took_s for each in sorted(good, key=lambda each: each.at)}


@output.explained
def history_(
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Default: all.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How many days, with today.")] = 30,
    newest: Annotated[int, typer.Option("--newest", min=0, help="How many restore points to list.")] = 5,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Show how backups went day by day: a sign for each day, sizes and times as small bars, the newest restore points.

    Days are in UTC. Read from the ledger: no store is asked. Example: ops history crm --days 60
    """
    workspace = output.open_last_good(config)
    found = _look(workspace, sources or list(workspace.config.sources), days)
    if as_json:
        output.print_json({"sources": [_document(each, newest) for each in found]})
        return output.FINE
    for past in found:
        _show(past, newest)
    output.say("{}", strips.legend([day for past in found for day in past.days], unicode=is_unicode()))
    return output.FINE


def _look(workspace: Workspace, names: Sequence[str], days: int) -> list[_Past]:
    now, config = workspace.clock.now(), workspace.config
    known = {name: config.source(name) for name in names}
    with workspace.ledger.session() as session:
        marked = history.strips(session, names, now, days)
        seen = {each.source: each.judged(now, config.web.stale_after) for each in snapshots(session, names, Seen)}
        found = []
        for name, source in known.items():
            points = history.restore_points(session, name, newest=_NEWEST, gone=True)
            first = marked[name][0].day
            kept = history.kept_since(session, name, points, first, now, source.rpo)
            shown = [each for each in points if _day(each.started_at) >= first]
            state, cause, _next = seen[name]
            found.append(_Past(name, source, state, cause, marked[name], shown, kept))
    return found


def _show(past: _Past, newest: int) -> None:
    unicode, rto_s = is_unicode(), past.source.rto.total_seconds()
    output.say("[bold]{}[/]  {}  {}", past.name, output.coloured(past.state), past.cause)
    for days in strips.rows_of(past.days):
        signs = strips.days_text(days, unicode=unicode)
        output.say("  {} {} {}", days[0].day, signs, days[-1].day)
        for label, values, shown, most in (
            ("size", past.sizes, human_size, None),
            ("dump took", past.dumps, _seconds, None),
            ("proof took", past.restores, _seconds, rto_s),
        ):
            here = {day.day: values[day.day] for day in days if day.day in values}
            if here:
                bars = strips.bars_text(days, values, unicode=unicode, most=most)
                output.say("  {} {} {}", f"{label:<10}", bars, _range(here, shown))
    for line in _promise(past.kept):
        output.say("  {}", line)
    if past.points and newest:
        rows = [_row(each) for each in past.points[:newest]]
        output.print_table(["  restore point", "size", "dump took", "proof took", "stores", "proof"], rows)
    output.say("")


def _range(values: Mapping[date, float], shown: Callable[[float], str]) -> str:
    low, high, last = min(values.values()), max(values.values()), list(values.values())[-1]
    return shown(last) if low == high else f"{shown(low)} to {shown(high)}, last {shown(last)}"


def _promise(kept: Kept | None) -> Iterator[Markup]:
    """How the RPO was kept, and the last breaches."""
    if kept is None:
        return
    colour = "yellow" if kept.breaches else "green"
    yield markup(f"RPO of {{}}: [{colour}]kept {{}}[/] of the time", human_duration(kept.rpo), f"{kept.share:.1%}")
    for each in kept.breaches[-_BREACHES:]:
        until = "now" if each.lasts else f"{each.end:%Y-%m-%d %H:%M} UTC"
        age = f"the recovery point was up to {human_duration(each.oldest)} old" if each.oldest else "there was none"
        yield markup("  not from {} UTC to {}: {}", f"{each.begin:%Y-%m-%d %H:%M}", until, age)


def _row(point: history.Made) -> list[str]:
    words = point.verdict.words if point.verdict is not None else "not verified yet"
    colour = {"verified": "green", "bad": "red"}.get(words, "yellow")
    return [
        f"  {point.id}",
        human_size(point.size_bytes),
        _seconds(point.duration_s),
        _seconds(point.restore_s) if point.restore_s is not None else "–",
        ", ".join(sorted(point.stores)) or "removed",
        markup(f"[{colour}]{{}}[/]", words),
    ]


def _document(past: _Past, newest: int) -> dict[str, object]:
    kept = past.kept
    return {
        "source": past.name,
        "state": past.state,
        "cause": past.cause,
        "days": [
            {
                "day": str(day.day),
                "mark": day.mark,
                "ended": [
                    {"kind": kind, "outcome": outcome, "attempts": attempts}
                    for (kind, outcome), attempts in sorted(day.counts.items())
                ],
            }
            for day in past.days
        ],
        "rpo_s": past.source.rpo.total_seconds(),
        "rpo_kept": kept.share if kept is not None else None,
        "rpo_breaches": [
            {"from": each.begin.isoformat(), "to": None if each.lasts else each.end.isoformat()}
            for each in (kept.breaches if kept is not None else ())
        ],
        "restore_points": [_point(each) for each in past.points[:newest]],
    }


def _point(point: history.Made) -> dict[str, object]:
    verdict = point.verdict
    return {
        "id": point.id,
        "started_at": point.started_at.isoformat(),
        "dump_s": point.duration_s,
        "size_bytes": point.size_bytes,
        "rows": point.rows,
        "stores": sorted(point.stores),
        "proof": verdict.words if verdict is not None else None,
        "proof_s": point.restore_s,
    }


def _seconds(seconds: float) -> str:
    return human_duration(timedelta(seconds=seconds))


def _day(at: datetime) -> date:
    return at.astimezone(timezone.utc).date()
