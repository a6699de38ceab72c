"""The web application: which path is answered by what. It reads the ledger, and never a source or a store."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ops_pipelines.watch.exposition import OPENMETRICS, TEXT
from ops_pipelines.watch.metrics import PREFIX, exposition
from ops_pipelines.web.access import Credentials, Guard
from ops_pipelines.web.limits import Limits
from ops_pipelines.web.negotiation import prefers_openmetrics
from ops_pipelines.web.page import status_page
from ops_pipelines.web.request_log import RequestLog
from ops_pipelines.web.services import Services, document
from ops_pipelines.workspace import Workspace

# Functions, not coroutines: each is run in a thread, since the ledger is waited for.
_Endpoint = Callable[[Request], Response]


def build_app(workspace: Workspace, credentials: Credentials) -> Starlette:
    """The application.

    Args:
        credentials: what opens everything but `/health`.
    """
    web, health = workspace.config.web, _health(Services(workspace))
    legacy = web.legacy_metrics
    uncounted = {"/metrics", *(each.path for each in legacy)}
    return Starlette(
        routes=[
            Route("/", _page(workspace), methods=["GET"]),
            Route("/metrics", _metrics(workspace, PREFIX, None), methods=["GET"]),
            *(Route(each.path, _metrics(workspace, each.prefix, each.source), methods=["GET"]) for each in legacy),
            Route("/health", health, methods=["GET"]),
            Route("/health/{service}", health, methods=["GET"]),
        ],
        middleware=[
            Middleware(RequestLog),
            Middleware(Guard, credentials=credentials, limits=Limits(web.limits), uncounted=uncounted),
        ],
    )


def _page(workspace: Workspace) -> _Endpoint:
    def page(_request: Request) -> Response:
        return HTMLResponse(status_page(workspace))

    return page


def _metrics(workspace: Workspace, prefix: str, source: str | None) -> _Endpoint:
    def metrics(request: Request) -> Response:
        openmetrics = prefers_openmetrics(request.headers.get("accept", ""))
        content = exposition(workspace, prefix=prefix, source=source, openmetrics=openmetrics)
        return Response(content, headers={"Content-Type": OPENMETRICS if openmetrics else TEXT})

    return metrics


def _health(services: Services) -> _Endpoint:
    def health(request: Request) -> Response:
        asked = request.path_params.get("service")
        name = services.known_as(asked) if asked is not None else None
        if name is not None and name not in services.names():
            return PlainTextResponse("404: no such service; /health lists them\n", 404)
        found = services.check(name)
        return JSONResponse(document(found), 200 if all(each.healthy for each in found) else 503)

    return health
