"""Slack's incoming webhooks, and whoever speaks their contract: a JSON post, answered with "ok"."""

import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import IO
from urllib.parse import urlsplit

from ops_pipelines import text
from ops_pipelines.clock import UTC, SystemClock
from ops_pipelines.watch.alerts.channels.base import TIMEOUT_S, NotDelivered, bounded, is_this_machine
from ops_pipelines.watch.alerts.message import Message

_TRANSIENT = {408, 429}
_GONE = {403, 404, 410}
_LONGEST_ANSWER = 200


class Slack:
    """A webhook.

    Args:
        url: its secret address.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, message: Message) -> str:
        """Post a message; one whose blocks are refused goes as plain text. Raises NotDelivered."""
        try:
            return bounded(lambda: self._post(message.slack))
        except _Refused:
            return bounded(lambda: self._post({"text": text.slack(message.text)}))

    def _post(self, body: dict[str, object]) -> str:
        request = urllib.request.Request(
            self._url,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "ops_pipelines"},
        )
        handlers = [_NoRedirects(), urllib.request.HTTPSHandler(context=ssl.create_default_context())]
        if is_this_machine(urlsplit(self._url).hostname or ""):
            handlers.append(urllib.request.ProxyHandler({}))  # a proxy's loopback is not ours
        opener = urllib.request.build_opener(*handlers)
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                said = answer.read(_LONGEST_ANSWER).decode(errors="replace").strip()
        except urllib.error.HTTPError as error:
            raise _not_taken(error, plain="blocks" not in body) from None
        except urllib.error.URLError as error:
            # Nothing was sent yet, unless it took too long: another try cannot make two messages of it.
            again = not isinstance(error.reason, (TimeoutError, ssl.SSLError, socket.gaierror))
            raise NotDelivered(
                f"{urlsplit(self._url).hostname} cannot be reached: {error.reason}", again=again
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise NotDelivered(f"the connection broke: {error or type(error).__name__}", again=False) from None
        if said != "ok":
            # A proxy's login page has status 200 too.
            raise NotDelivered(f"answered {said!r}, not 'ok': this is no Slack webhook", again=False)
        return f"{answer.status} {said}"


class _Refused(NotDelivered):
    """The blocks were not to the other side's taste."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected post would arrive as an empty GET and be answered with 200."""

    def redirect_request(
        self, req: object, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> None:
        """Follow none."""


def _not_taken(error: urllib.error.HTTPError, *, plain: bool) -> NotDelivered:
    try:
        said = error.read(_LONGEST_ANSWER).decode(errors="replace").strip()
    except OSError:
        said = ""
    what = f"answered {error.code} {said or error.reason}"
    if error.code == 400 and not plain:
        return _Refused(what, again=False)
    if error.code in _GONE:
        return NotDelivered(f"{what}: the webhook was revoked", again=False, next="make a new webhook in Slack")
    again, wait_s = error.code >= 500 or error.code in _TRANSIENT, _seconds(error.headers.get("Retry-After"))
    asked = f", asks to wait {wait_s:.0f} s" if wait_s else ""
    return NotDelivered(f"{what}{asked}", again=again, retry_after_s=wait_s)


def _seconds(value: str | None) -> float | None:
    """Retry-After as seconds from now (RFC 9110: a number of seconds, or a date)."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value).astimezone(UTC) - SystemClock().now()).total_seconds())
    except ValueError:
        return None
