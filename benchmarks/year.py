"""How much does a year in Dagster's storage take? Real runs, then what a year of ten sources makes of them.

    python -m benchmarks.year --runs 100 [--postgres]

Runs the whole chain (dump, copy, proof, report) of a small database that often, writes what the sensors write without a
run, and measures files, or the database. A run writes as many events whatever the size of its database. Of a year of
ten sources, four times a day, is told what stays when `purge_history` has run each week as it does by default, and what
would stay without it. Then the purge is run for real, and what the disk gives back is measured.
"""

import argparse
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
import yaml
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus
from psycopg.conninfo import conninfo_to_dict

from ops_pipelines.config.load import load_config
from ops_pipelines.config.models import Config
from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.engines.postgres.server import scratch_server
from ops_pipelines.orchestration.build import build_definitions
from ops_pipelines.orchestration.history import purge_runs
from ops_pipelines.orchestration.jobs import chain_selection
from ops_pipelines.orchestration.launch import run_assets
from ops_pipelines.orchestration.partitions import day_of
from ops_pipelines.orchestration.room import forget_runless, give_back
from ops_pipelines.workspace import Workspace

PROJECT = Path(__file__).parents[1]
SOURCES, A_DAY, KEPT_DAYS, RUNLESS_DAYS = 10, 4, 90, 7
# Of a year with `keep: {daily: 14, weekly: 8, monthly: 12}`: the days that are older than KEPT_DAYS and have a backup.
OLD_DAYS_WITH_KEEP = 9
SENSORS = 5  # alert, rpo, run, probe and heartbeat watch: each twice a minute; what they skip is kept a day
MIB = 2**20


