"""From the outbox to a human: the first channel that takes the message, else the next, else later. Decides no alarm.

Every step can be killed. A message leaves the outbox when a channel has accepted it and that is committed, so it is
sent at least once, and twice only when the process dies exactly between the two. No transaction is open while a channel
is waited for: whoever writes the ledger meanwhile, a backup above all, does not notice.

A channel that cannot be reached is left out for the rest of the round: it costs its time limit once, not once for each
message. What no channel accepted waits twice as long each time, up to a quarter of an hour, and is due at once when any
message gets through. `resolved` goes to every channel that accepted a message of its incident, and to no other. When
more messages than `alerts.digest_above` are due at once and go the same way, they go as one that lists them.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from ops_pipelines.clock import Clock
from ops_pipelines.config.alerts import Alerts
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.alerts import SUMMARY, AlertLedger
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import Outgoing
from ops_pipelines.redact import redact
from ops_pipelines.watch.alerts.channels.base import Channel, NotDelivered
from ops_pipelines.watch.alerts.channels.registry import open_channel
from ops_pipelines.watch.alerts.message import Message, digest

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


def deliver(settings: Alerts, clock: Clock, ledger: Ledger, *, within: timedelta) -> Delivered:
    """Send what is due.

    Args:
        within: no message is begun after this time; what is left is sent the next time.
    Raises:
        LedgerError: what was sent cannot be recorded; it will be sent again.
    """
    return _Round(settings, clock, ledger, time.monotonic() + within.total_seconds()).run()


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

    def __init__(self, settings: Alerts, clock: Clock, ledger: Ledger, deadline: float) -> None:
        self._settings, self._clock, self._deadline = settings, clock, deadline
        self._alerts = AlertLedger(ledger)
        self._channels: dict[str, Channel] = {}
        self._dead: dict[str, NotDelivered] = {}
        self._done = Delivered()

    def run(self) -> Delivered:
        # What follows in an incident becomes due when what was before it is through.
        while rows := self._alerts.due(self._clock.now()):
            claimed = 0
            for group in self._groups(rows):
                if time.monotonic() >= self._deadline:
                    return self._done
                if mine := [row for row in group if self._alerts.claim(row, self._clock.now())]:
                    claimed += len(mine)
                    self._handle(mine)
            if not claimed:
                break
        return self._done

    def _groups(self, rows: Sequence[Outgoing]) -> list[list[Outgoing]]:
        """Messages that go the same way, together where they are many: a storm is one message."""
        together: dict[tuple[bool, tuple[str, ...]], list[Outgoing]] = {}
        groups = []
        for row in rows:
            if row.event == SUMMARY:
                groups.append([row])
            else:
                together.setdefault((row.event == "resolved", tuple(self._way(row))), []).append(row)
        for ways in together.values():
            groups += [ways] if len(ways) > self._settings.digest_above else [[row] for row in ways]
        # The oldest first, as they were decided.
        return sorted(groups, key=lambda group: group[0].id)

    def _way(self, row: Outgoing) -> Sequence[str]:
        """The channels to try in turn; of the end of an incident, all that are to hear it."""
        message = Message.model_validate(row.message)
        if message.event == SUMMARY:
            return self._settings.digest_route
        if message.event != "resolved":
            return self._settings.route_of(message.severity)
        notified = self._alerts.notified_channels(row.incident_id)
        return [name for name in notified if name in self._settings.channels and name not in row.accepted]

    def _handle(self, rows: Sequence[Outgoing]) -> None:
        """Send claimed messages that go the same way, as one."""
        messages = [Message.model_validate(row.message) for row in rows]
        message = messages[0] if len(messages) == 1 else digest(messages, at=self._clock.now())
        way = self._way(rows[0])
        if rows[0].event != "resolved":
            self._to_first(rows, message, way)
        elif way:
            self._to_all(rows, message, way)
        else:
            for row in rows:
                notified = ", ".join(self._alerts.notified_channels(row.incident_id)) or "no channel"
                self._alerts.drop(row.id, why=f"no channel that got the alert can be reached: {notified}")

    def _to_first(self, rows: Sequence[Outgoing], message: Message, route: Sequence[str]) -> None:
        refusals = []
        for name in route:
            try:
                self._through(name, message)
            except NotDelivered as error:
                refusals.append((name, error))
            else:
                for row in rows:
                    self._alerts.delivered(row.id, name, at=self._clock.now())
                self._done.sent.append((message.subject, name))
                return
        self._put_back(rows, message, refusals)

    def _to_all(self, rows: Sequence[Outgoing], message: Message, targets: Sequence[str]) -> None:
        refusals = []
        for index, name in enumerate(targets):
            try:
                self._through(name, message)
            except NotDelivered as error:
                refusals.append((name, error))
                continue
            last = index == len(targets) - 1 and not refusals
            for row in rows:
                if last:
                    self._alerts.delivered(row.id, name, at=self._clock.now())
                else:
                    self._alerts.accepted(row.id, name)
            self._done.sent.append((message.subject, name))
        if refusals:
            self._put_back(rows, message, refusals)

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

    def _put_back(
        self, rows: Sequence[Outgoing], message: Message, refusals: Sequence[tuple[str, NotDelivered]]
    ) -> None:
        said = redact("; ".join(f"{name}: {error.what}" for name, error in refusals)) or "no channel is configured"
        asked = max((error.retry_after_s or 0.0 for _, error in refusals), default=0.0)
        for row in rows:
            wait = min(_FIRST_WAIT * 2 ** min(row.attempts, 10), _LONGEST_WAIT)
            wait = max(wait, min(timedelta(seconds=asked), _LONGEST_WAIT))
            self._alerts.put_back(row.id, error=said, next_try_at=self._clock.now() + wait)
        self._done.failed.append((message.subject, said))
