"""Is everything there? What `/health` asks, each within its time, and never a source or a store itself.

How sources and stores are doing is what the watcher last saw and left in the ledger; when it fell silent, nothing of it
is believed any longer.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass

from sqlalchemy import text

from ops_pipelines import __version__
from ops_pipelines.chronology import within
from ops_pipelines.errors import OpsError
from ops_pipelines.probes.dagster import dagster_answers
from ops_pipelines.probes.redis import redis_answers
from ops_pipelines.vault.stores.registry import LOCAL
from ops_pipelines.watch.health import HOLDS
from ops_pipelines.watch.snapshots import Seen, Snapshot, snapshots
from ops_pipelines.workspace import Workspace

LEDGER = "ledger"
_WITHIN_S = 3.0
_ANSWER_S = 2.0


@dataclass(frozen=True)
class Service:
    """One service, whether it is well, and how long it took to find out."""

    service: str
    healthy: bool
    latency_ms: float


def document(services: Sequence[Service]) -> dict[str, object]:
    """What `/health` answers."""
    latency_ms = max((each.latency_ms for each in services), default=0.0)
    return {
        "status": "healthy" if all(each.healthy for each in services) else "unhealthy",
        "latency_ms": latency_ms,
        "services": [vars(each) for each in services],
        "version": {"app": "ops_pipelines", "version": __version__},
    }


class Services:
    """The services of a configuration. Checks that hang occupy a thread each, and never more than there are."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="health")

    def names(self) -> list[str]:
        """Every service. A source and a store of one name are asked together."""
        config = self._workspace.config
        return [LEDGER, *(name for name, _ask in self._outside()), *config.sources, LOCAL, *config.stores]

    def known_as(self, name: str) -> str:
        """The service that a path names: `db` is the ledger, as old checks call our own database."""
        return LEDGER if name == "db" and name not in self.names() else name

    def check(self, name: str | None = None) -> list[Service]:
        """Ask them all, side by side.

        Args:
            name: only this one.
        """
        outside = [(other, ask) for other, ask in self._outside() if name in (None, other)]
        ledger = self._threads.submit(self._ledger)
        asked = [(other, self._threads.submit(_timed, ask)) for other, ask in outside]
        deadline = time.monotonic() + _WITHIN_S

        def waited_ms() -> float:
            return (_WITHIN_S - max(0.0, deadline - time.monotonic())) * 1000

        try:
            found = ledger.result(timeout=_WITHIN_S)
        except TookTooLong:
            found = self._without_ledger(waited_ms())
        for other, future in asked:
            try:
                healthy, latency_ms = future.result(timeout=max(0.0, deadline - time.monotonic()))
            except TookTooLong:
                healthy, latency_ms = False, waited_ms()
            found.insert(1, Service(other, healthy, round(latency_ms, 1)))
        return [each for each in found if name in (None, each.service)]

    def _outside(self) -> list[tuple[str, Callable[[], bool]]]:
        config = self._workspace.config
        found: list[tuple[str, Callable[[], bool]]] = []
        if (dagster := config.alerts.dagster_url) is not None:
            found.append(("dagster", lambda: dagster_answers(dagster)))
        if (redis := config.web.redis) is not None:
            found.append(("redis", lambda: redis_answers(redis.reveal(purpose="web.redis"), limit_s=_ANSWER_S)))
        return found

    def _ledger(self) -> list[Service]:
        begun = time.perf_counter()
        config, now = self._workspace.config, self._workspace.clock.now()
        try:
            with self._workspace.ledger.session() as session:
                session.execute(text("select 1"))
                answered = (time.perf_counter() - begun) * 1000
                found = snapshots(session, config.sources, Seen)
        except OpsError:
            return self._without_ledger((time.perf_counter() - begun) * 1000)
        read = round((time.perf_counter() - begun) * 1000, 1)
        states = {each.source: each.judged(now, config.web.stale_after)[0] for each in found}
        fresh = [each for each in found if each.at is not None and within(each.at, now, config.web.stale_after)]
        return [
            Service(LEDGER, True, round(answered, 1)),
            *(Service(name, state in HOLDS, read) for name, state in states.items()),
            *(Service(name, _readable(name, fresh), read) for name in (LOCAL, *config.stores)),
        ]

    def _without_ledger(self, latency_ms: float) -> list[Service]:
        config = self._workspace.config
        return [Service(name, False, round(latency_ms, 1)) for name in (LEDGER, *config.sources, LOCAL, *config.stores)]


def _timed(ask: Callable[[], bool]) -> tuple[bool, float]:
    begun = time.perf_counter()
    try:
        healthy = ask()
    except OpsError:
        healthy = False
    return healthy, (time.perf_counter() - begun) * 1000


def _readable(store: str, fresh: Sequence[Snapshot[Seen]]) -> bool:
    """Somebody looked of late, and nobody who did could not read it. A store that no source uses is not looked at."""
    seen = [each for snapshot in fresh if snapshot.seen for each in snapshot.seen.stores if each.store == store]
    return bool(fresh) and all(each.readable for each in seen)
