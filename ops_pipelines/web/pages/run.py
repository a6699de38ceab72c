"""A run in Dagster as it goes on: what it works at, what it said, how it ended."""

from collections.abc import Mapping

from ops_pipelines.operate.runs import RunState
from ops_pipelines.watch.charts import Tone
from ops_pipelines.web.pages.environment import Visit, render
from ops_pipelines.workspace import Workspace

_REFRESH_S = 2
_TONES: Mapping[str, Tone] = {"SUCCESS": "good", "FAILURE": "bad", "CANCELED": "warn", "SKIPPED": "warn"}


def run_page(workspace: Workspace, visit: Visit, run: RunState) -> str:
    """The page as HTML; it renews itself every two seconds until the run has ended."""
    return render(
        visit,
        "run.html",
        workspace.clock.now(),
        refresh_s=0 if run.ended else _REFRESH_S,
        run=run,
        colour=_TONES.get(run.status, "none"),
        colours=_TONES,
        source=run.source if run.source in workspace.config.sources else "",
    )
