"""Plain heartbeat URLs: `URL/start`, `URL`, `URL/fail` with the reason. Sent in order, from a thread for each host.

Nobody waits for them: a host that hangs is given up after five seconds, once, and the end of the process waits for all
of them together no longer than that.
"""

import queue
import ssl
import threading
import time
import urllib.request
from ipaddress import ip_address
from multiprocessing.util import Finalize
from urllib.parse import quote, urlsplit, urlunsplit

from ops_pipelines.outside.errors import not_sent
from ops_pipelines.redact import redact, register
from ops_pipelines.settings.secrets import SecretRef

TIMEOUT_S = 5.0
_LONGEST_BODY = 1000
_WAITING = 100

_senders: dict[str, "_Sender"] = {}
_lock = threading.Lock()


def beat(url: SecretRef | None, event: str = "", *, source: str = "", body: str = "") -> None:
    """Send a heartbeat soon. Never raises, never waits.

    Args:
        event: `start`, `fail`, or empty for success.
        body: why it failed; redacted and shortened.
    """
    if url is None:
        return
    try:
        whole = register(url.reveal(purpose="heartbeats").replace("{source}", quote(source, safe="")))
        parts = urlsplit(whole)
        path = f"{parts.path.rstrip('/')}/{event}" if event else parts.path
        _sender(parts.netloc).put(urlunsplit(parts._replace(path=path)), redact(body)[:_LONGEST_BODY].encode())
    except Exception as failure:
        not_sent(failure)


def flush() -> None:
    """Wait for what is on its way, all in all not longer than one request may take."""
    deadline = time.monotonic() + TIMEOUT_S
    for sender in list(_senders.values()):
        sender.idle.wait(max(0.0, deadline - time.monotonic()))


def _sender(host: str) -> "_Sender":
    with _lock:
        if host not in _senders or not _senders[host].is_alive():  # the threads of a forked process stay behind
            if not any(sender.is_alive() for sender in _senders.values()):
                _senders.clear()
                Finalize(None, flush, exitpriority=10)
            _senders[host] = _Sender()
        return _senders[host]


class _Sender(threading.Thread):
    """The one who sends to one host."""

    def __init__(self) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self.idle = threading.Event()
        self._waiting: queue.Queue[tuple[str, bytes]] = queue.Queue(_WAITING)
        self._guard = threading.Lock()
        self._unsent = 0
        self.start()

    def put(self, url: str, body: bytes) -> None:
        """Send it after those before it. Raises queue.Full."""
        with self._guard:
            self._waiting.put_nowait((url, body))
            self._unsent += 1
            self.idle.clear()

    def run(self) -> None:
        """Send one after the other, for ever."""
        while True:
            url, body = self._waiting.get()
            # A socket's own timeout counts from the last byte: who drips his answer must not hold up the next beats.
            sending = threading.Thread(target=_try, args=(url, body), name="heartbeat-sending", daemon=True)
            sending.start()
            sending.join(TIMEOUT_S)
            if sending.is_alive():
                not_sent(TimeoutError(f"a heartbeat had no answer within {TIMEOUT_S:.0f} s"))
            with self._guard:
                self._unsent -= 1
                if not self._unsent:
                    self.idle.set()


def _try(url: str, body: bytes) -> None:
    try:
        _post(url, body)
    except Exception as failure:
        not_sent(failure)


def _post(url: str, body: bytes) -> None:
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=ssl.create_default_context())]
    if _is_loopback(urlsplit(url).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))  # a proxy's loopback is not ours
    request = urllib.request.Request(url, data=body, headers={"User-Agent": "ops-pipelines"})
    with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT_S):
        pass


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
