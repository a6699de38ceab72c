"""Runs whose process is dead: they are ended, and the places they held in pools are free again.

Dagster believes in such a run for hours, and for ever where no daemon runs; whoever comes next would wait for it.
"""

import dagster as dg

from ops_pipelines.ledger.holder import died_here
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.orchestration import names

_UNDER_WAY = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]


def end_dead_runs(instance: dg.DagsterInstance, ledger: Ledger) -> list[str]:
    """End the runs that still count as under way although their process died; returns their ids.

    A run that was typed here says whose it is; of another one the ledger knows. Raises LedgerError.
    """
    running = instance.get_runs(filters=dg.RunsFilter(statuses=_UNDER_WAY))
    dead = {run.run_id for run in running if died_here(run.tags.get(names.PROCESS_TAG, ""))}
    dead |= ledger.died([run.run_id for run in running]) if running else set()
    for run in running:
        if run.run_id in dead:
            instance.report_run_failed(run, "The process of this run died: killed, crashed or power cut.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return sorted(dead)


def free_places(instance: dg.DagsterInstance) -> None:
    """Free what runs that have ended still hold in pools: where no daemon runs, nobody else does."""
    storage = instance.event_log_storage
    for info in storage.get_concurrency_infos(sorted(storage.get_concurrency_keys())).values():
        for run_id in {step.run_id for step in info.pending_steps} | info.active_run_ids:
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                storage.free_concurrency_slots_for_run(run_id)
