"""From conditions to incidents and messages: what is new, what got worse, what still holds, what is over.

One evaluation of a part is settled in one transaction: the incident, and the message about it in the outbox, are both
written or neither is. The rules of telling:

* A condition that begins opens an incident and is told; one that gets worse is told again; one that still holds is told
  again after `repeat_after`, unless somebody acknowledged it or the last message still waits to be delivered.
* When it ends, the incident is resolved, and whoever was told hears so.
* The same event of the same key is told at most once in five minutes, whatever process decides. A mute, or no channel
  at all, silences too. What was silenced is kept in the outbox as `suppressed`, and told later if it still holds then.
* An acknowledgement ends when the severity changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ops_pipelines.chronology import just
from ops_pipelines.config.models import Config
from ops_pipelines.language.said import said
from ops_pipelines.ledger.alerts import AlertLedger, Settling
from ops_pipelines.ledger.models import Incident, Mute
from ops_pipelines.watch.alerts.conditions import Condition, Look, worse
from ops_pipelines.watch.alerts.message import Event, Message, message_about, resolution

STORM = timedelta(minutes=5)
NO_CHANNEL, IN_A_STORM = "no channel is configured", "sent less than 5 minutes ago"


@dataclass
class Settled:
    """What an evaluation changed: keys of incidents by event, and what was kept silent."""

    opened: list[str] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)
    announced: list[tuple[Event, str]] = field(default_factory=list)
    suppressed: list[tuple[Event, str]] = field(default_factory=list)


def settle(config: Config, alerts: AlertLedger, look: Look) -> Settled | None:
    """Bring the open incidents of a part to what was found.

    Returns:
        What changed; None when newer facts of this part were settled already, by whatever process.
    Raises:
        LedgerError: nothing was written; the next evaluation will find the same.
    """
    with alerts.settling(look.part, as_of=look.as_of) as settling:
        if settling is None:
            return None
        return _Evaluation(config, look, settling).run()


class _Evaluation:
    def __init__(self, config: Config, look: Look, settling: Settling) -> None:
        self._config, self._look, self._settling, self._now = config, look, settling, look.as_of
        self._mutes = settling.mutes()
        self._settled = Settled()

    def run(self) -> Settled:
        ours = {key: row for key, row in self._settling.open_incidents().items() if row.rule in self._look.rules}
        holding = {condition.key: condition for condition in self._look.conditions}
        for key, condition in holding.items():
            if key in ours:
                self._continue(ours[key], condition)
            else:
                self._open(condition)
        for key, incident in ours.items():
            if key not in holding and incident.source not in self._look.unknown:
                self._resolve(incident)
        return self._settled

    def _open(self, condition: Condition) -> None:
        incident = self._settling.begin(
            key=condition.key,
            rule=condition.rule,
            source=condition.source,
            store=condition.store,
            severity=condition.severity,
            condition=self._message(condition, "", "opened", self._now).kept(),
        )
        self._settled.opened.append(condition.key)
        self._announce(incident, condition, "opened", changed=True)

    def _continue(self, incident: Incident, condition: Condition) -> None:
        changed = incident.severity != condition.severity
        if changed:
            incident.acked_at = incident.acked_by = None
        incident.severity = condition.severity
        incident.condition = self._message(condition, incident.id, "opened", incident.opened_at).kept()
        if (event := self._due(incident)) is not None:
            self._announce(incident, condition, event, changed=changed)

    def _due(self, incident: Incident) -> Event | None:
        """What there is to tell of an incident that still holds."""
        if incident.told_at is None or incident.told_severity is None:
            return "opened"
        if worse(incident.severity, incident.told_severity):
            return "escalated"
        quiet = incident.acked_at is not None or just(incident.told_at, self._now, self._config.alerts.repeat_after)
        return None if quiet or self._settling.waiting(incident) else "repeated"

    def _announce(self, incident: Incident, condition: Condition, event: Event, *, changed: bool) -> None:
        """Put the message into the outbox; a silenced one only when something changed, or it would fill up."""
        silenced = self._silenced(incident, condition, event)
        if silenced and not changed:
            return
        message = self._message(condition, incident.id, event, incident.opened_at)
        self._settling.put(incident, event, message.kept(), suppressed=silenced)
        if silenced:
            self._settled.suppressed.append((event, incident.key))
            return
        incident.told_at, incident.told_severity = self._now, incident.severity
        self._settled.announced.append((event, incident.key))

    def _silenced(self, incident: Incident, condition: Condition, event: Event) -> str:
        """Why a message is not to be sent now; empty when it is."""
        if not self._config.alerts.route_of(condition.severity):
            return NO_CHANNEL
        if (mute := _muting(self._mutes, incident)) is not None:
            return f"muted until {mute.ends_at:%Y-%m-%d %H:%M} UTC by {mute.created_by}"
        last = self._settling.last_sent(incident.key, event)
        return IN_A_STORM if last is not None and just(last, self._now, STORM) else ""

    def _resolve(self, incident: Incident) -> None:
        incident.resolved_at, incident.open_key = self._now, None
        self._settled.resolved.append(incident.key)
        if incident.told_at is None:
            return
        # Those who were told hear of the end even when the source is muted meanwhile: it is one message, and good news.
        known = Message.model_validate(incident.condition).model_copy(update={"incident": incident.id})
        watched = not incident.source or incident.source in _watched(self._config)
        message = resolution(
            known, at=self._now, ended="" if watched else said("no longer watched (removed from ops.yaml)")
        )
        self._settling.put(incident, "resolved", message.kept())
        self._settled.announced.append(("resolved", incident.key))

    def _message(self, condition: Condition, incident: str, event: Event, since: datetime) -> Message:
        return message_about(
            condition, incident=incident, event=event, since=since, at=self._now,
            dagster_url=self._config.alerts.dagster_url, language=self._config.language,
        )  # fmt: skip


def _watched(config: Config) -> set[str]:
    """Everything that an incident may be about."""
    probes = config.probes
    return {*config.sources, *(probes.services if probes else ()), *(probes.expires if probes else ())}


def _muting(mutes: Sequence[Mute], incident: Incident) -> Mute | None:
    """The mute that silences an incident: what it names must fit, and what it does not name is everything."""
    return next(
        (
            mute
            for mute in mutes
            if mute.source in (None, incident.source) and mute.rule in (None, incident.rule)
        ),
        None,
    )  # fmt: skip
