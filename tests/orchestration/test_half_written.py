"""`ops.yaml` is saved half-written while everything runs: nothing stands still, and somebody is told, with the line."""

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from ops_pipelines.cli.main import app
from ops_pipelines.config.cadence import day_of
from ops_pipelines.config.errors import ConfigError
from ops_pipelines.config.last_good import load_or_last_good
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.orchestration import names
from ops_pipelines.watch.alerts.message import Message
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.workspace import Workspace
from tests.engines.sqlite.conftest import House, house  # noqa: F401 - a fixture

ASSETS = [names.PLAIN.dump("app", "sqlite")]
DAMAGES: dict[str, Callable[[str], str]] = {
    "cut in the middle": lambda whole: whole[: whole.index("sources") + 20],
    "emptied": lambda whole: "",
    "an unknown key": lambda whole: whole + "storse: {}",
    "a base that is none": lambda whole: whole.replace('base: "base"', "base: [1"),
}


@pytest.fixture
def path(house: House, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """An `ops.yaml` as people write it, which Dagster's code server has loaded once."""
    house.database("app.sqlite", "create table t (a); insert into t values (1);")
    house.configure(copies=[])
    path = house.path / "ops.yaml"
    document = json.loads(path.read_text("utf-8"))
    path.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in document.items()), encoding="utf-8")
    monkeypatch.setenv("OPS_CONFIG", str(path))
    monkeypatch.setenv("OPS_LAST_GOOD", "")
    loaded()
    return path


def loaded() -> dg.Definitions:
    """What a process of Dagster loads, be it a run or a code server that was started again."""
    definitions = runpy.run_module("ops_pipelines.definitions")["defs"]
    assert isinstance(definitions, dg.Definitions)
    return definitions


def health() -> dg.AssetCheckEvaluation:
    """What the watcher writes into Dagster about everything."""
    repository = loaded().get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, repository_def=repository)
        events = repository.get_sensor_def("rpo_watch").evaluate_tick(context).asset_events
    return next(each for each in events if isinstance(each, dg.AssetCheckEvaluation) and each.check_name == "all_well")


@pytest.mark.parametrize("damage", DAMAGES)
def test_runs_use_what_was_last_good_and_the_fault_is_an_incident_until_it_is_mended(
    path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = path.read_text("utf-8")
    path.write_text(DAMAGES[damage](whole), encoding="utf-8")
    if 'base: "base"' in path.read_text("utf-8"):
        monkeypatch.setenv("OPS_LAST_GOOD", "")  # a code server that is started now was told nothing

    definitions, config = loaded(), load_or_last_good(path)
    job = definitions.resolve_job_def(names.PLAIN.backup_job)
    workspace = Workspace(config)
    day = day_of(config, workspace.clock.now())
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance, partition_key=day, asset_selection=ASSETS).success
    assert workspace.catalogue("app").newest is not None

    watch_once(workspace)
    alerts = AlertLedger(workspace.ledger)
    (incident,) = [row for row in alerts.open_incidents() if row.rule == "configuration_broken"]
    (told,) = [Message.model_validate(row.message) for row in alerts.outbox() if row.incident_id == incident.id]
    assert re.match(r"line [1-6]: .*; runs use the configuration that was good at", told.cause), told.cause
    assert "ops.yaml cannot be used" in str(health().metadata["problems"].value)
    said = CliRunner().invoke(app, ["status", "--config", str(path)])
    assert said.exit_code == 2
    assert "ops.yaml cannot be used: line" in said.stdout
    assert "app" in said.stdout, "and how the sources are"
    path.write_text(whole, encoding="utf-8")
    watch_once(workspace)
    assert not [row for row in alerts.open_incidents() if row.rule == "configuration_broken"]
    assert "cannot be used" not in str(health().metadata)


def test_a_file_that_was_never_good_shows_its_mistakes(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    elsewhere.mkdir()
    (elsewhere / "ops.yaml").write_text("sources: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_or_last_good(elsewhere / "ops.yaml", keep=True)
