"""Who may read what `ops serve` tells, and who may start something: by a token, a password, or being this machine."""

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ops_pipelines.config.web import BasicAuth, Web
from ops_pipelines.errors import SafetyRefusal
from ops_pipelines.settings.secrets import Secret, SecretMissing
from ops_pipelines.web.limits import READING, Limits
from ops_pipelines.web.same_origin import from_our_pages

OPERATOR = "ops.operator"
"""Where a request's scope has who may start something; None for who may only read."""
_BASIC = 'Basic realm="ops", charset="UTF-8"'
_TOKEN = "the holder of the token"
_FORWARDED = ("forwarded", "x-forwarded-for")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Keys:
    """What opens a door: a token, or a user and a password."""

    token: str | None = None
    basic: str | None = None

    @property
    def needed(self) -> bool:
        """Whether anything is asked for."""
        return self.token is not None or self.basic is not None

    @property
    def secrets(self) -> set[str]:
        """What has to be known: tokens and passwords."""
        password = self.basic.partition(":")[2] if self.basic is not None else None
        return {each for each in (self.token, password) if each is not None}

    def holder(self, authorization: str) -> str | None:
        """Who sends the value of an `Authorization` header, as incidents name him; None where it is none of ours.

        Takes the same time for each wrong one.
        """
        scheme, _space, given = authorization.partition(" ")
        if scheme.lower() == "bearer" and self.token is not None:
            return _TOKEN if _same(given.strip().encode(), self.token.encode()) else None
        if scheme.lower() == "basic" and self.basic is not None:
            try:
                sent = base64.b64decode(given.strip(), validate=True)
            except ValueError:  # of letters that are no base64, or not even ASCII
                return None
            return self.basic.partition(":")[0] if _same(sent, self.basic.encode()) else None
        return None


@dataclass(frozen=True)
class Credentials:
    """Who may do what.

    Attributes:
        read: opens every page; where no key is needed, this machine alone may read.
        operate: opens the buttons as well; where no key is named there are none.
        anybody: whoever may read, and is on this machine, may operate: Dagster stands open beside this page.
    """

    read: Keys = Keys()
    operate: Keys = Keys()
    anybody: bool = False

    def operator(self, authorization: str, *, here: bool) -> str | None:
        """Who may start something; None for who may not.

        Args:
            here: he is on this machine, and comes through no proxy.
        """
        if (holder := self.operate.holder(authorization)) is not None:
            return holder
        readable = not self.read.needed or self.read.holder(authorization) is not None
        return "the status page" if self.anybody and here and readable else None

    def open_for(self, authorization: str) -> bool:
        """Whether its bearer may read."""
        return any(keys.holder(authorization) is not None for keys in (self.read, self.operate))


def credentials(web: Web, host: str, *, buttons: bool = False) -> Credentials:
    """The credentials of the configuration.

    Args:
        host: where the server listens.
        buttons: whoever may read may operate.
    Raises:
        SafetyRefusal: others could reach the host, and nothing would be asked for; or who may read could operate.
        SecretMissing: a named secret is not there.
    """
    found = Credentials(
        read=_keys(web.token, web.basic, "web"),
        operate=_keys(web.operate.token, web.operate.basic, "web.operate") if web.operate else Keys(),
        anybody=buttons,
    )
    if found.read.secrets & found.operate.secrets:
        raise SafetyRefusal(
            "whoever may read the status page could operate as well",
            why="web and web.operate name secrets of the same value",
            safe="nothing was started",
            next="give operators a secret of their own: web: {operate: {token: {env: OPS_OPERATE_TOKEN}}}",
        )
    if not found.read.needed and not is_loopback(host):
        raise SafetyRefusal(
            f"the status page would be open to everybody who reaches {host}",
            why="neither web.token nor web.basic is in ops.yaml",
            safe="nothing was started",
            next="add web: {token: {env: OPS_WEB_TOKEN}} to ops.yaml, or serve on 127.0.0.1",
        )
    if buttons and not is_loopback(host):
        raise SafetyRefusal(
            f"everybody who may read the page at {host} could start backups and restores",
            why="--buttons needs no key of its own",
            safe="nothing was started",
            next="add web: {operate: {token: {env: OPS_OPERATE_TOKEN}}} to ops.yaml instead of --buttons",
        )
    return found


def _keys(token: Secret | None, basic: BasicAuth | None, where: str) -> Keys:
    return Keys(
        token=_key(token, f"{where}.token") if token else None,
        basic=f"{basic.user}:{_key(basic.password, f'{where}.basic.password')}" if basic else None,
    )


def _key(secret: Secret, purpose: str) -> str:
    found = secret.reveal(purpose=purpose)
    if not found:
        raise SecretMissing(
            f"{purpose} is empty",
            why="whoever gives none would come in",
            safe="nothing was started",
            next="name one as {env: NAME} or {file: path}",
        )
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Lets nobody past without credentials, `/health` aside, and nobody change anything who may only read.

    Without any, the door is this machine's: a browser on it that was sent here under another name (DNS rebinding) is
    turned away. Who fails too often, or asks too often, is told to wait. What is behind the door finds in the scope
    who may operate.
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
        here = is_loopback(client) and not any(each in headers for each in _FORWARDED)
        given = headers.get("authorization", "")
        scope[OPERATOR] = None if refusal else self._credentials.operator(given, here=here)
        if refusal is None and scope["method"] not in READING:
            refusal = self._no_operator(headers, scope[OPERATOR])
        await (refusal or self._app)(scope, receive, send)

    def _stranger(self, headers: Headers, client: str) -> Response | None:
        """The answer to whoever may not come in; None to the others."""
        given = headers.get("authorization", "")
        if given and (wait := self._limits.refuse_login(client)) is not None:
            return wait
        if self._credentials.open_for(given):
            return None
        if given and (self._credentials.read.needed or self._credentials.operate.needed):
            self._limits.count_failed_login(client)
            return self._ask_again()
        if self._credentials.read.needed:
            return self._ask_again()
        if _host(headers.get("host", "")) in _LOCAL_NAMES:
            return None
        return PlainTextResponse("403: this is served under the name localhost only\n", 403)

    def _no_operator(self, headers: Headers, operator: str | None) -> Response | None:
        """The answer to whoever must not change anything; None to the others."""
        if not from_our_pages(headers):
            return PlainTextResponse("403: this came from a page of somebody else\n", 403)
        if operator is None:
            return PlainTextResponse(
                "403: these credentials may read only; web.operate in ops.yaml names others\n", 403
            )
        return None

    def _ask_again(self) -> Response:
        keys = self._credentials
        basic = keys.read.basic is not None or keys.operate.basic is not None
        asked = {"WWW-Authenticate": _BASIC if basic else "Bearer"}
        return PlainTextResponse("401: a token or a password is needed\n", 401, asked)


def sign_in(request: Request) -> Response:
    """Ask a browser for the password of an operator, and send it back to the first page."""
    if request.scope[OPERATOR] is not None:
        return RedirectResponse("/", 303)
    return PlainTextResponse("401: the password of web.operate.basic is needed\n", 401, {"WWW-Authenticate": _BASIC})


def _host(header: str) -> str:
    """The name in a `Host` header, without the port."""
    name, colon, port = header.rpartition(":")
    return name.lower() if colon and port.isdigit() else header.lower()


def _same(given: bytes, ours: bytes) -> bool:
    # Digests have one length: not even that of the secret can be measured.
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(ours).digest())
