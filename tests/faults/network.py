"""A network between a house and what it protects, which can be in trouble; and a backup that must end all the same."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.mysql.connection import parse
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.errors import OpsError
from ops_pipelines.watch.alerts.watch import watch_once
from tests.faults.aftermath import back_up
from tests.faults.conftest import LIMIT
from tests.faults.house import House
from tests.servers.between import Between, between

SHORT = {"connect": "2s", "stall": "2s", "total": "6s", "lock": "2s"}
ENDS_WITHIN_S = 90.0
"""Far more than the limits above and the grace of a program that has to be killed: who takes longer waits for ever."""


@contextmanager
def network(house: House) -> Iterator[Between]:
    """The house reaches its server through a proxy for the length of the block."""
    url = house.protected.secrets["url"]
    target, through = _ROUTES[house.protected.kind](url)
    with between(target) as proxy:
        (house.path / "url").write_text(through(proxy.port), encoding="utf-8")
        house.write(**SHORT)
        yield proxy


def _postgres(url: str) -> tuple[str, Callable[[int], str]]:
    given = conninfo_to_dict(url)
    server = Server(url, connect=LIMIT)
    return f"unix:{given['host']}/.s.PGSQL.{given['port']}", lambda port: server.at(
        host="127.0.0.1", port=str(port)
    ).url()


def _mysql(url: str) -> tuple[str, Callable[[int], str]]:
    server = parse(url, connect=LIMIT)
    return f"unix:{server.socket}", lambda port: replace(server, socket="", host="127.0.0.1", port=port).url()


def _mongodb(url: str) -> tuple[str, Callable[[int], str]]:
    port_now = urlsplit(url).port
    return f"tcp://127.0.0.1:{port_now}", lambda port: url.replace(f":{port_now}/", f":{port}/")


_ROUTES = {"postgres": _postgres, "mysql": _mysql, "mongodb": _mongodb}


def ended(act: Callable[[], object], release: Callable[[], object] = lambda: None) -> OpsError | None:
    """Do it in a thread; the error that it ended with. Fails when it does not end, or with another error.

    Args:
        release: lets it go on, when it does not end by itself.
    """
    came: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(ENDS_WITHIN_S)
    hung = thread.is_alive()
    if hung:
        release()
        thread.join()
    assert not hung, f"it waited for more than {ENDS_WITHIN_S} s, whatever the limits"
    if came and not isinstance(came[0], OpsError):
        raise came[0]
    return came[0] if came and isinstance(came[0], OpsError) else None


def backup(house: House, proxy: Between) -> OpsError | None:
    """Back it up; why it failed."""
    workspace = house.workspace()
    return ended(lambda: take_backup(workspace, "crm"), proxy.heal)


def next_run(house: House) -> str:
    """The next backup succeeds, and whoever was told of trouble is told of its end."""
    taken = back_up(house, prove=False)
    watch_once(house.workspace())
    return taken
