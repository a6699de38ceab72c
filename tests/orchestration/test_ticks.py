"""A tick of a schedule for which two daemons started a run each has one dump."""

from datetime import datetime, timezone

import dagster as dg
from dagster._core.storage.tags import RUN_KEY_TAG

from ops_pipelines.config.models import Config
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.build import build_definitions
from ops_pipelines.workspace import Workspace


def dump(config: Config, instance: dg.DagsterInstance, tick: str) -> str:
    """A run that dumps, of a tick; its id."""
    ended = build_definitions(config).resolve_job_def(names.PLAIN.backup_job).execute_in_process(
        instance=instance, partition_key=f"{datetime.now(timezone.utc):%Y-%m-%d}",
        asset_selection=[names.PLAIN.dump("crm", "postgres")],
        tags={RUN_KEY_TAG: tick},
    )  # fmt: skip
    assert ended.success
    return ended.run_id


def adopted(instance: dg.DagsterInstance) -> object:
    event = instance.get_latest_materialization_event(names.PLAIN.dump("crm", "postgres"))
    assert event is not None and event.asset_materialization is not None
    return event.asset_materialization.metadata["adopted"].value


def test_the_second_run_of_a_tick_takes_the_restore_point_of_the_first(
    config: Config, instance: dg.DagsterInstance
) -> None:
    workspace = Workspace(config)
    first = dump(config, instance, "crm:02:00")
    assert adopted(instance) is False
    dump(config, instance, "crm:02:00")
    assert adopted(instance) is True
    assert [row.run_id for row in workspace.ledger.recent(kind="dump")] == [first]
    dump(config, instance, "crm:08:00")
    assert adopted(instance) is False, "the next tick has a dump of its own"
    assert len(workspace.catalogue("crm").points) == 2
