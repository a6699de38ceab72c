"""One round of alerting: evaluate the rules, settle the incidents, deliver the outbox. What sensor, cron and CLI call.

Each part of the rules is settled and delivered before the next is looked at: a store that hangs keeps no failed dump
from being told. Any number of processes may do this at once.
"""

import time
from dataclasses import dataclass, field
from datetime import timedelta

from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.watch.alerts.delivery import Delivered, deliver
from ops_pipelines.watch.alerts.incidents import Settled, settle
from ops_pipelines.watch.alerts.rules import PARTS
from ops_pipelines.workspace import Workspace


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


def watch_once(workspace: Workspace, *, within: timedelta = timedelta(seconds=20)) -> Round:
    """Evaluate every rule, and tell what there is to tell.

    Args:
        within: no delivery begins after this time. Dagster gives a sensor 60 seconds.
    Raises:
        LedgerError: nothing can be recorded; the next round finds the same conditions.
    """
    deadline = time.monotonic() + within.total_seconds()
    alerts, done = AlertLedger(workspace.ledger), Round()
    for part, look in PARTS.items():
        done.settled[part] = settle(workspace.config, alerts, look(workspace))
        left = timedelta(seconds=max(0.0, deadline - time.monotonic()))
        done.delivered.append(deliver(workspace, within=left))
    done.open_incidents, done.depth = len(alerts.open_incidents()), alerts.depth()
    return done
