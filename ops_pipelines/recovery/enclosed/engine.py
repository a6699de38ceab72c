"""An engine whose restores happen in a sandbox: the same questions, answered from inside."""

import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

from pydantic import JsonValue

from ops_pipelines import lent
from ops_pipelines.config.models import Config
from ops_pipelines.engines.base import NOTHING, Contents, Engine, Finding, Level, PartReader, Restored, Way
from ops_pipelines.engines.offers import Carrier, Reloader
from ops_pipelines.engines.registry import KINDS
from ops_pipelines.engines.source import Source
from ops_pipelines.errors import Inconclusive, OpsError
from ops_pipelines.process import Limits, Running, running
from ops_pipelines.recovery.enclosed import outside, parts, repository, values, wire
from ops_pipelines.recovery.enclosed.setup import Setup, address_of, bounds_for, without_secrets
from ops_pipelines.recovery.enclosed.watch import watched
from ops_pipelines.redact import register
from ops_pipelines.sandbox import account, isolation, mounts
from ops_pipelines.sandbox.jail import Jail
from ops_pipelines.sandbox.orphans import without_orphans
from ops_pipelines.settings.checks import CommandCheck
from ops_pipelines.streams import Progress, silent
from ops_pipelines.text import shell
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.verdict import Check

_LIVES = Limits(timedelta(days=7), timedelta(days=7), grace=timedelta(seconds=5))
_ANSWER_BYTES = 64 * 1024 * 1024
_SECRET = re.compile(r"[\w-]{32}")


def enclosed(config: Config, manifest: Manifest, hidden: Sequence[Path] = ()) -> Engine:
    """The engine of a restore point's source, to restore it into a scratch server of its own.

    Args:
        hidden: what must not be seen inside, wherever it lies: the configuration, base, keys.
    Returns:
        The engine itself where `verify.isolation` accepts that nothing better can be had.
    Raises:
        Inconclusive: no isolation that is good enough can be had here.
    """
    engine, source = config.engine(manifest.source), config.source(manifest.source)
    way = isolation.chosen(source.verify.isolation)
    if way == "none":
        return engine
    of_kind = _ReloadingEngine if isinstance(engine, Reloader) else _EnclosedEngine
    return cast(Engine, of_kind(engine, source, manifest, hidden, way))


