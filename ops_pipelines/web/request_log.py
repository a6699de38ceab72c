"""Every request is one line in the log, and carries an id by which it is found again. Queries are not logged."""

import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops_pipelines import logs
from ops_pipelines.errors import OpsError
from ops_pipelines.outside.errors import report

_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HEADERS = {
    "Cache-Control": "no-store",
    # Its own style and script, forms to itself, requests to itself: nothing else is loaded, run, framed or sent.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # With no-referrer, a browser calls the origin of our own forms null, and same_origin.py has to turn them away.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class RequestLog:
    """Logs each request when it is answered, and answers those that fail."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and log."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        status, begun, error = 0, time.perf_counter(), None

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as raised:
            error = raised
            report(raised, phase="web")
            if not status:
                await _error_response(raised, request_id)(scope, receive, noted)
        logs.event(
            "request_answered" if error is None else "request_failed",
            level="info" if status < 500 else "warning" if error is None else "error",
            request_id=request_id,
            method=scope["method"],
            path=scope.get("raw_path", b"").decode("latin-1"),
            status=status,
            duration_s=round(time.perf_counter() - begun, 6),
            error=f"{type(error).__name__}: {error}" if error is not None else None,
        )


def _error_response(error: Exception, request_id: str) -> PlainTextResponse:
    """Our own errors are sentences for a human; what others say stays in the log."""
    if isinstance(error, OpsError):
        return PlainTextResponse(f"503: {error}\n", 503)
    return PlainTextResponse(f"500: see the log, request {request_id}\n", 500)
