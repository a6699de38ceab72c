"""What a request tells of who asks, and of what was filled in."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

from ops_pipelines.language.speech import CODES, Code, language, preferred
from ops_pipelines.web.access import OPERATOR
from ops_pipelines.web.operations import Operations
from ops_pipelines.web.pages.environment import LANGUAGE, Visit

LANGUAGE_COOKIE = "ops_language"


def visit_of(request: Request, operations: Operations, *, may_sign_in: bool = False) -> Visit:
    """Who looks at a page.

    Args:
        operations: what an operator may start, and where; our language where he reads none that we speak.
        may_sign_in: there is a password that makes him one.
    """
    return Visit(
        address=request.url.path if request.method == "GET" else "/",
        asked=request.query_params,
        operator=request.scope.get(OPERATOR),
        dagster_url=operations.dagster_url,
        may_sign_in=may_sign_in,
        spoken=language(_chosen(request) or _accepted(request, operations.workspace.config.language)),
    )


def _chosen(request: Request) -> Code | None:
    """The language that was chosen on a page: just now, or before."""
    given = (request.query_params.get(LANGUAGE), request.cookies.get(LANGUAGE_COOKIE))
    return next((code for each in given for code in CODES if code == each), None)


def _accepted(request: Request, otherwise: Code) -> Code:
    return preferred(request.headers.get("accept-language", ""), otherwise)


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a form. Raises HTTPException for what is none."""
    content = await request.body()
    try:
        return dict(parse_qsl(content.decode("ascii"), keep_blank_values=True, strict_parsing=bool(content)))
    except ValueError:
        raise HTTPException(400, "400: this is no form") from None