class _EnclosedEngine:
    """What a proof asks of an engine, answered from inside the sandbox; anything else by the engine itself."""

    def __init__(
        self, engine: Engine, source: Source, manifest: Manifest, hidden: Sequence[Path], way: isolation.Isolation
    ) -> None:
        self._engine, self._source, self._manifest, self._way = engine, source, manifest, way
        self._hidden = hidden
        self._directory = Path()
        self._connection: socket.socket | None = None
        self._process: Running | None = None
        self._listener: socket.socket | None = None
        self._ended = ""
        self._unanswered = False
        self._exchanged = ("", "")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @contextmanager
    def scratch(self, directory: Path, facts: Mapping[str, JsonValue]) -> Iterator[str]:
        """A disposable server inside a sandbox; see `Engine.scratch`."""
        self._directory = directory
        with ExitStack() as stack:
            self._connection = stack.enter_context(self._started(directory, facts, stack))
            url = str(self._ask("scratch"))
            for secret in _SECRET.findall(url):
                register(secret)
            self._exchanged = stack.enter_context(outside.reachable(url, directory))
            try:
                yield url.replace(*self._exchanged) if self._exchanged[0] else url
            finally:
                self._leave()

    def restore(
        self,
        parts: PartReader,
        facts: Mapping[str, JsonValue],
        target: str,
        *,
        work: Path,
        globals_too: bool,
        progress: Progress = silent,
        only: Sequence[str] = (),
        fresh: bool = False,
    ) -> Restored:
        """See `Engine.restore`."""
        assert isinstance(parts, Copy)
        with self._lending(parts.store):
            answer = self._ask(
                "restore", copy=parts, progress=progress, target=target, globals_too=globals_too, only=list(only)
            )
        return values.as_restored(answer)

    @contextmanager
    def _lending(self, store: Store) -> Iterator[None]:
        """The repository of a store can be read inside during the block, where one is needed."""
        if self._listener is None:
            yield
            return
        source, whole = self._manifest.source, store.repository(self._manifest.source)
        objects = store.objects(source)
        if any(objects.names("locks")) and isinstance(self._engine, Carrier):
            self._engine.unlock(whole)  # who is dead on this machine cannot be known inside
        with (
            lent.noted(self._directory, store=store.name, source=source) as note,
            repository.lent(self._listener, objects, note),
        ):
            try:
                yield
            except OpsError as error:
                inside = address_of(self._listener)
                error.what, error.why, error.next = (
                    each.replace(inside, whole.address) for each in (error.what, error.why, error.next)
                )
                raise

    def contents(
        self, target: str, level: Level, *, way: Way | None = None, notes: Mapping[str, JsonValue] = NOTHING
    ) -> Contents:
        """See `Engine.contents`."""
        return values.as_contents(self._ask("contents", target=target, level=level, way=way, notes=dict(notes)))

    def assertions(self, target: str, held: Contents, *, notes: Mapping[str, JsonValue] = NOTHING) -> Iterator[Finding]:
        """See `Engine.assertions`."""
        yield from self._each("assertions", target=target, held=held, notes=dict(notes))

    def ask(self, target: str, question: object) -> object:
        """See `Engine.ask`."""
        return values.as_value(self._ask("ask", target=target, question=question))

    def run_program(self, check: CommandCheck, target: str) -> Check:
        """Run a program of the user's own where the restored copy is."""
        return values.as_check(self._ask("program", target=target, check=check))

    @contextmanager
    def _started(self, directory: Path, facts: Mapping[str, JsonValue], stack: ExitStack) -> Iterator[socket.socket]:
        """The process, told what it is about."""
        account.give(directory)
        bounds = bounds_for(self._manifest.plain_bytes)
        ours, theirs = socket.socketpair()
        worker = [str(mounts.interpreter()), "-I", "-m", "ops_pipelines.recovery.enclosed.worker"]
        environment = {"HOME": str(directory), "TMPDIR": str(directory / "tmp"), "USER": account.NAME}
        with ours, theirs:
            process = stack.enter_context(self._run(directory, worker, environment, theirs.fileno()))
            self._process = process
            theirs.close()
            ours.settimeout(self._source.limits.total.total_seconds())
            stack.enter_context(watched(directory, process, bounds, self._stop))
            setup = Setup(
                self._manifest.source, without_secrets(self._source), directory, facts,
                frozenset(part.role for part in self._manifest.parts), bounds, isinstance(self._engine, Carrier),
            )  # fmt: skip
            self._send_message(ours, setup)
            if setup.carries:
                self._listener = stack.enter_context(self._listening(ours))
            yield ours

    def _run(
        self, directory: Path, worker: Sequence[str], environment: Mapping[str, str], stdin: int
    ) -> AbstractContextManager[Running]:
        if self._way == "account":
            directory.parent.chmod(0o711)  # to be passed through; what lies there belongs to one proof each
            for path, write in ((mounts.interpreter(), False), (account.PACKAGE, False), (directory, True)):
                if closed := account.cannot(path, write=write):
                    raise _kept_out(closed, path)
            words = [*account.dropping(), *worker]
            return without_orphans(running(words, limits=_LIVES, env=environment, stdin=stdin, stdout=2, cwd=directory))
        own = [Path(each.command[0]) for each in self._source.commands if Path(each.command[0]).is_file()]
        readable = [
            *mounts.programs([*_searched(), *self._source.bin_dirs], [directory, *self._hidden]),
            *mounts.outermost(own),
        ]
        server = self._source.verify.server
        readable += _files_of(server.url.reveal(purpose="verify.server.url")) if server is not None else []
        jail = Jail(directory, readable=readable, hidden=self._hidden, network=server is not None)
        return jail.running(worker, limits=_LIVES, env=environment, stdin=stdin, stdout=2)

    def _listening(self, connection: socket.socket) -> socket.socket:
        """The socket inside on which a repository is asked for."""
        try:
            _sign, files, _flags, _address = socket.recv_fds(connection, 1, 1)
        except OSError:  # it ended before it had read what it is about
            files = []
        if not files:
            raise self._lost(wire.SandboxFailed("the process in the sandbox ended"))
        return socket.socket(fileno=files[0])

    def _leave(self) -> None:
        stopped = self._unanswered
        try:
            self._ask("leave")
        except Inconclusive:
            pass  # it has ended already, and its server with it
        except OpsError:
            # Whoever was stopped while he waited did not hear the answer. It comes now, and answers something else: it
            # may say that a copy is bad, because the stop took away what it was read from.
            if not stopped:
                raise
        finally:
            self._connection = None

    def _stop(self, why: str) -> None:
        """End it from outside, and say so to who waits for an answer."""
        self._ended = why
        if self._process is not None:
            self._process.kill()

    def _send_message(self, connection: socket.socket, message: object) -> None:
        try:
            wire.send_trusted(connection, message)
        except wire.SandboxFailed as error:
            raise self._lost(error) from None

    def _ask(self, what: str, *, copy: Copy | None = None, progress: Progress = silent, **given: Any) -> object:
        """The answer to one question; what is asked back meanwhile is answered."""
        *_found, answer = self._results(what, copy, progress, given)
        return answer

    def _each(self, what: str, **given: Any) -> Iterator[Finding]:
        """Findings, as they come."""
        for found in self._results(what, None, silent, given, each=values.as_finding):
            if isinstance(found, Finding):
                yield found

    def _results(
        self,
        what: str,
        copy: Copy | None,
        progress: Progress,
        given: dict[str, Any],
        each: Callable[[object], Finding] | None = None,
    ) -> Iterator[object]:
        if self._connection is None:
            raise Inconclusive("the scratch server is gone", safe="the backup is not marked bad")
        if self._exchanged[0] and "target" in given:
            inside, here = self._exchanged
            given["target"] = given["target"].replace(here, inside)
        self._send_message(self._connection, (what, given))
        self._unanswered = True
        deadline = time.monotonic() + self._source.limits.total.total_seconds()
        while True:
            try:
                message = wire.receive(self._connection, most_bytes=self._most_bytes(), deadline=deadline)
            except wire.SandboxFailed as error:
                raise self._lost(error) from None
            if message.progress is not None:
                progress(*message.progress)
            elif message.ask is not None and copy is not None:
                parts.serve(self._connection, copy, message.role, progress)
            elif message.found is not None and each is not None:
                yield each(message.found)
            elif message.error is not None:
                self._unanswered = False
                raise wire.as_error(message.error)
            else:
                self._unanswered = False
                yield message.answer
                return

    def _most_bytes(self) -> int:
        """A fingerprint may come back as large as the one that was taken, and then some."""
        held = self._manifest.part("contents")
        return _ANSWER_BYTES + 4 * (held.plain_bytes if held is not None else 0)

    def _lost(self, error: wire.SandboxFailed) -> Inconclusive:
        said = self._process.stderr_tail() if self._process is not None else ""
        return Inconclusive(
            f"the sandbox of the proof ended: {self._ended or error.what}",
            why=(self._ended and error.why) or said or error.why,
            safe="the backup was not touched and is not marked bad",
            next=f"read the cause above; then: ops verify {self._manifest.source}",
        )


