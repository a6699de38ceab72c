"""A drill under way: where it works, what it has seen, what it has to hand in."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ops_pipelines.config.drills import Application, Drills, Scenario
from ops_pipelines.drill.clean import CleanMachine, Kit
from ops_pipelines.drill.record import Event, GroupResult, Outage, SourceResult
from ops_pipelines.language.said import changed
from ops_pipelines.redact import redact
from ops_pipelines.streams import Progress, silent
from ops_pipelines.workspace import Workspace


@dataclass
class Drill:
    """What a scenario works with, and what it adds to.

    Attributes:
        workspace: the real one: its ledger, its alerts. Never recovered from.
        directory: private, and gone with the drill.
        servers: what was started and must live until the drill ends.
        evidence: files for the report, by name: content and what it is.
    """

    id: str
    scenario: Scenario
    workspace: Workspace
    settings: Drills
    applications: Mapping[str, Application]
    kit: Kit
    directory: Path
    servers: ExitStack
    disaster_at: datetime
    seed: int | None = None
    progress: Progress = silent
    machine: CleanMachine | None = None
    groups: list[GroupResult] = field(default_factory=list)
    by_hand: list[SourceResult] = field(default_factory=list)
    outage: Outage | None = None
    timeline: list[Event] = field(default_factory=list)
    evidence: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def say(self, what: str) -> None:
        """Add a line to the timeline."""
        self.timeline.append(Event(at=self.workspace.clock.now(), what=changed(what, redact)))
        self.progress(what, 0, None)

    def keep(self, name: str, text: str, what: str) -> None:
        """Keep a text as evidence; secrets are masked."""
        self.evidence[name] = (redact(text).encode(), what)

    @property
    def clean(self) -> CleanMachine:
        """The machine that is recovered on."""
        assert self.machine is not None, "the scenario prepares it first"
        return self.machine

    @property
    def sources(self) -> Sequence[str]:
        """Every source that takes part, in order."""
        return [name for each in self.applications.values() for name in each.sources]
