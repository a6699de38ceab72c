"""Servers in the graph: external assets above the dumps, observed by a sensor that runs by default."""

import dagster as dg

from ops_pipelines.config.probes import Probes
from ops_pipelines.orchestration.build import build_definitions
from ops_pipelines.settings.secrets import SecretRef
from tests.conftest import MakeWorkspace, TestServer


def test_the_server_stands_above_the_dump_and_is_observed(pg18: TestServer, make_workspace: MakeWorkspace) -> None:
    plain = make_workspace(pg18.url("postgres")).workspace.config
    gone = SecretRef.model_validate({"literal": "redis://127.0.0.1:1"})
    config = plain.model_copy(update={"probes": Probes(timeout="2s", services={"cache": gone})})
    definitions = build_definitions(config)
    graph = definitions.resolve_asset_graph()
    server, cache = dg.AssetKey(["crm", "server"]), dg.AssetKey(["services", "cache"])
    assert server in graph.get(dg.AssetKey(["crm", "dump"])).parent_keys
    assert {server, cache} <= graph.external_asset_keys
    sensor = definitions.resolve_sensor_def("probe_watch")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance)
        told = {event.asset_key: event.metadata for event in sensor.evaluate_tick(context).asset_events}
    assert told[server]["up"].value is True
    assert told[server]["connections_allowed"].value == 60
    assert told[cache]["up"].value is False


def test_without_probes_nobody_is_asked(pg18: TestServer, make_workspace: MakeWorkspace) -> None:
    definitions = build_definitions(make_workspace(pg18.url("postgres")).workspace.config)
    assert "probe_watch" not in [sensor.name for sensor in definitions.sensors or []]
    assert not definitions.resolve_asset_graph().external_asset_keys
