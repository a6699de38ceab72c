"""A message in the outbox that nobody has taken yet."""

from sqlalchemy.orm import Session

from ops_pipelines.clock import SystemClock
from ops_pipelines.ledger.alerts import Settling
from ops_pipelines.ledger.models import Outgoing


def message_waits(session: Session) -> Outgoing:
    """Put one there, with the reason why it waits."""
    settling = Settling(session, SystemClock().now())
    incident = settling.begin(key="k", rule="rpo", source="crm", store="", severity="error", condition={})
    settling.put(incident, "opened", {})
    session.flush()
    row = session.query(Outgoing).one()
    row.error, row.attempts = "no route to host", 3
    return row
