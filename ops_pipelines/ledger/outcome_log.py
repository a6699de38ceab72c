"""One line in the log for every attempt that ends: the ledger is where they all do."""

from ops_pipelines import logs
from ops_pipelines.ledger.models import SUCCEEDED, Activity
from ops_pipelines.ledger.tallies import outcome_of

_WELL = {"dump": "dump_published"}


def log_outcome(row: Activity) -> None:
    """Log how an activity ended: `dump_published`, `copy_finished`, `verify_failed`, …"""
    well = row.status == SUCCEEDED
    event = _WELL.get(row.kind, f"{row.kind}_finished") if well else f"{row.kind}_failed"
    logs.event(
        event, level="info" if well else "error", source=row.source, backup_id=row.backup_id, run_id=row.run_id,
        duration_s=row.duration_s, store=row.store, outcome=outcome_of(row), activity=row.id, error=row.error,
        size_bytes=row.meta.get("size_bytes"),
    )  # fmt: skip
