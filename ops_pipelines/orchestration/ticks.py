"""One dump for each tick of a schedule, also where two daemons started a run for it.

Dagster looks whether a tick has its run, and then creates it, without a lock between: two daemons of one instance (one
that was left over, another that was started beside it) make two runs of the same key. Their dumps follow each other,
since they share a pool, so the second finds what the first has made.
"""

from datetime import timezone

import dagster as dg

from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import SUCCEEDED
from ops_pipelines.orchestration.dagster_internals import RUN_KEY_TAG
from ops_pipelines.vault.catalogue import Catalogues
from ops_pipelines.vault.manifest import Manifest


def dumped_by_twin(
    context: dg.AssetExecutionContext, ledger: Ledger, catalogues: Catalogues, source: str
) -> Manifest | None:
    """The restore point that another run of the same tick has taken of a source; None when there is none.

    A run that is tried again is no other run. Raises LedgerError.
    """
    key, own = context.run.tags.get(RUN_KEY_TAG), context.run.root_run_id or context.run.run_id
    if key is None:
        return None
    records = context.instance.get_run_records(dg.RunsFilter(tags={RUN_KEY_TAG: key}))
    twins = [each for each in records if own not in (each.dagster_run.run_id, each.dagster_run.root_run_id)]
    if not twins:
        return None
    created = min(each.create_timestamp for each in twins)
    since = created if created.tzinfo is not None else created.replace(tzinfo=timezone.utc)
    ids = {each.dagster_run.run_id for each in twins}
    for row in ledger.recent(source=source, kind="dump", since=since):
        if row.run_id in ids and row.status == SUCCEEDED and row.backup_id:
            point = catalogues(source).find(row.backup_id)
            if point is not None:
                return point.manifest
    return None
