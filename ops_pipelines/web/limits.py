"""How often one client may ask: who tries passwords, and who asks without pause, is told to wait.

`/health` is never counted, so that a balancer cannot be made to think us dead; `/metrics` only counts wrong logins.
"""

import ipaddress
import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.responses import PlainTextResponse

from ops_pipelines.config.web import RateLimits

READING = frozenset({"GET", "HEAD", "OPTIONS"})
_OF_ONE_NETWORK = 64  # who has one address of IPv6 usually has this many bits of them


class Limits:
    """What each client did within the last minute, in this process.

    Args:
        settings: how often each thing may be done.
    """

    def __init__(self, settings: RateLimits) -> None:
        self._window = MovingWindowRateLimiter(MemoryStorage())
        self._reads = RateLimitItemPerMinute(settings.reads, namespace="reads")
        self._writes = RateLimitItemPerMinute(settings.writes, namespace="writes")
        self._logins = RateLimitItemPerMinute(settings.failed_logins, namespace="logins")

    def refuse_call(self, client: str, method: str) -> PlainTextResponse | None:
        """Count a call; the answer to one too many, None to the others."""
        limit = self._reads if method in READING else self._writes
        return None if self._window.hit(limit, _whose(client)) else self._wait(limit, client)

    def refuse_login(self, client: str) -> PlainTextResponse | None:
        """The answer to whoever failed too often to be heard now, right or wrong; None to the others."""
        return None if self._window.test(self._logins, _whose(client)) else self._wait(self._logins, client)

    def count_failed_login(self, client: str) -> None:
        """Remember a wrong token or password."""
        self._window.hit(self._logins, _whose(client))

    def _wait(self, limit: RateLimitItemPerMinute, client: str) -> PlainTextResponse:
        free_at = self._window.get_window_stats(limit, _whose(client)).reset_time
        seconds = max(1, math.ceil(free_at - time.time()))
        return PlainTextResponse(f"429: too often; again in {seconds} s\n", 429, {"Retry-After": str(seconds)})


def _whose(client: str) -> str:
    """An address as one client; what is no address is counted together."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, _OF_ONE_NETWORK), strict=False))
    return str(address)
