"""Old backups are verified again, not only the newest: the copy that was proved longest ago comes first."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from ops_pipelines.chronology import age, within
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.recovery.verify import verify
from ops_pipelines.streams import Progress, silent
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.workspace import Workspace

_DAY = timedelta(days=1)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)
_EARLY = 0.8
"""A copy whose turn is this close to overdue is proved even when another was proved in this run already."""


def turns(catalogue: Catalogue, now: datetime) -> list[tuple[datetime, RestorePoint, str]]:
    """Every retained copy that is not known to be bad, the one proved longest ago first.

    Returns:
        When it was last verified (when it was taken, if never), the restore point, and the store.
    """
    found = []
    for point in catalogue.points:
        for store in point.stores:
            proof = point.proof(store)
            if proof is None or proof.outcome != "bad":
                proved = proof is not None and proof.outcome == "verified"
                at = proof.started_at if proof and proved else point.started_at
                # What is dated in the future was proved nobody knows when: it is its turn.
                found.append((at if age(at, now) is not None else _LONG_AGO, point, store))
    return sorted(found, key=lambda turn: (turn[0], turn[1].id, turn[2]))


def reprove(
    workspace: Workspace, name: str, *, progress: Progress = silent, run_id: str | None = None
) -> Iterator[Verdict]:
    """Prove again the copy that was proved longest ago, and others that are nearly overdue, as far as time allows.

    Nothing that was proved within a day is verified again.

    Raises:
        LedgerError, StoreError: a verdict cannot be kept.
    """
    settings, now = workspace.config.source(name).verify, workspace.clock.now()
    left = settings.reprove_daily - _spent_today(workspace.ledger, name, now)
    for number, (proved_at, point, store) in enumerate(turns(workspace.catalogue(name), now)):
        since = now - proved_at
        due = since > settings.reprove_within * _EARLY if number else since > _DAY
        if not due or left <= timedelta(0):
            return
        verdict = verify(workspace, point, store=store, progress=progress, run_id=run_id, again=True)
        left -= timedelta(seconds=verdict.took_s)
        yield verdict


def _spent_today(ledger: Ledger, name: str, now: datetime) -> timedelta:
    rows = ledger.recent(source=name, kind="verify", since=now - _DAY)
    return timedelta(
        seconds=sum(row.duration_s or 0 for row in rows if row.meta.get("again") and within(row.started_at, now, _DAY))
    )
