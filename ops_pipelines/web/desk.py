"""Where pages are handed out: each request becomes a visit, each page an answer in the visitor's language."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from ops_pipelines.errors import OpsError
from ops_pipelines.web.access import Credentials
from ops_pipelines.web.operations import Operations
from ops_pipelines.web.pages.environment import LANGUAGE, Visit
from ops_pipelines.web.pages.refused import refused_page
from ops_pipelines.web.pages.run import run_page
from ops_pipelines.web.statuses import status_of
from ops_pipelines.web.visits import LANGUAGE_COOKIE, visit_of
from ops_pipelines.workspace import Workspace

# Functions, not coroutines: each is run in a thread, since the ledger and Dagster are waited for.
Endpoint = Callable[[Request], Response]
_REMEMBERED_S = 365 * 24 * 3600
NO_SOURCE = "404: no such source; / lists them\n"


class Desk:
    """Answers with pages, for whoever asks.

    Args:
        operations: what an operator may start from them.
        credentials: whether there is a password that makes one.
    """

    def __init__(self, operations: Operations, credentials: Credentials) -> None:
        self.operations = operations
        self._may_sign_in = credentials.operate.basic is not None

    def page(self, page: Callable[[Workspace, Visit], str]) -> Endpoint:
        """A page about everything."""

        def show(request: Request) -> Response:
            visit = self._visit(request)
            return answered(visit, page(self.operations.workspace, visit))

        return show

    def of_source(self, page: Callable[[Workspace, str, Visit], str]) -> Endpoint:
        """A page about one source."""

        def show(request: Request) -> Response:
            name, visit = request.path_params["name"], self._visit(request)
            if name not in self.operations.workspace.config.sources:
                return PlainTextResponse(NO_SOURCE, 404)
            return answered(visit, page(self.operations.workspace, name, visit))

        return show

    def run(self, request: Request) -> Response:
        """The page about a run in Dagster."""
        workspace, visit = self.operations.workspace, self._visit(request)
        try:
            found = self.operations.run(request.path_params["run"])
        except OpsError as error:
            return answered(visit, refused_page(workspace, visit, error), status_of(error))
        return answered(visit, run_page(workspace, visit, found))

    def _visit(self, request: Request) -> Visit:
        return visit_of(request, self.operations, may_sign_in=self._may_sign_in)


def answered(visit: Visit, page: str, status: int = 200) -> Response:
    """A page as an answer, which says what language it is in; one that was chosen is remembered."""
    found = HTMLResponse(page, status, {"Content-Language": visit.spoken.code, "Vary": "Accept-Language, Cookie"})
    if visit.asked.get(LANGUAGE) == visit.spoken.code:
        found.set_cookie(LANGUAGE_COOKIE, visit.spoken.code, _REMEMBERED_S, httponly=True, samesite="lax")
    return found
