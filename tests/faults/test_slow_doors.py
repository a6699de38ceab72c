"""A server's door that opens too slowly: a packet that nobody answers, a greeting of which a byte comes now and then.

A socket's own timeout begins anew with each byte, so that a greeting that drips would be listened to for ever.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from tests.faults.house import build
from tests.faults.network import SHORT, ended
from tests.faults.protected import Protected

_EVERY_S = 0.5
_LONG = 2**20
_URLS = {
    "postgres": "postgresql://ops:pw@127.0.0.1:{port}/crm?sslmode=disable",
    "mysql": "mysql://ops:pw@127.0.0.1:{port}/crm",
    "mongodb": "mongodb://127.0.0.1:{port}/crm",
}
# How each begins a long message: MySQL's greeting, a password that PostgreSQL asks for, a reply of MongoDB's.
_GREETINGS = {
    "postgres": b"R" + (1999).to_bytes(4, "big"),  # libpq refuses a longer one
    "mysql": (_LONG - 1).to_bytes(3, "little") + b"\0\x0a8.0.40\0",
    "mongodb": _LONG.to_bytes(4, "little") + bytes(8),
}


@contextmanager
def deaf(_greeting: bytes) -> Iterator[int]:
    """The port of a server that answers no first packet, as a firewall drops it: nobody takes in whom it knows."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        while True:
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(_EVERY_S)
            try:
                waiting.connect(listening.getsockname())
            except TimeoutError:
                break
        yield listening.getsockname()[1]


@contextmanager
def dripping(greeting: bytes) -> Iterator[int]:
    """The port of a server that sends a byte now and then, and never all of a message."""
    over, threads = threading.Event(), []

    def drip(accepted: socket.socket) -> None:
        with accepted, suppress(OSError):
            for at in range(_LONG):
                accepted.sendall(greeting[at : at + 1] or b"x")
                if over.wait(_EVERY_S):
                    return

    def serve() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=drip, args=(listening.accept()[0],)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve)
        serving.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            serving.join()
            for each in threads:
                each.join()


@pytest.mark.parametrize("door", [deaf, dripping])
@pytest.mark.parametrize("engine", sorted(_URLS))
def test_a_door_that_opens_too_slowly_is_not_waited_for(
    engine: str, door: Callable[[bytes], AbstractContextManager[int]], tmp_path: Path
) -> None:
    with door(_GREETINGS[engine]) as port:
        url = _URLS[engine].format(port=port)
        protected = Protected(engine, {"kind": engine, "url": {"file": "url"}}, lambda: None, secrets={"url": url})
        house = build(tmp_path, protected, copies=False)
        house.write(**SHORT)
        workspace = house.workspace()
        error = ended(lambda: take_backup(workspace, "crm"))
        assert error is not None
        assert "limits.connect" in f"{error.why} {error.next}" and error.safe, str(error)
        assert not house.leftovers()
        assert [row.status for row in house.workspace().ledger.recent(source="crm")] == ["failed"]
