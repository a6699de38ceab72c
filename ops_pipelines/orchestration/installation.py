"""One `ops.yaml` in a Dagster project, as the factories see it: what is configured, where it works, its names."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import dagster as dg

from ops_pipelines.clock import human_size
from ops_pipelines.config.models import Config
from ops_pipelines.orchestration.describe import failures_explained
from ops_pipelines.orchestration.names import PLAIN, Names
from ops_pipelines.orchestration.partitions import daily
from ops_pipelines.outside.errors import report
from ops_pipelines.private import private_files
from ops_pipelines.streams import Progress
from ops_pipelines.workspace import Workspace

_EVERY_S = 30.0


class Watcher(Protocol):
    """Gives each step its `Progress`."""

    def watch(self, context: dg.AssetExecutionContext) -> Progress:
        """The progress of one step."""
        ...


class LogWatcher:
    """Writes a line into the run's log now and then."""

    def watch(self, context: dg.AssetExecutionContext) -> Progress:
        """See `Watcher`."""
        return _LogLines(context).tell


@dataclass
class _LogLines:
    context: dg.AssetExecutionContext
    told_at: float = field(default_factory=time.monotonic)

    def tell(self, phase: str, done_bytes: int, total_bytes: int | None) -> None:
        # A line in Dagster's event log costs milliseconds: one every half minute is enough to see life.
        if time.monotonic() - self.told_at >= _EVERY_S:
            self.told_at = time.monotonic()
            of = f" of about {human_size(total_bytes)}" if total_bytes else ""
            self.context.log.info(f"{phase}: {human_size(done_bytes)}{of}")


@dataclass(frozen=True)
class Installation:
    """What every factory is handed. Assets close over it and need no resource, so nothing of ours has a key that
    could be taken twice in one project.

    Attributes:
        watcher: who watches the progress of steps.
        owners: of every asset, as Dagster wants them: `team:name` or an address.
        tags: of every asset of a source, beside ours.
        after: assets of the project that a source's dump depends on.
    """

    workspace: Workspace
    names: Names = PLAIN
    watcher: Watcher = field(default_factory=LogWatcher)
    owners: Sequence[str] = ("team:ops",)
    tags: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, Sequence[dg.AssetKey]] = field(default_factory=dict)

    @property
    def config(self) -> Config:
        """What is configured."""
        return self.workspace.config

    @cached_property
    def calendar(self) -> dg.DailyPartitionsDefinition:
        """The partitions of every source's assets."""
        return daily(self.workspace)

    @cached_property
    def keys(self) -> frozenset[dg.AssetKey]:
        """The assets that runs of ours materialize."""
        names = self.names
        found = {names.report, names.health, names.retention, *map(names.retention_at, self.config.other_sites)}
        for name, source in self.config.sources.items():
            found |= {names.verified(name)}
            found |= {names.dump(name, source.kind)} if source.taken_by is None else set()
            found |= {names.copy(name, store) for store in source.copies}
            found |= {names.drill(name)} if self.config.drilled is not None else set()
        return frozenset(found)

    @cached_property
    def noted_keys(self) -> frozenset[dg.AssetKey]:
        """The same, and those that sensors observe."""
        names, config = self.names, self.config
        services = config.probes.services if config.probes is not None else ()
        told = {names.dump(name, config.sources[name].kind) for name in config.taken_elsewhere}
        return self.keys | told | set(map(names.server, config.sources)) | set(map(names.service, services))

    def owns(self, run: dg.DagsterRun) -> bool:
        """Whether a run is about what we protect; a project may have other assets and jobs."""
        return run.job_name in self.names.jobs or bool(self.keys & set(run.asset_selection or ()))

    @contextmanager
    def step(self) -> Iterator[None]:
        """The work of a step: what it creates is private, and what goes wrong is explained in Dagster's UI."""
        with private_files(), failures_explained():
            yield

    @contextmanager
    def sensing(self, name: str) -> Iterator[None]:
        """The work of a sensor or a check: what it raises is reported, and passed on."""
        with private_files():
            try:
                yield
            except Exception as error:
                report(error, phase="sensor", sensor=name)
                raise
