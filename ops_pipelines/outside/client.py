"""The Sentry client: started once per process, on first use; what leaves is redacted here. What is sent is not decided.

The SDK is imported only when there is a DSN. It sends from a thread of its own, so that nobody waits for its server;
what is unsent when the process ends has two seconds.
"""

import os
import socket
from multiprocessing.util import Finalize
from types import ModuleType
from typing import Any

from ops_pipelines import __version__
from ops_pipelines.config.sentry import Sentry
from ops_pipelines.extras import needed
from ops_pipelines.redact import redact_within

FLUSH_S = 2.0
# What the SDK or an integration might add and nobody needs: argv, environment, bodies, installed packages.
_NEVER_SENT = ("request", "extra", "breadcrumbs", "modules", "user")

_started: tuple[int, str, str] | None = None


def sdk(settings: Sentry) -> ModuleType | None:
    """The SDK, ready to send; None without a DSN.

    Raises:
        SecretMissing: the file with the DSN cannot be read.
        sentry_sdk.utils.BadDsn: it is none.
    """
    global _started  # noqa: PLW0603
    if not settings.on or settings.dsn is None:
        return None
    with needed("sentry"):
        import sentry_sdk  # noqa: PLC0415
        from sentry_sdk.integrations.excepthook import ExcepthookIntegration  # noqa: PLC0415

    dsn = settings.dsn.reveal(purpose="sentry.dsn")
    # A forked child has the client but not the thread that sends.
    wanted = (os.getpid(), dsn, settings.environment_name)
    if _started != wanted:
        sentry_sdk.init(
            dsn=dsn,
            environment=settings.environment_name,
            release=f"ops-pipelines@{__version__}",
            server_name=socket.gethostname(),
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[ExcepthookIntegration()],
            include_local_variables=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            traces_sample_rate=settings.traces,
            profiles_sample_rate=settings.profiled or None,
            before_send=_cleaned,
            before_send_transaction=_cleaned,
            auto_session_tracking=False,
            propagate_traces=False,
            shutdown_timeout=FLUSH_S,
        )
        # Unlike atexit, this also runs at the end of a multiprocessing child, which is what a Dagster run is.
        Finalize(None, sentry_sdk.flush, kwargs={"timeout": FLUSH_S}, exitpriority=10)
        _started = wanted
    return sentry_sdk


def _cleaned(event: Any, _hint: Any) -> Any:
    kept = {key: value for key, value in event.items() if key not in _NEVER_SENT}
    return {**redact_within(kept), "timestamp": event.get("timestamp")}
