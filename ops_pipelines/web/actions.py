"""The buttons: what an operator starts from a page, and where the browser is sent then."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ops_pipelines.errors import OpsError
from ops_pipelines.settings.values import parse_duration
from ops_pipelines.web.desk import answered
from ops_pipelines.web.operations import Operations
from ops_pipelines.web.pages.refused import refused_page
from ops_pipelines.web.statuses import status_of
from ops_pipelines.web.visits import form_of, visit_of

Form = Mapping[str, str]
_Press = Callable[[Operations, Request, Form, str], str]
"""What a button does; returns the address to go on to."""


def buttons(operations: Operations) -> list[Route]:
    """The routes that forms are sent to. Whoever comes so far may operate, and comes from a page of ours."""
    pressed: Mapping[str, _Press] = {
        "/sources/{name}/backup": _backup,
        "/sources/{name}/verify": _verify,
        "/sources/{name}/restore": _restore,
        "/drills": _drill,
        "/report": _report,
        "/incidents/{incident}/acknowledge": _acknowledge,
        "/mutes": _mute,
        "/mutes/{mute}/end": _unmute,
    }
    return [Route(path, _endpoint(operations, press), methods=["POST"]) for path, press in pressed.items()]


def _endpoint(operations: Operations, press: _Press) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        form = await form_of(request)
        visit = visit_of(request, operations)
        try:
            # Dagster and the ledger are waited for: in a thread.
            where = await run_in_threadpool(press, operations, request, form, visit.operator or "")
        except OpsError as error:
            return answered(visit, refused_page(operations.workspace, visit, error), status_of(error))
        return RedirectResponse(where, 303)

    return answer


def _backup(operations: Operations, request: Request, _form: Form, operator: str) -> str:
    return f"/runs/{operations.back_up(request.path_params['name'], operator)}"


def _verify(operations: Operations, request: Request, form: Form, operator: str) -> str:
    return f"/runs/{operations.verify(request.path_params['name'], _field(form, 'backup'), operator)}"


def _restore(operations: Operations, request: Request, form: Form, operator: str) -> str:
    only = [line.strip() for line in form.get("only", "").splitlines() if line.strip()]
    name, backup, to = request.path_params["name"], _field(form, "backup"), _field(form, "to")
    return f"/runs/{operations.restore(name, backup, to.strip(), only, operator)}"


def _drill(operations: Operations, _request: Request, form: Form, operator: str) -> str:
    return f"/runs/{operations.drill(form.get('scenario', ''), operator)}"


def _report(operations: Operations, _request: Request, _form: Form, operator: str) -> str:
    return f"/runs/{operations.report(operator)}"


def _acknowledge(operations: Operations, request: Request, _form: Form, operator: str) -> str:
    operations.acknowledge(request.path_params["incident"], operator)
    return "/incidents"


def _mute(operations: Operations, _request: Request, form: Form, operator: str) -> str:
    try:
        length = parse_duration(form.get("for", "1h"))
    except ValueError as error:
        raise HTTPException(400, f"400: {error}") from None
    operations.mute(form.get("source", ""), form.get("rule", ""), length, form.get("reason", ""), operator)
    return "/incidents"


def _unmute(operations: Operations, request: Request, _form: Form, _operator: str) -> str:
    operations.unmute(request.path_params["mute"])
    return "/incidents"


def _field(form: Form, name: str) -> str:
    if not form.get(name, "").strip():
        raise HTTPException(400, f"400: the form names no {name}")
    return form[name]
