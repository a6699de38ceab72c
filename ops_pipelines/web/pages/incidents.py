"""What is the matter, who was told, and who looks after it; what was the matter before."""

from sqlalchemy import select

from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.ledger.models import DELIVERED, WAITING, Incident, Outgoing
from ops_pipelines.web.pages.environment import Visit, render
from ops_pipelines.workspace import Workspace

_RESOLVED, _MESSAGES = 50, 30


def incidents_page(workspace: Workspace, visit: Visit) -> str:
    """The page as HTML. Raises LedgerError."""
    now, book = workspace.clock.now(), AlertLedger(workspace.ledger)
    with workspace.ledger.session() as session:
        query = select(Incident).where(Incident.resolved_at.is_not(None))
        resolved = session.scalars(query.order_by(Incident.resolved_at.desc()).limit(_RESOLVED)).all()
        messages = session.scalars(select(Outgoing).order_by(Outgoing.id.desc()).limit(_MESSAGES)).all()
        session.expunge_all()
    opened = book.open_incidents()
    return render(
        visit,
        "incidents.html",
        now,
        here="/incidents",
        incidents=opened,
        told={each.id: book.notified_channels(each.id) for each in opened},
        resolved=resolved,
        mutes=book.mutes(now),
        messages=messages,
        channels=list(workspace.config.alerts.channels),
        waiting=WAITING,
        delivered=DELIVERED,
    )
