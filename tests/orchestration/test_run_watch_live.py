"""Through the real daemon and `dagster.yaml` as it is: a run that is killed before our code could write anything."""

import socket
import time
from collections.abc import Iterator

import psutil
import pytest

from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.workspace import Workspace
from tests.end_to_end.conftest import Dagster, Shell, dagster, shell  # noqa: F401 - fixtures
from tests.sample import write_config
from tests.watch.receivers import Webhook, webhook

_LAUNCH = """
mutation ($day: String!) { launchRun(executionParams: {
  selector: {repositoryName: "__repository__", repositoryLocationName: "ops_pipelines", jobName: "backup",
             assetSelection: [{path: ["crm", "dump"]}]}
  executionMetadata: {tags: [{key: "dagster/partition", value: $day}, {key: "ops/source", value: "crm"}]}
  runConfigData: {} }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
_DAYS = '{ assetNodeOrError(assetKey: {path: ["crm", "dump"]}) { ... on AssetNode { partitionKeys } } }'


@pytest.fixture
def told(shell: Shell, crm: Server) -> Iterator[Webhook]:  # noqa: F811
    """A webhook, and a database that lets nobody in and says nothing: who dumps it waits."""
    with webhook() as hook, socket.create_server(("127.0.0.1", 0)) as silent:
        top = "alerts: {channels: {slack: {file: hook}}}"
        write_config(shell.folder, crm, top=top, source="    limits: {connect: 5m}")
        (shell.folder / "hook").write_text(hook.url, encoding="utf-8")
        port = silent.getsockname()[1]
        (shell.folder / "crm.url").write_text(f"postgresql://u@127.0.0.1:{port}/crm", encoding="utf-8")
        yield hook


def launch(dagster: Dagster) -> str:  # noqa: F811
    days = dagster.wait(_DAYS, lambda data: data["assetNodeOrError"].get("partitionKeys"))
    launched = dagster.ask(_LAUNCH, day=days[-1])["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def kill_workers(shell: Shell) -> None:  # noqa: F811
    """Kill the processes of runs that this Dagster has started, the moment they are there."""
    for process in psutil.process_iter(["cwd", "cmdline"]):
        if process.info["cwd"] == str(shell.folder) and "spawn_main" in " ".join(process.info["cmdline"] or ()):
            process.kill()


def test_a_run_that_is_killed_before_it_began_is_told_when_dagster_has_tried_again_in_vain(
    shell: Shell,  # noqa: F811
    told: Webhook,
    dagster: Dagster,  # noqa: F811
) -> None:
    launch(dagster)
    deadline = time.monotonic() + 180
    while not (bodies := [body for body in told.bodies if "run failed" in body["text"]]):
        kill_workers(shell)
        assert time.monotonic() < deadline, told.texts
        time.sleep(0.05)
    assert bodies[0]["text"] == "[OPS] FAIL crm: run failed or was killed"
    print(bodies[0]["blocks"])
    assert "from outside" not in str(bodies[0]["blocks"]), "the cause is what Dagster knows of it"
    assert "ops backup crm" in str(bodies[0]["blocks"])
    workspace = Workspace(load_config(shell.folder / "ops.yaml", environ={}))
    assert workspace.ledger.recent() == [], "our own code had no chance to write anything down"
