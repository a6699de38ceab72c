"""`ops_activities`, with filters, and as CSV: the audit trail, for people and their spreadsheets."""

import csv
import io
from collections.abc import Mapping, Sequence

from sqlalchemy import Select, select

from ops_pipelines.ledger.models import FAILED, RUNNING, SUCCEEDED, Activity
from ops_pipelines.redact import redact
from ops_pipelines.web.pages.environment import Visit, render
from ops_pipelines.workspace import Workspace

KINDS = ("dump", "copy", "verify", "restore", "prune", "drill", "adopt", "sign", "export")
STATUSES = (RUNNING, SUCCEEDED, FAILED)
_SHOWN, _EXPORTED = 100, 100_000
_COLUMNS = (
    "id", "source", "kind", "status", "started_at", "finished_at", "duration_s", "backup_id", "store", "host", "run_id",
    "error",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def activity_page(workspace: Workspace, visit: Visit) -> str:
    """The page as HTML.

    Args:
        visit: asks for `source`, `kind`, `status`; `before`, the turn to go on from.
    Raises:
        LedgerError.
    """
    rows = _rows(workspace, _query(visit.asked).limit(_SHOWN + 1))
    return render(
        visit,
        "activity.html",
        workspace.clock.now(),
        here="/activity",
        attempts=rows[:_SHOWN],
        older=rows[_SHOWN - 1].turn if len(rows) > _SHOWN else None,
        sources=list(workspace.config.sources),
        kinds=KINDS,
        statuses=STATUSES,
    )


def activity_csv(workspace: Workspace, asked: Mapping[str, str]) -> str:
    """The same as CSV (RFC 4180), newest first, at most 100,000 attempts. Raises LedgerError."""
    written = io.StringIO()
    lines = csv.writer(written)
    lines.writerow(_COLUMNS)
    for row in _rows(workspace, _query(asked).limit(_EXPORTED)):
        lines.writerow(_cell(getattr(row, name)) for name in _COLUMNS)
    return written.getvalue()


def _query(asked: Mapping[str, str]) -> Select[tuple[Activity]]:
    query = select(Activity).order_by(Activity.turn.desc(), Activity.id.desc())
    for name in ("source", "kind", "status"):
        if wanted := asked.get(name):
            query = query.where(getattr(Activity, name) == wanted)
    before = asked.get("before", "")
    return query.where(Activity.turn < int(before)) if before.isdecimal() and len(before) < 19 else query


def _rows(workspace: Workspace, query: Select[tuple[Activity]]) -> Sequence[Activity]:
    with workspace.ledger.session() as session:
        rows = session.scalars(query).all()
        session.expunge_all()
    return rows


def _cell(value: object) -> str:
    """A value as text. What a spreadsheet would take for a formula is quoted (OWASP, CSV injection)."""
    said = "" if value is None else redact(str(value))
    return f"'{said}" if said.startswith(_FORMULA) else said
