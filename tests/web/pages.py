"""The pages of `ops serve` without a server, for those who look for one sentence on them."""

from ops_pipelines.web.pages.drills import drills_page
from ops_pipelines.web.pages.environment import Visit
from ops_pipelines.web.pages.incidents import incidents_page
from ops_pipelines.web.pages.overview import overview
from ops_pipelines.web.pages.source import source_page
from ops_pipelines.workspace import Workspace


def status_page(workspace: Workspace) -> str:
    """The overview, then what it leads to: every source, the incidents, the drills."""
    sources = [source_page(workspace, name, Visit()) for name in workspace.config.sources]
    return "\n".join(
        [overview(workspace, Visit()), *sources, incidents_page(workspace, Visit()), drills_page(workspace, Visit())]
    )
