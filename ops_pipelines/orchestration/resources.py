"""What assets are handed: the workspace, and somebody who watches progress. No secrets live here."""

import time
from dataclasses import dataclass, field

import dagster as dg

from ops_pipelines.clock import human_size
from ops_pipelines.streams import Progress

WORKSPACE = "workspace"
WATCHER = "watcher"

_EVERY_S = 30.0


class Watcher:
    """Gives each step its `Progress`; this one writes a line into the run's log now and then."""

    def watch(self, context: dg.AssetExecutionContext) -> Progress:
        """The progress of one step."""
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
