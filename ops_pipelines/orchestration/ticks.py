"""One dump for each tick of a schedule, also where two daemons started a run for it, or a broker gave a step twice.

Dagster looks whether a tick has its run, and then creates it, without a lock between: two daemons of one instance (one
that was left over, another that was started beside it) make two runs of the same key. Their dumps follow each other,
since they share a pool, so the second finds what the first has made. So does the step of a worker that died when it had
published its dump and nobody knew that yet.
"""

from datetime import timezone

import dagster as dg

from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import SUCCEEDED
from ops_pipelines.orchestration.dagster_internals import RUN_KEY_TAG
from ops_pipelines.vault.catalogue import Catalogues
from ops_pipelines.vault.manifest import Manifest


def dumped_before(
    context: dg.AssetExecutionContext, ledger: Ledger, catalogues: Catalogues, source: str
) -> Manifest | None:
    """The restore point of a source that this run has taken already, or another run of the same tick.

    A run that is tried again is no other run. Raises LedgerError.
    """
    records = _same_tick(context.instance, context.run)
    created = min(each.create_timestamp for each in records)
    since = created if created.tzinfo is not None else created.replace(tzinfo=timezone.utc)
    ids = {each.dagster_run.run_id for each in records}
    for row in ledger.recent(source=source, kind="dump", since=since):
        if row.run_id in ids and row.status == SUCCEEDED and row.backup_id:
            point = catalogues(source).find(row.backup_id)
            if point is not None:
                return point.manifest
    return None


def _same_tick(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[dg.RunRecord]:
    """A run, and every other one that was started for its tick."""
    found = list(instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id])))
    if (key := run.tags.get(RUN_KEY_TAG)) is not None:
        own = run.root_run_id or run.run_id
        same_key = instance.get_run_records(dg.RunsFilter(tags={RUN_KEY_TAG: key}))
        found += [each for each in same_key if own not in (each.dagster_run.run_id, each.dagster_run.root_run_id)]
    return found
