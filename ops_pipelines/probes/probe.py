"""One round of probes: every target is asked, side by side and within its time; the ledger keeps what was found."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from datetime import datetime

from ops_pipelines.clock import Clock
from ops_pipelines.config.models import Config
from ops_pipelines.config.probes import Probes
from ops_pipelines.engines import certificates
from ops_pipelines.engines.figures import Figures
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.errors import OpsError, SourceError
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.probes import http, redis
from ops_pipelines.probes.measured import Measured, keep
from ops_pipelines.redact import parts_of

Ask = Callable[[], tuple[float, Figures]]
Answer = Future[tuple[float, Figures]]
_SIDE_BY_SIDE = 16
_HANGING = 3  # several questions are asked of a server, each within its time


def probed_sources(config: Config) -> list[str]:
    """The sources whose servers are asked."""
    probes = config.probes
    asked = probes is not None and probes.sources
    return [
        name for name, each in config.sources.items() if asked and each.server is not None and config.dumped_here(name)
    ]


def probe_all(config: Config, clock: Clock, ledger: Ledger) -> list[Measured]:
    """Ask every target, and keep what was found.

    Returns:
        Nothing when no probes are configured.
    Raises:
        LedgerError: nothing can be kept.
    """
    probes = config.probes
    if probes is None:
        return []
    asked = {name: (config.source(name).kind, _server(config, name, probes)) for name in probed_sources(config)}
    targets = {**asked, **{name: _service(name, probes) for name in probes.services}}
    begun, rounds = clock.now(), 1 + len(targets) // _SIDE_BY_SIDE
    deadline = time.monotonic() + _HANGING * probes.timeout.total_seconds() * rounds
    # Who hangs in spite of its own limits keeps a thread, and nobody else waiting.
    threads = ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="probe")
    try:
        answers = {name: threads.submit(ask) for name, (_kind, ask) in targets.items()}
        found = [_measured(name, kind, begun, answers[name], deadline) for name, (kind, _ask) in targets.items()]
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
    with ledger.session() as session:
        keep(session, found)
    return found


def _measured(name: str, kind: str, at: datetime, answer: Answer, deadline: float) -> Measured:
    try:
        latency_s, figures = answer.result(timeout=max(0.0, deadline - time.monotonic()))
    except OpsError as error:
        return Measured(target=name, kind=kind, at=at, latency_s=None, cause=error.why or error.what)
    except TookTooLong:
        return Measured(target=name, kind=kind, at=at, latency_s=None, cause="its answer never ends")
    return Measured(target=name, kind=kind, at=at, latency_s=latency_s, figures=figures)


def _server(config: Config, name: str, probes: Probes) -> Ask:
    source = config.source(name)
    # Imported here, by one thread: only who has such a server loads its driver.
    address, measure = source.server, kind_of(source.kind).measure()
    assert address is not None and measure is not None, "asked of sources with servers only"

    def ask() -> tuple[float, Figures]:
        url = address.reveal(purpose=f"url of {name}")
        return measure(url, limit=probes.timeout, slow_query=probes.slow_query)

    return ask


def _service(name: str, probes: Probes) -> tuple[str, Ask]:
    """What kind a service is, which its URL says, and how to ask it."""
    try:
        url = probes.services[name].reveal(purpose=f"probes.services.{name}")
    except OpsError as error:
        return "http", _refusing(error)
    if (parts := parts_of(url)) is None:
        return "http", _refusing(
            SourceError(
                f"the URL of service {name} cannot be read",
                why="user, host and port cannot be separated",
                next="in user and password write @ : / ? # % as %40 %3A %2F %3F %23 %25",
            )
        )
    scheme = parts.scheme
    if scheme in ("redis", "rediss"):
        return "redis", lambda: redis.measure(url, limit=probes.timeout)
    if scheme == "tls":
        return "tls", lambda: certificates.measure(url, limit=probes.timeout)
    return "http", lambda: http.measure(url, limit=probes.timeout)


def _refusing(error: OpsError) -> Ask:
    def refuse() -> tuple[float, Figures]:
        raise error

    return refuse
