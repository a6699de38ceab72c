"""The web application: which path is answered by what. It reads the ledger, and never a source or a store."""

from collections.abc import Callable, Mapping
from importlib import resources

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ops_pipelines.language.speech import Language, language, preferred
from ops_pipelines.watch.exposition import OPENMETRICS, TEXT
from ops_pipelines.watch.metrics import PREFIX, exposition
from ops_pipelines.web.access import Credentials, Guard
from ops_pipelines.web.limits import Limits
from ops_pipelines.web.negotiation import prefers_openmetrics
from ops_pipelines.web.pages.activity import activity_csv, activity_page
from ops_pipelines.web.pages.badge import badge
from ops_pipelines.web.pages.calendar import calendar_page
from ops_pipelines.web.pages.drills import drills_page, report_of
from ops_pipelines.web.pages.incidents import incidents_page
from ops_pipelines.web.pages.overview import overview
from ops_pipelines.web.pages.source import source_page
from ops_pipelines.web.pages.stores import stores_page
from ops_pipelines.web.request_log import RequestLog
from ops_pipelines.web.services import Services, document
from ops_pipelines.workspace import Workspace

# Functions, not coroutines: each is run in a thread, since the ledger is waited for.
_Endpoint = Callable[[Request], Response]
_PARTS = ("/static/shared.css", "/static/style.css", "/static/page.js")
PAGES: Mapping[str, Callable[[Workspace, Mapping[str, str], Language], str]] = {
    "/": overview,
    "/incidents": incidents_page,
    "/activity": activity_page,
    "/drills": drills_page,
    "/stores": stores_page,
    "/calendar": calendar_page,
}


def build_app(workspace: Workspace, credentials: Credentials) -> Starlette:
    """The application.

    Args:
        credentials: what opens everything but `/health`.
    """
    web, health = workspace.config.web, _health(Services(workspace))
    legacy = web.legacy_metrics
    uncounted = {"/metrics", *_PARTS, *(each.path for each in legacy)}
    return Starlette(
        routes=[
            *(Route(path, _page(workspace, page), methods=["GET"]) for path, page in PAGES.items()),
            Route("/sources/{name}", _of_source(workspace, _source), methods=["GET"]),
            Route("/badge/{name}.svg", _of_source(workspace, _badge), methods=["GET"]),
            Route("/activity.csv", _csv(workspace), methods=["GET"]),
            Route("/drills/{drill}", _drill_report(workspace), methods=["GET"]),
            Route("/metrics", _metrics(workspace, PREFIX, None), methods=["GET"]),
            *(Route(each.path, _metrics(workspace, each.prefix, each.source), methods=["GET"]) for each in legacy),
            Route("/health", health, methods=["GET"]),
            Route("/health/{service}", health, methods=["GET"]),
            Route("/static/shared.css", _shared_style, methods=["GET"]),
            Mount("/static", StaticFiles(packages=[("ops_pipelines.web", "static")])),
        ],
        middleware=[
            Middleware(RequestLog),
            Middleware(Guard, credentials=credentials, limits=Limits(web.limits), uncounted=uncounted),
        ],
    )


def spoken_to(workspace: Workspace, request: Request) -> Language:
    """The language that a browser asks for; the one of `ops.yaml` where we speak none that it names."""
    return language(preferred(request.headers.get("accept-language", ""), workspace.config.language))


def _in(spoken: Language) -> Mapping[str, str]:
    return {"Content-Language": spoken.code, "Vary": "Accept-Language"}


def _page(workspace: Workspace, page: Callable[[Workspace, Mapping[str, str], Language], str]) -> _Endpoint:
    def show(request: Request) -> Response:
        spoken = spoken_to(workspace, request)
        return HTMLResponse(page(workspace, request.query_params, spoken), headers=_in(spoken))

    return show


def _of_source(workspace: Workspace, answer: Callable[[Workspace, str, Request], Response]) -> _Endpoint:
    def show(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in workspace.config.sources:
            return PlainTextResponse("404: no such source; / lists them\n", 404)
        return answer(workspace, name, request)

    return show


def _source(workspace: Workspace, name: str, request: Request) -> Response:
    spoken = spoken_to(workspace, request)
    return HTMLResponse(source_page(workspace, name, request.query_params, spoken), headers=_in(spoken))


def _badge(workspace: Workspace, name: str, _request: Request) -> Response:
    return Response(badge(workspace, name), media_type="image/svg+xml")


def _shared_style(_request: Request) -> Response:
    """The style that pages have in common with reports, which carry it in them."""
    style = resources.files("ops_pipelines.watch").joinpath("templates/shared.css").read_text(encoding="utf-8")
    return Response(style, media_type="text/css")


def _csv(workspace: Workspace) -> _Endpoint:
    def export(request: Request) -> Response:
        found = {"Content-Disposition": 'attachment; filename="ops_activities.csv"'}
        return Response(activity_csv(workspace, request.query_params), media_type="text/csv", headers=found)

    return export


def _drill_report(workspace: Workspace) -> _Endpoint:
    def report(request: Request) -> Response:
        path = report_of(workspace, request.path_params["drill"])
        if path is None:
            return PlainTextResponse("404: no such drill has a report here; /drills lists them\n", 404)
        # It carries its style in it, to be read anywhere.
        alone = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
        return HTMLResponse(path.read_text(encoding="utf-8"), headers=alone)

    return report


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
