"""Serve the web application until we are told to stop."""

import asyncio
import gc
import signal
import socket

import uvicorn

from ops_pipelines import logs
from ops_pipelines.errors import OpsError
from ops_pipelines.web.access import credentials
from ops_pipelines.web.app import build_app
from ops_pipelines.web.background import background_watch
from ops_pipelines.web.patience import Patient
from ops_pipelines.workspace import Workspace

_FINISH_WITHIN_S = 10
_IDLE_S = 5
_AT_ONCE = 256  # connections; beyond them the answer is 503
_LONGEST_HEAD = 16 * 1024


class CannotListen(OpsError):
    """The address cannot be listened on."""


def serve(workspace: Workspace, *, host: str, port: int, dagster_url: str | None = None, buttons: bool = False) -> None:
    """Answer requests until SIGTERM or SIGINT; those under way are answered first.

    Args:
        port: 0 takes a free one, which the log tells.
        dagster_url: of the web server that starts runs, instead of the one in the configuration.
        buttons: whoever may read may start them.
    Raises:
        SafetyRefusal: others could reach the host, and nothing would be asked for.
        CannotListen: the port is taken, or the host is not this machine's.
        LedgerError: there is nothing to read from.
    """
    proxies = workspace.config.web.trusted_proxies
    app = build_app(workspace, credentials(workspace.config.web, host, buttons=buttons), dagster_url=dagster_url)
    with workspace.ledger.session():
        pass  # now, while somebody is looking
    # A scrape of a thousand sources makes many objects and no circles; looking for some took half of its time.
    gc.freeze()
    gc.set_threshold(200_000, 50, 50)
    with _listening(host, port) as listening, background_watch(workspace):
        where, bound = listening.getsockname()[:2]
        server = uvicorn.Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, server_header=False, lifespan="off",
                log_level="warning",
                timeout_graceful_shutdown=_FINISH_WITHIN_S,
                http=Patient, ws="none", timeout_keep_alive=_IDLE_S, limit_concurrency=_AT_ONCE,
                h11_max_incomplete_event_size=_LONGEST_HEAD,
                # Who calls himself another's name in X-Forwarded-For is believed only where that was written down.
                proxy_headers=bool(proxies), forwarded_allow_ips=list(proxies),
            )
        )  # fmt: skip
        logs.event("server_started", url=f"http://{f'[{where}]' if ':' in where else where}:{bound}/")
        # uvicorn raises the signal again when it is done: for us that is the end, not a death.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)
        asyncio.run(server.serve(sockets=[listening]))
        logs.event("server_stopped")


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, _kind, _protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=256)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CannotListen(
            f"{host}:{port} cannot be listened on",
            why=reason,
            safe="nothing was started; backups do not depend on it",
            next=f"another port: ops serve --port {port + 1 if port < 65535 else 8701}; or see who has it: ss -ltnp",
        ) from None
