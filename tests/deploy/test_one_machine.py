"""One machine: a login before everything, buttons for operators only, and no part whose death loses anything."""

import json
import urllib.parse
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.conftest import TestServer
from tests.deploy.conftest import LOCATION, Machine
from tests.deploy.parts import PARTS, until

_LAUNCH = """
mutation ($selector: JobOrPipelineSelector!, $tags: [ExecutionTag!]!) {
  launchRun(executionParams: {selector: $selector, executionMetadata: {tags: $tags}, runConfigData: {}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on UnauthorizedError { message }
    ... on PythonError { message } } }
"""
_SWITCHES = f"""{{ schedulesOrError(repositorySelector: {{
    repositoryName: "{LOCATION["repositoryName"]}", repositoryLocationName: "{LOCATION["repositoryLocationName"]}" }})
  {{ ... on Schedules {{ results {{ name scheduleState {{ id selectorId status }} }} }} }} }}"""


def launch(machine: Machine, user: str) -> dict[str, Any]:
    """Press the button; what Dagster says."""
    assets = [{"path": ["crm", name]} for name in ("dump", "offsite_nas", "verified")]
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    found: dict[str, Any] = machine.ask(
        _LAUNCH, user=user, selector={**LOCATION, "jobName": "backup", "assetSelection": assets},
        tags=[{"key": "dagster/partition", "value": today}],
    )["launchRun"]  # fmt: skip
    return found


def schedules(machine: Machine) -> dict[str, dict[str, str]]:
    """Every schedule's state by its name."""
    found = machine.ask(_SWITCHES)["schedulesOrError"]
    return {each["name"]: each["scheduleState"] for each in found.get("results", [])}


@pytest.fixture(scope="module")
def first_run(machine: Machine) -> str:
    """A backup that an operator launched; its run's id."""
    launched = launch(machine, "operator")
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id: str = launched["run"]["runId"]
    assert machine.ended(run_id) == "SUCCESS", machine.house.log("code-server")
    return run_id


def test_nobody_comes_in_without_a_login(machine: Machine) -> None:
    for path in ("/", "/metrics", "/graph", "/graph/graphql", "/operate", "/operate/graphql"):
        assert machine.get(path).status == 401, path
    assert machine.get("/health").status in (200, 503), "for load balancers"
    assert machine.get("/metrics", headers={"Authorization": "Bearer wrong"}).status == 401
    assert machine.get("/metrics", headers={"Authorization": f"Bearer {machine.token}"}).status == 200
    assert b"crm" in machine.get("/", user="viewer").body
    assert machine.get("/graph/", user="viewer").status == 200
    assert machine.get("/operate/", user="viewer").status == 401, "a viewer is no operator"
    assert machine.get("/graph/", user="operator").status == 200, "an operator is a viewer, too"


def test_what_everybody_sees_refuses_every_change(machine: Machine) -> None:
    assert launch(machine, "viewer")["__typename"] == "UnauthorizedError"
    assert machine.get("/graph/report_asset_materialization/crm/dump", user="viewer", data=b"").status == 403
    assert machine.runs() == {}


def test_a_page_elsewhere_presses_no_button(machine: Machine) -> None:
    query = urllib.parse.quote('mutation { terminateRun(runId: "x") { __typename } }')
    path = f"/operate/graphql?query={query}"
    crossed = {"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}
    assert machine.get(path, user="operator", data=b"", headers=crossed).status == 403
    own = {"Sec-Fetch-Site": "same-origin", "Content-Type": "text/plain"}
    answer = machine.get(path, user="operator", data=b"", headers=own)
    assert json.loads(answer.body)["data"]["terminateRun"]["__typename"] == "RunNotFoundError"


def test_an_operator_launches_a_backup_that_everybody_sees(machine: Machine, first_run: str) -> None:
    assert machine.runs()[first_run] == "SUCCESS"
    assert [each.key for each in machine.bucket.objects.filter(Prefix=f"ops/storage/{first_run}/")], "its output"

    def green() -> bool | None:
        page = machine.get("/", user="viewer").body
        return (b"can be restored</h1>" in page and b"never backed up" not in page) or None

    until(green, "a green page")


def test_dagster_and_the_ledger_are_two_databases_that_do_not_see_each_other(
    machine: Machine, pg18: TestServer, first_run: str
) -> None:
    ((dumps,),) = pg18.sql("select count(*) from ops_activities where kind = 'dump'", database="ledger")
    ((runs,),) = pg18.sql(f"select count(*) from runs where run_id = '{first_run}'", database="dagster")
    assert (dumps, runs) == (1, 1)
    rights = "select has_database_privilege(%s, 'connect'), has_database_privilege(%s, 'connect')"
    assert pg18.sql(rights % ("'dagster', 'ledger'", "'ledger', 'dagster'")) == [(False, False)]


def test_no_part_whose_death_loses_anything(machine: Machine, pg18: TestServer, first_run: str) -> None:
    stopped = schedules(machine)["report_daily"]
    machine.ask(
        "mutation ($id: String!, $s: String!) { stopRunningSchedule(id: $id, scheduleSelectorId: $s) { __typename } }",
        id=stopped["id"], s=stopped["selectorId"],
    )  # fmt: skip
    before = {name: state["status"] for name, state in schedules(machine).items()}
    assert before["report_daily"] == "STOPPED"

    machine.house.kill("daemon")
    queued: str = launch(machine, "operator")["run"]["runId"]
    for part in PARTS:
        if part != "daemon":
            machine.house.kill(part)
    pg18.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname in ('dagster', 'ledger')")
    later = ("code-server", "daemon")
    machine.house.start(*(part for part in PARTS if part not in later))
    for part in PARTS:
        if part not in later:
            machine.house.healthy(part)
    assert machine.runs()[queued] in ("QUEUED", "NOT_STARTED"), "nobody is there to start it"
    machine.house.start("daemon")
    tried = f"select event from event_logs where run_id = '{queued}' and event like '%re-submitting the run into%'"
    until(lambda: pg18.sql(tried, database="dagster") or None, "the daemon tries it without a code server")
    machine.house.start("code-server")
    machine.house.healthy("code-server")

    assert machine.ended(queued) == "SUCCESS"
    assert machine.runs()[first_run] == "SUCCESS", "history"
    assert {name: state["status"] for name, state in schedules(machine).items()} == before