class _ReloadingEngine(_EnclosedEngine):
    """For an engine whose definitions are compared by effect."""

    def reloaded(self, target: str, definitions: Mapping[str, str]) -> Mapping[str, str]:
        """See `Reloader.reloaded`."""
        return values.as_texts(self._ask("reloaded", target=target, definitions=dict(definitions)))

    def restore_definitions(
        self, parts: PartReader, facts: Mapping[str, JsonValue], target: str, *, work: Path
    ) -> None:
        """See `Reloader.restore_definitions`."""
        assert isinstance(parts, Copy)
        self._ask("restore_definitions", copy=parts, target=target)


def _kept_out(closed: str, path: Path) -> Inconclusive:
    return Inconclusive(
        "the proof cannot run as another account",
        why=f"user {account.sandbox_uid()} cannot get to {path}",
        safe="nothing was restored; the backup is not marked bad",
        next=f"chmod o+x {shell(closed)}   # to pass through, not to look; or install bubblewrap and allow namespaces",
    )


def _files_of(url: str) -> list[Path]:
    """What a lent server's address names on this machine: its socket, or the folder of it, and certificates."""
    named = (Path(word) for word in re.split(r"[=&?@'\s]", unquote(url)) if word.startswith("/"))
    return [path for path in named if path.exists()]


def _searched() -> list[Path]:
    """Where the database programs are that PATH finds outside of the system's own folders."""
    names = (name for kind in KINDS.values() for name in kind.programs)
    return [Path(found).parent for name in names if (found := shutil.which(name)) is not None]