def prepare(folder: Path) -> Config:
    """A small database with a copy elsewhere."""
    with closing(sqlite3.connect(folder / "shop.sqlite")) as opened:
        opened.execute("create table orders (id integer primary key, note text)")
        opened.commit()
    source = {"kind": "sqlite", "paths": ["shop.sqlite"], "copies": ["nas"], "verify": {"isolation": "none"}}
    document = {
        "base": "base",
        "stores": {"nas": {"kind": "directory", "path": "nas"}},
        "sources": {"shop": source},
    }
    (folder / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    return load_config(folder / "ops.yaml")


@contextmanager
def storage(folder: Path, *, postgres: bool) -> Iterator[tuple[dg.DagsterInstance, Callable[[], int]]]:
    """An instance as `dagster.yaml` has it, and what tells its size in bytes."""
    settings = yaml.safe_load((PROJECT / "dagster.yaml").read_text(encoding="utf-8"))
    if not postgres:
        (folder / "dagster.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            yield instance, lambda: _allocated(folder / "var" / "dagster")
        return
    (folder / "pg").mkdir(mode=0o700)
    with scratch_server(clients.for_server(18), folder / "pg") as server:
        _sql(server, "create database dagster")
        own = server.at(dbname="dagster")
        settings["storage"] = {"postgres": {"postgres_url": _address(own)}}
        (folder / "dagster.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            yield (
                instance,
                lambda: (
                    int(_sql(own, "select pg_database_size('dagster')")[0][0]) + _allocated(folder / "var" / "dagster")
                ),
            )


def _address(server: Server) -> str:
    parts = {key: str(value) for key, value in conninfo_to_dict(server.url()).items()}
    query = {"host": parts["host"], "port": parts["port"]}
    url = sa.URL.create("postgresql+psycopg2", parts["user"], parts.get("password"), database="dagster", query=query)
    return url.render_as_string(hide_password=False)


def _allocated(folder: Path) -> int:
    """Bytes that the files below a folder take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def _sql(server: Server, statement: str) -> list[tuple[object, ...]]:
    with session(server, limit=timedelta(minutes=5), settings=False) as opened:
        return opened.rows(statement)


def watch(config: Config, instance: dg.DagsterInstance, hours: int) -> None:
    """What the RPO sensor writes in some hours; the daemon stores the events of its ticks in this way."""
    repository = build_definitions(config).get_repository_def()
    context = dg.build_sensor_context(
        instance=instance, repository_def=repository, resources={"workspace": Workspace(config)}
    )
    events = repository.get_sensor_def("rpo_watch").evaluate_tick(context).asset_events
    hourly = [each for each in events if isinstance(each, dg.AssetCheckEvaluation)]
    for _hour in range(hours):
        for each in hourly:
            instance.report_runless_asset_event(each)


def ticks(instance: dg.DagsterInstance, count: int) -> None:
    """Skipped ticks of a sensor, with a reason as long as ours."""
    now = datetime.now(timezone.utc).timestamp()
    for _ in range(count):
        instance.create_tick(
            TickData(
                instigator_origin_id="o" * 40, instigator_name="alert_watch", instigator_type=InstigatorType.SENSOR,
                status=TickStatus.SKIPPED, timestamp=now, end_timestamp=now, selector_id="s" * 40,
                skip_reason="0 open, 0 sent, 0 waiting",
            )
        )  # fmt: skip


def main() -> None:
    """Measure, and say what a year makes of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ops-year-") as directory:
        folder = Path(directory)
        config = prepare(folder)
        os.chdir(folder)
        today = day_of(config, datetime.now(timezone.utc))
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

        with storage(folder, postgres=options.postgres) as (instance, size):

            def chain() -> None:
                done = run_assets(
                    config, instance, source="shop", day=today, selection=chain_selection(config, "shop"),
                    run_config=quiet,
                )  # fmt: skip
                assert done.success, done.failures

            chain()  # the first one makes tables, too
            sizes = [size()]
            for _ in range(options.runs):
                chain()
            sizes.append(size())
            watch(config, instance, hours=500)
            sizes.append(size())
            ticks(instance, 2000)
            sizes.append(size())
            a_run = (sizes[1] - sizes[0]) / options.runs
            an_hour = (sizes[2] - sizes[1]) / 500 / 2  # one source and the table of all: two evaluations
            a_tick = (sizes[3] - sizes[2]) / 2000
            _tell_year(a_run, an_hour, a_tick)
            before, now = size(), datetime.now(timezone.utc)
            # As if three months had passed: every run is old, and the day still has its backup.
            deleted = purge_runs(instance, Workspace(config), older_than=timedelta(0))
            events = forget_runless(instance, now + timedelta(seconds=1))
            give_back(instance)
            print(
                f"purge: {deleted} of {options.runs + 1} runs and {events} events without a run deleted; "
                f"{before / MIB:.1f} MiB before, {size() / MIB:.1f} MiB after"
            )


def _tell_year(a_run: float, an_hour: float, a_tick: float) -> None:
    runs = 365 * A_DAY * SOURCES
    kept = KEPT_DAYS * A_DAY * SOURCES
    ticks_bytes = a_tick * SENSORS * 2880
    hourly = an_hour * (SOURCES + 1) * 24
    least = (kept + OLD_DAYS_WITH_KEEP * SOURCES) * a_run + 2 * RUNLESS_DAYS * hourly + ticks_bytes
    most = (kept + (365 - KEPT_DAYS) * SOURCES) * a_run + 2 * RUNLESS_DAYS * hourly + ticks_bytes
    print(f"a run {a_run / 1024:.0f} KiB, an evaluation without a run {an_hour:.0f} bytes, a tick {a_tick:.0f} bytes")
    print(f"a year of {SOURCES} sources, {A_DAY} times a day: {runs} runs")
    print(f"  without any purge            {(runs * a_run + 365 * hourly + ticks_bytes) / MIB:8.0f} MiB")
    print(f"  purged, with a usual keep:   {least / MIB:8.0f} MiB")
    print(f"  purged, every day retained   {most / MIB:8.0f} MiB")


if __name__ == "__main__":
    main()
