"""`ops alerts`: what is open, who was told, and whether the channels work. Works when Dagster is gone."""

import getpass
import os
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Annotated

import typer

from ops_pipelines import text
from ops_pipelines.chronology import in_words
from ops_pipelines.cli import output
from ops_pipelines.cli.on_demand import Uncut
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.ledger.models import WAITING, Incident, Mute
from ops_pipelines.settings.values import parse_duration
from ops_pipelines.watch.alerts.channels.registry import NoSuchChannel, open_channel
from ops_pipelines.watch.alerts.delivery import deliver, send
from ops_pipelines.watch.alerts.message import trial
from ops_pipelines.watch.alerts.summary import put_now, since_of, summary_message
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.workspace import Workspace

alerts = typer.Typer(
    cls=Uncut,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Open incidents, and who was notified.",
)


class NothingMatches(OpsError):
    """What was named is not open, or not muted."""


@alerts.command("list")
@output.explained
def list_(config: output.ConfigOption = None, as_json: output.JsonOption = False) -> int:
    """Show open incidents, mutes, and how many messages wait in the outbox.

    Exit status: 0 nothing is open, 1 warnings, 2 something is broken or cannot be delivered. Example: ops alerts list
    """
    workspace = output.open_last_good(config)
    book, now = AlertLedger(workspace.ledger), workspace.clock.now()
    incidents, mutes, depth = book.open_incidents(), book.mutes(now), book.depth()
    waiting = [row for row in book.outbox() if row.status == WAITING]
    stuck = [row for row in waiting if row.error]
    worst = _status(incidents, bool(stuck))
    if as_json:
        output.print_json(
            {
                "ok": worst == output.FINE,
                "open": [_incident(row) for row in incidents],
                "mutes": [_mute(row) for row in mutes],
                "outbox": {"depth": depth, "last_error": stuck[0].error if stuck else None},
            }
        )
        return worst
    if incidents:
        output.print_table(
            ["incident", "severity", "source", "what", "since", "alert sent"],
            [_row(row, now, {each.incident_id for each in waiting}) for row in incidents],
        )
    else:
        output.say("no incident is open")
    for mute in mutes:
        output.say(
            "muted {} until {} UTC by {} {}",
            _scope(mute),
            f"{mute.ends_at:%Y-%m-%d %H:%M}",
            mute.created_by,
            mute.reason,
        )
    output.say("outbox: {} waiting{}", depth, f" ({stuck[0].error})" if stuck else "")
    return worst


@alerts.command("run")
@output.explained
def run(config: output.ConfigOption = None, as_json: output.JsonOption = False) -> int:
    """Evaluate every rule and deliver what there is to tell, once: for cron, where no Dagster runs.

    Exit status as of ops alerts list. In a crontab: * * * * * ops alerts run >/dev/null. Example: ops alerts run
    """
    workspace = output.open_last_good(config, keep=True)
    done = watch_once(workspace, within=timedelta(minutes=2))
    status = _status(AlertLedger(workspace.ledger).open_incidents(), bool(done.failed))
    if as_json:
        document = {"ok": status == output.FINE, "open": done.open_incidents, "depth": done.depth}
        output.print_json({**document, "sent": done.sent, "failed": done.failed})
        return status
    for subject, channel in done.sent:
        output.say("[green]✓[/] {}: {}", channel, subject)
    for subject, said in done.failed:
        output.warn("[bold red]✗[/] {}", f"{subject}: {said}")
    output.say("{} open, {} sent, {} waiting", done.open_incidents, len(done.sent), done.depth)
    return status


