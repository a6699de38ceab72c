"""Dagster's database stops: its daemon says so, and does not fill the disk with it."""

import json
import re
import shutil
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conftest import start_server
from tests.deploy.conftest import install
from tests.deploy.parts import DEPLOY, House, compose, until


def test_a_daemon_whose_database_is_gone_says_each_thing_once_and_counts_the_rest(tmp_path: Path) -> None:
    with TemporaryDirectory(prefix="ops-") as name, ExitStack() as stack, ExitStack() as outage:
        directory = Path(name)
        for folder in ("etc", "run", "var/dagster", "logs"):
            (directory / folder).mkdir(parents=True)
        server = outage.enter_context(start_server(18, tmp_path))
        swaps = {
            "/run/ops_pipelines": f"{name}/run", "/run/secrets": f"{name}/secrets", "/etc/ops_pipelines": f"{name}/etc",
            "/var/lib/ops_logs": f"{name}/logs", "/var/lib/ops_pipelines": f"{name}/var",
            "postgres": "127.0.0.1", "5432": str(server.port),
        }  # fmt: skip
        house = House(directory, swaps)
        install(directory, server, house)
        shutil.copy(DEPLOY / "dagster.yaml", directory / "etc/dagster.yaml")
        house.run("migrate", *compose()["services"]["migrate"]["command"])
        stack.callback(house.stop)
        house.start("daemon")
        beats = "select count(*) from daemon_heartbeats having count(*) > 6"
        until(lambda: server.sql(beats, database="dagster") or None, f"no heartbeats\n{house.log('daemon')}")
        log = directory / "daemon.log"
        before = log.stat().st_size

        def said() -> list[str]:
            return log.read_bytes()[before:].decode().splitlines()

        outage.close()
        failed = "too many retries for DB connection"
        until(lambda: any(failed in line for line in said()) or None, "nothing is said of the database")
        house.end("daemon")

        told = [json.loads(line) for line in said()]
        lines = [(line["logger"], line["event"]) for line in told if line["level"] in ("warning", "error")]
        assert len(lines) == len(set(lines)) < 20, lines
        retried = [text for logger, text in lines if logger == "root" and "Connection refused" in text]
        assert len(retried) == 1, lines
        traces = [text for _logger, text in lines if failed in text and "in retry_pg_connection_fn" in text]
        assert len(traces) == 1 and "Connection refused" in traces[0], "the whole reason, once"
        logger, last = lines[-1]
        assert logger == "ops_pipelines.repeats"
        counted = re.match(r"([\d,]+) more like it in the last minute: (\d+) of root: Retrying failed database", last)
        assert counted and int(counted[2]) > 5, last
