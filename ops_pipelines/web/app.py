"""The web application: which path is answered by what. It reads the ledger, and never a source or a store.

What an operator starts, Dagster does.
"""

from collections.abc import Callable, Mapping
from importlib import resources

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ops_pipelines.watch.exposition import OPENMETRICS, TEXT
from ops_pipelines.watch.metrics import PREFIX, exposition
from ops_pipelines.web.access import Credentials, Guard, sign_in
from ops_pipelines.web.actions import buttons
from ops_pipelines.web.api.app import VERSION, build_api
from ops_pipelines.web.bodies import Bounded
from ops_pipelines.web.desk import NO_SOURCE, Desk, Endpoint
from ops_pipelines.web.limits import Limits
from ops_pipelines.web.negotiation import prefers_openmetrics
from ops_pipelines.web.operations import Operations
from ops_pipelines.web.pages.activity import activity_csv, activity_page
from ops_pipelines.web.pages.badge import badge
from ops_pipelines.web.pages.calendar import calendar_page
from ops_pipelines.web.pages.drills import drills_page, report_of
from ops_pipelines.web.pages.environment import Visit
from ops_pipelines.web.pages.incidents import incidents_page
from ops_pipelines.web.pages.overview import overview
from ops_pipelines.web.pages.restore import restore_page
from ops_pipelines.web.pages.source import source_page
from ops_pipelines.web.pages.stores import stores_page
from ops_pipelines.web.request_log import RequestLog
from ops_pipelines.web.services import Services, document
from ops_pipelines.workspace import Workspace

_PARTS = ("/static/shared.css", "/static/style.css", "/static/page.js")
PAGES: Mapping[str, Callable[[Workspace, Visit], str]] = {
    "/": overview,
    "/incidents": incidents_page,
    "/activity": activity_page,
    "/drills": drills_page,
    "/stores": stores_page,
    "/calendar": calendar_page,
}


def build_app(workspace: Workspace, credentials: Credentials, *, dagster_url: str | None = None) -> Starlette:
    """The application.

    Args:
        credentials: what opens everything but `/health`.
        dagster_url: of the web server that starts runs, instead of the one in the configuration.
    """
    web, health = workspace.config.web, _health(Services(workspace))
    legacy = web.legacy_metrics
    uncounted = {"/metrics", *_PARTS, *(each.path for each in legacy)}
    desk = Desk(Operations(workspace, dagster_url or workspace.config.alerts.dagster_url), credentials)
    return Starlette(
        routes=[
            *(Route(path, desk.page(page), methods=["GET"]) for path, page in PAGES.items()),
            Route("/sources/{name}", desk.of_source(source_page), methods=["GET"]),
            Route("/sources/{name}/restore", desk.of_source(restore_page), methods=["GET"]),
            Route("/runs/{run}", desk.run, methods=["GET"]),
            Route("/badge/{name}.svg", _badge(workspace), methods=["GET"]),
            Route("/activity.csv", _csv(workspace), methods=["GET"]),
            Route("/drills/{drill}", _drill_report(workspace), methods=["GET"]),
            Route("/sign-in", sign_in, methods=["GET"]),
            *buttons(desk.operations),
            Route("/metrics", _metrics(workspace, PREFIX, None), methods=["GET"]),
            *(Route(each.path, _metrics(workspace, each.prefix, each.source), methods=["GET"]) for each in legacy),
            Route("/health", health, methods=["GET"]),
            Route("/health/{service}", health, methods=["GET"]),
            Mount(VERSION, build_api(desk.operations)),
            Route("/static/shared.css", _shared_style, methods=["GET"]),
            Mount("/static", StaticFiles(packages=[("ops_pipelines.web", "static")])),
        ],
        middleware=[
            Middleware(RequestLog),
            Middleware(Guard, credentials=credentials, limits=Limits(web.limits), uncounted=uncounted),
            Middleware(Bounded),
        ],
    )


def _badge(workspace: Workspace) -> Endpoint:
    def drawn(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in workspace.config.sources:
            return PlainTextResponse(NO_SOURCE, 404)
        return Response(badge(workspace, name), media_type="image/svg+xml")

    return drawn


def _shared_style(_request: Request) -> Response:
    """The style that pages have in common with reports, which carry it in them."""
    style = resources.files("ops_pipelines.watch").joinpath("templates/shared.css").read_text(encoding="utf-8")
    return Response(style, media_type="text/css")


def _csv(workspace: Workspace) -> Endpoint:
    def export(request: Request) -> Response:
        found = {"Content-Disposition": 'attachment; filename="ops_activities.csv"'}
        return Response(activity_csv(workspace, request.query_params), media_type="text/csv", headers=found)

    return export


def _drill_report(workspace: Workspace) -> Endpoint:
    def report(request: Request) -> Response:
        path = report_of(workspace, request.path_params["drill"])
        if path is None:
            return PlainTextResponse("404: no such drill has a report here; /drills lists them\n", 404)
        # It carries its style in it, to be read anywhere.
        alone = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
        return HTMLResponse(path.read_text(encoding="utf-8"), headers=alone)

    return report


def _metrics(workspace: Workspace, prefix: str, source: str | None) -> Endpoint:
    def metrics(request: Request) -> Response:
        openmetrics = prefers_openmetrics(request.headers.get("accept", ""))
        content = exposition(workspace, prefix=prefix, source=source, openmetrics=openmetrics)
        return Response(content, headers={"Content-Type": OPENMETRICS if openmetrics else TEXT})

    return metrics


def _health(services: Services) -> Endpoint:
    def health(request: Request) -> Response:
        asked = request.path_params.get("service")
        name = services.known_as(asked) if asked is not None else None
        if name is not None and name not in services.names():
            return PlainTextResponse("404: no such service; /health lists them\n", 404)
        found = services.check(name)
        return JSONResponse(document(found), 200 if all(each.healthy for each in found) else 503)

    return health
