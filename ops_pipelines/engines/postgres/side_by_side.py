"""Ask many questions of one database over several sessions. Knows nothing of what is asked."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ops_pipelines.engines.postgres.connection import Server, Session, StatementFailed, session
from ops_pipelines.errors import SourceError

Register = Callable[[Session], None]
_BLOCKED = "55P03"


def _nobody(opened: Session) -> None:
    """Nobody wants to abort a session."""


@dataclass(frozen=True)
class Answers:
    """The first row of every query that had one, and why the others have none, by the query's name."""

    found: Mapping[str, tuple[Any, ...]]
    refused: Mapping[str, StatementFailed]


def ask_all(
    questions: Sequence[tuple[str, str]], server: Server, *, jobs: int, limit: timedelta
) -> dict[str, tuple[Any, ...]]:
    """The first row of every query, by the query's name.

    Args:
        questions: names and queries; give the slowest first, so that the last worker to finish has a quick one.
        jobs: sessions that work side by side.
        limit: the longest that one query may take.
    Raises:
        SourceError: a query failed; the others are given up.
    """
    asked = _Asking(questions, server, limit, None, _nobody, goes_on=False)
    asked.work(jobs)
    if asked.failures:
        raise asked.failures[0]
    return asked.answers


def ask_each(
    questions: Sequence[tuple[str, str]],
    server: Server,
    spare: Session,
    *,
    jobs: int,
    limit: timedelta,
    snapshot: str | None = None,
    register: Register = _nobody,
) -> Answers:
    """The first row of every query, or why it has none: one that fails costs no other.

    Args:
        questions: as in `ask_all`.
        spare: a session in the snapshot that may read what is locked for the others: they never wait for a lock, since
            whoever is before them may be waiting for us.
        jobs, limit: as in `ask_all`.
        snapshot: an exported snapshot that all sessions look through.
        register: told of every session, so that somebody else can abort it.
    """
    asked = _Asking(questions, server, limit, snapshot, register, goes_on=True)
    asked.work(jobs)
    for name, sql in [*asked.blocked, *asked.rest()]:
        asked.ask(spare, name, sql, last=True)
    return Answers(asked.answers, asked.refused)


class _Asking:
    """Questions under way: what is left, what was answered, what failed."""

    def __init__(
        self,
        questions: Sequence[tuple[str, str]],
        server: Server,
        limit: timedelta,
        snapshot: str | None,
        register: Register,
        *,
        goes_on: bool,
    ) -> None:
        self._server, self._limit, self._snapshot = server, limit, snapshot
        self._register, self._goes_on, self._count = register, goes_on, len(questions)
        self._left: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        for question in questions:
            self._left.put(question)
        self.answers: dict[str, tuple[Any, ...]] = {}
        self.refused: dict[str, StatementFailed] = {}
        self.blocked: list[tuple[str, str]] = []
        self.failures: list[SourceError] = []

    def work(self, jobs: int) -> None:
        """Ask over several sessions until no question is left."""
        threads = [threading.Thread(target=self._worker) for _ in range(max(1, min(jobs, self._count)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def rest(self) -> list[tuple[str, str]]:
        """Questions that nobody came to."""
        return [self._left.get_nowait() for _ in range(self._left.qsize())]

    def _worker(self) -> None:
        try:
            with session(self._server, limit=self._limit, snapshot=self._snapshot) as opened:
                self._register(opened)
                if self._snapshot is not None:
                    opened.rows("set lock_timeout = '200ms'")
                while not opened.closed and (self._goes_on or not self.failures):
                    try:
                        name, sql = self._left.get_nowait()
                    except queue.Empty:
                        return
                    self.ask(opened, name, sql)
        except SourceError as error:
            self.failures.append(error)

    def ask(self, opened: Session, name: str, sql: str, *, last: bool = False) -> None:
        """Ask one question, by itself.

        Args:
            last: nobody else could be asked.
        """
        try:
            with opened.apart():
                self.answers[name] = opened.rows(sql, limit=self._limit)[0]
        except StatementFailed as error:
            if not self._goes_on:
                raise
            if not last and (error.sqlstate == _BLOCKED or opened.lost):
                self.blocked.append((name, sql))
            else:
                self.refused[name] = error
