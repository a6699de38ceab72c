"""Inside the sandbox: one engine, and the server, clients and readers that it uses, at the word of `engine`.

Started as `python -I -m ops_pipelines.recovery.enclosed.worker` with the connection as its standard input.
"""

import os
import resource
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ops_pipelines.engines.base import Contents, Engine
from ops_pipelines.engines.offers import Reloader
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.recovery.assertions import run_program
from ops_pipelines.recovery.enclosed import outside, values, wire
from ops_pipelines.recovery.enclosed.parts import Sent
from ops_pipelines.recovery.enclosed.setup import Bounds, Setup, address_of
from ops_pipelines.repository import Repository
from ops_pipelines.streams import Progress


class Worker:
    """What can be asked for, by name."""

    def __init__(self, connection: socket.socket, setup: Setup, servers: ExitStack) -> None:
        self._connection, self._setup, self._servers = connection, setup, servers
        self._engine: Engine = setup.source.engine(setup.name)
        self._parts = Sent(connection, _borrowed(connection) if setup.carries else None, setup.roles)

    def scratch(self, _given: Mapping[str, Any]) -> object:
        """Start the server, or what stands for one; its URL."""
        url = self._servers.enter_context(self._engine.scratch(self._setup.directory, self._setup.facts))
        if (port := kind_of(self._setup.source.kind).loopback_port(url)) is not None:
            outside.pass_on(self._setup.directory, port)
        return url

    def leave(self, _given: Mapping[str, Any]) -> object:
        """End the server."""
        self._servers.close()
        return None

    def restore(self, given: Mapping[str, Any]) -> object:
        """See `Engine.restore`."""
        restored = self._engine.restore(
            self._parts, self._setup.facts, given["target"], work=self._setup.directory,
            globals_too=given["globals_too"], progress=self._progress(), only=given["only"],
        )  # fmt: skip
        return values.restored_as_json(restored)

    def contents(self, given: Mapping[str, Any]) -> object:
        """See `Engine.contents`."""
        found = self._engine.contents(given["target"], given["level"], way=given["way"], notes=given["notes"])
        return found.model_dump(mode="json")

    def assertions(self, given: Mapping[str, Any]) -> object:
        """Every finding of `Engine.assertions`, each told as soon as it is there."""
        held: Contents = given["held"]
        for each in self._engine.assertions(given["target"], held, notes=given["notes"]):
            wire.send(self._connection, {"found": values.finding_as_json(each)})
        return None

    def ask(self, given: Mapping[str, Any]) -> object:
        """See `Engine.ask`."""
        return values.as_json(self._engine.ask(given["target"], given["question"]))

    def program(self, given: Mapping[str, Any]) -> object:
        """Run a program of the user's own."""
        return run_program(given["check"], given["target"]).model_dump(mode="json")

    def reloaded(self, given: Mapping[str, Any]) -> object:
        """See `Reloader.reloaded`."""
        assert isinstance(self._engine, Reloader)
        return dict(self._engine.reloaded(given["target"], given["definitions"]))

    def restore_definitions(self, given: Mapping[str, Any]) -> object:
        """See `Reloader.restore_definitions`."""
        assert isinstance(self._engine, Reloader)
        self._engine.restore_definitions(self._parts, self._setup.facts, given["target"], work=self._setup.directory)
        return None

    def _progress(self) -> Progress:
        def progress(phase: str, done: int, total: int | None) -> None:
            wire.send(self._connection, {"progress": [phase, done, total]})

        return progress


def _borrowed(connection: socket.socket) -> Repository:
    """The repository that is lent to us, by way of a socket on our own loopback that is answered from outside."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        socket.send_fds(connection, [b"R"], [listener.fileno()])
        return Repository(address_of(listener))


_ASKED: Mapping[str, Callable[[Worker, Mapping[str, Any]], object]] = {
    each.__name__: each
    for each in (
        Worker.scratch, Worker.leave, Worker.restore, Worker.contents, Worker.assertions, Worker.ask, Worker.program,
        Worker.reloaded, Worker.restore_definitions,
    )
}  # fmt: skip


def bound(bounds: Bounds) -> None:
    """Hold this process, and every one that it starts, to its limits for good."""
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, bounds.file_bytes),
        (resource.RLIMIT_DATA, bounds.memory_bytes),
        (resource.RLIMIT_NPROC, bounds.processes),
        (resource.RLIMIT_NOFILE, bounds.files),
    ):
        _soft, hard = resource.getrlimit(what)
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (wanted, wanted))


def serve(connection: socket.socket) -> None:
    """Do what is asked until nobody asks any more."""
    setup, _none = wire.receive_trusted(connection)
    os.chdir(setup.directory)
    bound(setup.bounds)
    with ExitStack() as servers:
        worker = Worker(connection, setup, servers)
        while True:
            try:
                (asked, given), _none = wire.receive_trusted(connection)
            except EOFError:
                return
            try:
                answer: dict[str, object] = {"answer": _ASKED[asked](worker, given)}
            except Exception as error:  # whatever it is, it is told to who asked
                answer = {"error": wire.from_error(error).model_dump()}
            wire.send(connection, answer)


if __name__ == "__main__":
    os.umask(0o077)
    with socket.socket(fileno=os.dup(0)) as started:
        # What it starts reads nothing from us.
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        Path("tmp").mkdir(mode=0o700, exist_ok=True)
        serve(started)
