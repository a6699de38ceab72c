"""What a button could not do, why, what is safe and what to do next."""

from ops_pipelines.errors import OpsError
from ops_pipelines.web.pages.environment import Visit, render
from ops_pipelines.workspace import Workspace


def refused_page(workspace: Workspace, visit: Visit, error: OpsError) -> str:
    """The page as HTML. It does not renew itself: nothing would be pressed again."""
    return render(visit, "refused.html", workspace.clock.now(), refresh_s=0, error=error)
