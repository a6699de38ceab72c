"""From the outbox to a human: the first channel that takes the message, else the next, else later. Decides no alarm.

Every step can be killed. A message leaves the outbox when a channel has accepted it and that is committed, so it is
sent at least once, and twice only when the process dies exactly between the two. No transaction is open while a channel
is waited for: whoever writes the ledger meanwhile, a backup above all, does not notice.

A channel that cannot be reached is left out for the rest of the round: it costs its time limit once, not once for each
message. What nobody took waits twice as long each time, up to a quarter of an hour, and is due at once when any message
gets through. `resolved` goes to every channel that took a message of its incident, and to no other.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from ops_pipelines.config.alerts import Alerts
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.ledger.models import Outgoing
from ops_pipelines.redact import redact
from ops_pipelines.watch.alerts.channels.base import Channel, NotDelivered
from ops_pipelines.watch.alerts.channels.registry import open_channel
from ops_pipelines.watch.alerts.message import Message
from ops_pipelines.workspace import Workspace

_PAUSES_S = (0.5, 1.0)
_PATIENCE_S = 5.0
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=15)


@dataclass
class Delivered:
    """What became of a round.

    Attributes:
        sent: subjects of what was delivered, with the channels that took it.
        failed: subjects of what nobody took, with what the channels said.
    """

    sent: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def deliver(workspace: Workspace, *, within: timedelta) -> Delivered:
    """Send what is due.

    Args:
        within: no message is begun after this time; what is left is sent the next time.
    Raises:
        LedgerError: what was sent cannot be recorded; it will be sent again.
    """
    return _Round(workspace, time.monotonic() + within.total_seconds()).run()


def send(channel: Channel, message: Message, *, sleep: Callable[[float], None] = time.sleep) -> str:
    """Send a message through one channel, with a few tries where that may help. Returns what came back.

    Raises:
        NotDelivered: it did not take it, or wants us to wait for longer than a few seconds.
    """
    for pause_s in _PAUSES_S:
        try:
            return channel.send(message)
        except NotDelivered as error:
            wait_s = max(pause_s, error.retry_after_s or 0.0)
            if not error.again or wait_s > _PATIENCE_S:
                raise
            sleep(wait_s)
    return channel.send(message)


def send_at_once(settings: Alerts, message: Message) -> str | None:
    """Send what cannot be put into an outbox; returns the channel that took it, or None."""
    for name in settings.route_of(message.severity):
        with suppress(OpsError):
            send(open_channel(name, settings.channels[name]), message)
            return name
    return None


class _Round:
    """One round through the outbox: the channels it has opened, and those that turned out to be dead."""

    def __init__(self, workspace: Workspace, deadline: float) -> None:
        self._settings: Alerts = workspace.config.alerts
        self._clock, self._deadline = workspace.clock, deadline
        self._alerts = AlertLedger(workspace.ledger)
        self._channels: dict[str, Channel] = {}
        self._dead: dict[str, NotDelivered] = {}
        self._done = Delivered()

    def run(self) -> Delivered:
        # What follows in an incident becomes due when what was before it is through.
        while rows := self._alerts.due(self._clock.now()):
            claimed = 0
            for row in rows:
                if time.monotonic() >= self._deadline:
                    return self._done
                if self._alerts.claim(row, self._clock.now()):
                    claimed += 1
                    self._handle(row)
            if not claimed:
                break
        return self._done

    def _handle(self, row: Outgoing) -> None:
        message = Message.model_validate(row.message)
        if message.event == "resolved":
            told = self._alerts.told(row.incident_id)
            targets = [name for name in told if name in self._settings.channels and name not in row.accepted]
            if not targets:
                self._alerts.drop(row.id, why=f"nobody who was told can be reached: {', '.join(told) or 'no channel'}")
                return
            self._to_all(row, message, targets)
        else:
            self._to_first(row, message, self._settings.route_of(message.severity))

    def _to_first(self, row: Outgoing, message: Message, route: Sequence[str]) -> None:
        refusals = []
        for name in route:
            try:
                self._through(name, message)
            except NotDelivered as error:
                refusals.append((name, error))
            else:
                self._alerts.delivered(row.id, name, at=self._clock.now())
                self._done.sent.append((message.subject, name))
                return
        self._put_back(row, message, refusals)

    def _to_all(self, row: Outgoing, message: Message, targets: Sequence[str]) -> None:
        refusals = []
        for index, name in enumerate(targets):
            try:
                self._through(name, message)
            except NotDelivered as error:
                refusals.append((name, error))
                continue
            if index == len(targets) - 1 and not refusals:
                self._alerts.delivered(row.id, name, at=self._clock.now())
            else:
                self._alerts.accepted(row.id, name)
            self._done.sent.append((message.subject, name))
        if refusals:
            self._put_back(row, message, refusals)

    def _through(self, name: str, message: Message) -> None:
        if name in self._dead:
            raise self._dead[name]
        try:
            send(self._opened(name), message)
        except NotDelivered as error:
            self._dead[name] = error
            raise

    def _opened(self, name: str) -> Channel:
        """A channel, its secret looked up now."""
        if name not in self._channels:
            try:
                self._channels[name] = open_channel(name, self._settings.channels[name])
            except OpsError as error:
                # Whatever is wrong with it, the next one is tried.
                raise NotDelivered(f"{error.what}: {error.why}" if error.why else error.what, again=False) from None
        return self._channels[name]

    def _put_back(self, row: Outgoing, message: Message, refusals: Sequence[tuple[str, NotDelivered]]) -> None:
        said = redact("; ".join(f"{name}: {error.what}" for name, error in refusals)) or "no channel is configured"
        asked = max((error.retry_after_s or 0.0 for _, error in refusals), default=0.0)
        wait = min(_FIRST_WAIT * 2 ** min(row.attempts, 10), _LONGEST_WAIT)
        wait = max(wait, min(timedelta(seconds=asked), _LONGEST_WAIT))
        self._alerts.put_back(row.id, error=said, next_try_at=self._clock.now() + wait)
        self._done.failed.append((message.subject, said))
