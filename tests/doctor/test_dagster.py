"""Dagster over GraphQL: a real web server on the real code; its daemons' heartbeats are written as they write them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from ops_pipelines.errors import OpsError
from ops_pipelines.probes.dagster import dagster_state
from tests.doctor.conftest import House
from tests.faults.conftest import wait_until

SCHEDULES = """{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
  ... on RepositoryLocation { repositories { schedules { name scheduleState { id } } } } } } } } }"""
STOP = "mutation ($id: String!) { stopRunningSchedule(id: $id) { __typename } }"


@pytest.fixture
def running(house: House, tmp_path: Path) -> Iterator[tuple[str, dg.DagsterInstance]]:
    """Dagster's web server on the house, without a daemon, and its instance, in which killed runs are waited for."""
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\nrun_monitoring: {enabled: false}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    argv = [sys.executable, "-m", "dagster_webserver", "-m", "ops_pipelines.definitions", "-p", url.rsplit(":", 1)[1]]
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "OPS_CONFIG": str(house.config)}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(argv, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=tmp_path)
    try:
        wait_until(lambda: answers(url), within_s=120)
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            yield url, instance
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answers(url: str) -> bool:
    try:
        return bool(dagster_state(url).running)
    except OpsError:
        return False


def ask(url: str, query: str, **variables: str) -> Any:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def test_daemons_schedules_and_settings(house: House, running: tuple[str, dg.DagsterInstance]) -> None:
    url, instance = running
    with house.changed(lambda document: document["alerts"].update(dagster_url=url)):
        house.says("OK", "Dagster", "web server", "the code is loaded")
        house.says("FAILED", "Dagster", "daemons", "sensor", "scheduler", "never were")
        for daemon in dagster_state(url).daemons:
            instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), daemon.name, "me"))
        house.says("OK", "Dagster", "daemons")
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - 3600, "SCHEDULER", "me"))
        house.says("FAILED", "Dagster", "daemons", "scheduler are not alive since")
        house.says("OK", "Dagster", "schedules")
        [location] = ask(url, SCHEDULES)["workspaceOrError"]["locationEntries"]
        [repository] = location["locationOrLoadError"]["repositories"]
        found = {each["name"]: each["scheduleState"]["id"] for each in repository["schedules"]}
        ask(url, STOP, id=found["backup_daily_0200_0800_1400_2000"])
        house.says("FAILED", "Dagster", "schedules", "stopped: backup_daily_0200_0800_1400_2000")
        house.says("ATTENTION", "Dagster", "settings", "killed run")
    with house.changed(lambda document: document["alerts"].update(dagster_url="http://127.0.0.1:9")):
        house.says("FAILED", "Dagster", "web server", "does not answer")
