"""Probes in Dagster: the server of each database as an external asset above its dump, observed once a minute."""

import dagster as dg

from ops_pipelines.config.models import Config
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.names import Names
from ops_pipelines.probes.measured import Measured
from ops_pipelines.probes.probe import probe_all

_EVERY_S = 60


def is_probed(config: Config, source: str) -> bool:
    """Whether the server of a source is asked."""
    probes = config.probes
    asked = probes is not None and probes.sources and config.dumped_here(source)
    return asked and config.sources[source].server is not None


def build_probes(installation: Installation) -> tuple[list[dg.AssetSpec], list[dg.SensorDefinition]]:
    """The external assets and the sensor that observes them; nothing without `probes:`."""
    config, called = installation.config, installation.names
    if config.probes is None:
        return [], []
    probes = config.probes
    specs = [
        dg.AssetSpec(
            called.server(name),
            group_name=called.name(name),
            kinds={source.kind},
            description=f"The server that `{name}` lives on, probed once a minute.",
        )
        for name, source in config.sources.items()
        if is_probed(config, name)
    ]
    specs += [
        dg.AssetSpec(called.service(name), group_name=called.name("services"), description="Probed once a minute.")
        for name in probes.services
    ]

    @dg.sensor(
        name=called.name("probe_watch"),
        minimum_interval_seconds=_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Probes {len(specs)} servers and services.",
    )
    def probe_watch() -> dg.SensorResult:
        with installation.sensing("probe_watch"):
            found = probe_all(
                installation.workspace.config, installation.workspace.clock, installation.workspace.ledger
            )
        said = ", ".join(f"{each.target} {'up' if each.is_up else 'DOWN'}" for each in found)
        return dg.SensorResult(
            asset_events=[_observation(called, each) for each in found], skip_reason=dg.SkipReason(said)
        )

    return specs, [probe_watch]


def _observation(called: Names, found: Measured) -> dg.AssetObservation:
    key = called.server(found.target) if found.is_source else called.service(found.target)
    figures = {name: value for name, value in found.figures.model_dump(mode="json").items() if value is not None}
    known = {"latency_s": found.latency_s, "cause": found.cause or None}
    metadata = {"up": found.is_up, **{name: value for name, value in known.items() if value is not None}, **figures}
    return dg.AssetObservation(key, metadata=metadata)
