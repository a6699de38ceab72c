"""Who may read what `ops serve` tells: a token or a password, or nobody but this machine."""

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ops_pipelines.config.web import Web
from ops_pipelines.errors import SafetyRefusal
from ops_pipelines.web.limits import Limits

_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Credentials:
    """What opens the door; neither when the door needs no key."""

    token: str | None = None
    basic: str | None = None

    @property
    def needed(self) -> bool:
        """Whether anything is asked for."""
        return self.token is not None or self.basic is not None

    def open_for(self, authorization: str) -> bool:
        """Whether the value of an `Authorization` header is one of ours. Takes the same time for each wrong one."""
        scheme, _space, given = authorization.partition(" ")
        if scheme.lower() == "bearer" and self.token is not None:
            return _same(given.strip().encode(), self.token.encode())
        if scheme.lower() == "basic" and self.basic is not None:
            try:
                return _same(base64.b64decode(given.strip(), validate=True), self.basic.encode())
            except ValueError:  # of letters that are no base64, or not even ASCII
                return False
        return False


def credentials(web: Web, host: str) -> Credentials:
    """The credentials of the configuration.

    Args:
        host: where the server listens.
    Raises:
        SafetyRefusal: others could reach the host, and nothing would be asked for.
        SecretMissing: a named secret is not there.
    """
    token = web.token.reveal(purpose="web.token") if web.token else None
    basic = f"{web.basic.user}:{web.basic.password.reveal(purpose='web.basic.password')}" if web.basic else None
    found = Credentials(token, basic)
    if not found.needed and not is_loopback(host):
        raise SafetyRefusal(
            f"the status page would be open to everybody who reaches {host}",
            why="neither web.token nor web.basic is in ops.yaml",
            safe="nothing was started",
            next="add web: {token: {env: OPS_WEB_TOKEN}} to ops.yaml, or serve on 127.0.0.1",
        )
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Lets nobody past without credentials, `/health` aside.

    Without any, the door is this machine's: a browser on it that was sent here under another name (DNS rebinding) is
    turned away. Who fails too often, or asks too often, is told to wait.
    """

    def __init__(self, app: ASGIApp, credentials: Credentials, limits: Limits, uncounted: Collection[str]) -> None:
        self._app, self._credentials, self._limits, self._uncounted = app, credentials, limits, uncounted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path == "/health" or path.startswith("/health/"):
            await self._app(scope, receive, send)
            return
        headers, client = Headers(scope=scope), (scope.get("client") or ("", 0))[0]
        refusal = self._stranger(headers, client)
        if refusal is None and path not in self._uncounted:
            refusal = self._limits.refuse_call(client, scope["method"])
        await (refusal or self._app)(scope, receive, send)

    def _stranger(self, headers: Headers, client: str) -> Response | None:
        """The answer to whoever may not come in; None to the others."""
        if self._credentials.needed:
            given = headers.get("authorization", "")
            if given and (wait := self._limits.refuse_login(client)) is not None:
                return wait
            if self._credentials.open_for(given):
                return None
            if given:
                self._limits.count_failed_login(client)
            asked = {"WWW-Authenticate": 'Basic realm="ops", charset="UTF-8"' if self._credentials.basic else "Bearer"}
            return PlainTextResponse("401: a token or a password is needed\n", 401, asked)
        if _host(headers.get("host", "")) in _LOCAL_NAMES:
            return None
        return PlainTextResponse("403: this is served under the name localhost only\n", 403)


def _host(header: str) -> str:
    """The name in a `Host` header, without the port."""
    name, colon, port = header.rpartition(":")
    return name.lower() if colon and port.isdigit() else header.lower()


def _same(given: bytes, ours: bytes) -> bool:
    # Digests have one length: not even that of the secret can be measured.
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(ours).digest())