@alerts.command("test")
@output.explained
def test(
    channel: Annotated[str, typer.Option("--channel", help="Only this channel; default: all.")] = "",
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Send a message through every channel and say what came back.

    Exit status: 0 every channel took it, 2 one did not, or there is none. Example: ops alerts test --channel mail
    """
    workspace = output.open_last_good(config)
    channels = workspace.config.alerts.channels
    if not channels or (channel and channel not in channels):
        raise NoSuchChannel(
            f"no channel is called {channel!r}" if channel else "no channel is configured: no alert is sent",
            why=f"ops.yaml has: {', '.join(channels) or 'none'}",
            next="add alerts: {channels: {slack: {env: ALERT_SLACK_WEBHOOK}}} to ops.yaml",
        )
    results = [_tried(workspace, name) for name in channels if channel in ("", name)]
    worked = all(ok for _, ok, _ in results)
    if as_json:
        listed = [{"channel": name, "ok": ok, "answer": answer} for name, ok, answer in results]
        output.print_json({"ok": worked, "channels": listed})
    else:
        for name, ok, answer in results:
            output.say("{} {}: {}", output.mark(good=ok), name, answer)
    return output.FINE if worked else output.BROKEN


@alerts.command("digest")
@output.explained
def digest(
    show: Annotated[bool, typer.Option("--print", help="Print it; send nothing.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Send the digest now, beside those that come by themselves: what was proved, what was not, sizes, drills.

    It goes through the outbox: what no channel takes now is sent later. Exit status: 0 a channel took it, 2 none did.
    Example: ops alerts digest --print
    """
    workspace = output.open_last_good(config)
    settings, now = workspace.config.alerts, workspace.clock.now()
    if show:
        message = summary_message(workspace.config, workspace.ledger, since_of(workspace.config, now), now)
        output.write(text.lines(message.text) + "\n")
        return output.FINE
    if not settings.channels:
        raise NoSuchChannel("no channel is configured: nothing is sent", next="ops alerts digest --print")
    message = put_now(workspace.config, workspace.ledger, now)
    done = deliver(settings, workspace.clock, workspace.ledger, within=timedelta(minutes=2))
    taken = [channel for subject, channel in done.sent if subject == message.subject]
    said = next((said for subject, said in done.failed if subject == message.subject), "another process is sending it")
    if as_json:
        output.print_json({"ok": bool(taken), "subject": message.subject, "sent": taken})
    elif taken:
        output.say("[green]✓[/] {}: {}", taken[0], message.subject)
    else:
        output.warn("[bold red]✗[/] {}: {}; it waits in the outbox", message.subject, said)
    return output.FINE if taken else output.BROKEN


@alerts.command("ack")
@output.explained
def ack(
    what: Annotated[str, typer.Argument(metavar="INCIDENT|SOURCE", help="An incident's id, or a source.")],
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Stop the repeats of an incident until it ends or its severity changes. Example: ops alerts ack crm"""
    workspace = output.open_last_good(config)
    book = AlertLedger(workspace.ledger)
    meant = [row for row in book.open_incidents() if what in (row.id, row.source)]
    if not meant:
        raise NothingMatches(f"no open incident is called {what!r}, or is of a source {what!r}", next="ops alerts list")
    book.acknowledge([row.id for row in meant], by=_user(), at=workspace.clock.now())
    _report_done("acknowledged", [row.id for row in meant], as_json)
    return output.FINE


@alerts.command("mute")
@output.explained
def mute(
    source: Annotated[str, typer.Argument(metavar="[SOURCE]", help="Only this source; default: all.")] = "",
    length: Annotated[str, typer.Option("--for", help="How long: 30m, 4h, 2d.")] = "1h",
    rule: Annotated[str, typer.Option("--rule", help="Only this rule, as ops alerts list names it.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="For the others.")] = "",
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Tell nobody of new troubles for a while; what still holds afterwards is told then.

    Example: ops alerts mute crm --for 4h --reason "server moves"
    """
    workspace = output.open_last_good(config)
    if source:
        workspace.config.source(source)
    now = workspace.clock.now()
    row = AlertLedger(workspace.ledger).mute(
        source=source or None,
        rule=rule or None,
        until=now + _length(length),
        by=_user(),
        reason=reason,
        at=now,
    )
    if as_json:
        output.print_json({"ok": True, "mute": _mute(row)})
    else:
        output.say(
            "{} muted until {} UTC; to end it: ops alerts unmute {}",
            _scope(row),
            f"{row.ends_at:%Y-%m-%d %H:%M}",
            row.id,
        )
    return output.FINE


@alerts.command("unmute")
@output.explained
def unmute(
    what: Annotated[str, typer.Argument(metavar="MUTE|SOURCE|all", help="A mute's id, a source, or all.")],
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """End a mute now. Example: ops alerts unmute crm"""
    workspace = output.open_last_good(config)
    book, now = AlertLedger(workspace.ledger), workspace.clock.now()
    meant = [row.id for row in book.mutes(now) if what in (row.id, row.source, "all")]
    if not meant:
        raise NothingMatches(f"nothing is muted under {what!r}", next="ops alerts list")
    book.unmute(meant, at=now)
    _report_done("unmuted", meant, as_json)
    return output.FINE


def _tried(workspace: Workspace, name: str) -> tuple[str, bool, str]:
    try:
        channel = open_channel(name, workspace.config.alerts.channels[name])
        return name, True, send(channel, trial(workspace.clock.now(), name))
    except OpsError as error:
        return name, False, "; ".join(said for said in (error.what, error.why, error.next) if said)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"  # a container's user often has no name


def _length(given: str) -> timedelta:
    try:
        length = parse_duration(given)
    except ValueError as error:
        raise NothingMatches(f"--for {given!r}: {error}") from None
    assert isinstance(length, timedelta)
    return length


def _status(incidents: Sequence[Incident], stuck: bool) -> int:
    if stuck or any(row.severity != "warn" for row in incidents):
        return output.BROKEN
    return output.ATTENTION if incidents else output.FINE


def _report_done(done: str, identifiers: Sequence[str], as_json: bool) -> None:
    if as_json:
        output.print_json({"ok": True, done: identifiers})
    else:
        output.say("{}: {}", done, ", ".join(identifiers))


def _row(row: Incident, now: datetime, waiting: Collection[str]) -> list[str]:
    alerted = f"{in_words(row.told_at, now)} ago" if row.told_at is not None else "nobody"
    alerted = "not yet delivered" if row.id in waiting else alerted
    acked = f", acknowledged by {row.acked_by}" if row.acked_at is not None else ""
    return [
        row.id,
        output.coloured(row.severity),
        row.source or f"store {row.store}",
        f"{row.told('title')} ({row.rule}): {row.told('cause')}",
        in_words(row.opened_at, now),
        f"{alerted}{acked}",
    ]


def _scope(mute: Mute) -> str:
    return f"{mute.source or 'everything'}{f' ({mute.rule})' if mute.rule else ''}"


def _incident(row: Incident) -> dict[str, object]:
    return {
        "id": row.id, "rule": row.rule, "source": row.source, "store": row.store, "severity": row.severity,
        "title": row.told("title"), "cause": row.told("cause"), "next": row.told("next"),
        "opened_at": row.opened_at, "told_at": row.told_at, "acked_at": row.acked_at, "acked_by": row.acked_by,
    }  # fmt: skip


def _mute(row: Mute) -> dict[str, object]:
    return {
        "id": row.id, "source": row.source, "rule": row.rule, "ends_at": row.ends_at, "by": row.created_by,
        "reason": row.reason,
    }  # fmt: skip
