"""One round of alerting: evaluate the rules, settle the incidents, deliver the outbox. What sensor, cron and CLI call.

Each part of the rules is settled and delivered before the next is looked at: a store that hangs keeps no failed dump
from being told. Any number of processes may do this at once.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from ops_pipelines.chronology import just
from ops_pipelines.clock import Clock
from ops_pipelines.config.models import Config
from ops_pipelines.language.said import said
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.ledger.ledger import LedgerError
from ops_pipelines.watch.alerts.conditions import Condition, Look
from ops_pipelines.watch.alerts.delivery import Delivered, deliver, send_at_once
from ops_pipelines.watch.alerts.good import with_good
from ops_pipelines.watch.alerts.incidents import Settled, settle
from ops_pipelines.watch.alerts.message import message_about
from ops_pipelines.watch.alerts.rules import PARTS
from ops_pipelines.watch.alerts.silence import look_at_daemon
from ops_pipelines.watch.alerts.summary import put_if_due
from ops_pipelines.workspace import Workspace

LookAt = Callable[[Workspace], Look]
_WITHIN = timedelta(seconds=20)
_sent_without_ledger: dict[Path, datetime] = {}


@dataclass
class Round:
    """What became of a round.

    Attributes:
        open_incidents: how many are open after it.
        depth: how many messages still wait.
    """

    settled: dict[str, Settled | None] = field(default_factory=dict)
    delivered: list[Delivered] = field(default_factory=list)
    open_incidents: int = 0
    depth: int = 0

    @property
    def sent(self) -> list[tuple[str, str]]:
        """Subjects of what was delivered, with the channel."""
        return [each for part in self.delivered for each in part.sent]

    @property
    def failed(self) -> list[tuple[str, str]]:
        """Subjects of what nobody took, with what the channels said."""
        return [each for part in self.delivered for each in part.failed]


def watch_once(workspace: Workspace, *, within: timedelta = _WITHIN, inside: bool = False) -> Round:
    """Evaluate every rule, and tell what there is to tell.

    Args:
        within: no delivery begins after this time. Dagster gives a sensor 60 seconds.
        inside: the daemon asks: its own silence is not for it to tell.
    Raises:
        LedgerError: nothing can be recorded; that was told through the channels, and the next round finds the same.
    """
    deadline = time.monotonic() + within.total_seconds()
    done = watch(workspace, {**PARTS, "daemon": partial(look_at_daemon, inside=inside)}, within=within)
    if put_if_due(workspace.config, workspace.ledger, workspace.clock.now()):
        left = timedelta(seconds=max(0.0, deadline - time.monotonic()))
        done.delivered.append(deliver(workspace.config.alerts, workspace.clock, workspace.ledger, within=left))
        done.depth = AlertLedger(workspace.ledger).depth()
    return done


def watch(workspace: Workspace, parts: Mapping[str, LookAt], *, within: timedelta = _WITHIN) -> Round:
    """Evaluate some parts of the rules, and tell what there is to tell. Arguments and errors as in `watch_once`."""
    deadline, done = time.monotonic() + within.total_seconds(), Round()
    try:
        alerts = AlertLedger(workspace.ledger)
        for part, look in parts.items():
            done.settled[part] = settle(
                workspace.config, alerts, with_good(workspace.config, workspace.ledger, look(workspace))
            )
            left = timedelta(seconds=max(0.0, deadline - time.monotonic()))
            done.delivered.append(deliver(workspace.config.alerts, workspace.clock, workspace.ledger, within=left))
        done.open_incidents, done.depth = len(alerts.open_incidents()), alerts.depth()
    except LedgerError as error:
        _send_without_ledger(workspace.config, workspace.clock, error)
        raise
    return done


def _send_without_ledger(config: Config, clock: Clock, error: LedgerError) -> None:
    """Without a ledger there are no incidents and no outbox, but somebody must know: once per process and period."""
    settings, now = config.alerts, clock.now()
    last = _sent_without_ledger.get(config.base)
    if last is not None and just(last, now, settings.repeat_after):
        return
    condition = Condition(
        "ledger_unusable", "critical", "", "alerts",
        said("nothing can be recorded, backups and alerts stand still"),
        f"{error.what}: {error.why}", error.next,
    )  # fmt: skip
    message = message_about(
        condition,
        incident="none",
        event="opened",
        since=now,
        at=now,
        dagster_url=settings.dagster_url,
        language=config.language,
    )
    if send_at_once(settings, message) is not None:
        _sent_without_ledger[config.base] = now
