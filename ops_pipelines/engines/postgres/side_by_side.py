"""Ask many questions of one database over several sessions. Knows nothing of what is asked."""

import queue
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from ops_pipelines.engines.postgres.connection import Server, Session, session
from ops_pipelines.errors import SourceError


def ask_all(
    questions: Sequence[tuple[str, str]],
    server: Server,
    *,
    jobs: int,
    limit: timedelta,
    snapshot: str | None = None,
    register: Callable[[Session], None] = lambda opened: None,
) -> dict[str, tuple[Any, ...]]:
    """The first row of every query, by the query's name.

    Args:
        questions: names and queries; give the slowest first, so that the last worker to finish has a quick one.
        jobs: sessions that work side by side.
        limit: the longest that one query may take.
        snapshot: an exported snapshot that all sessions look through.
        register: told of every session, so that somebody else can abort it.
    Raises:
        SourceError: a query failed; the others are given up.
    """
    work: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    for question in questions:
        work.put(question)
    answers: dict[str, tuple[Any, ...]] = {}
    failures: list[SourceError] = []

    def worker() -> None:
        try:
            with session(server, limit=limit, snapshot=snapshot) as opened:
                register(opened)
                while not failures:
                    try:
                        name, sql = work.get_nowait()
                    except queue.Empty:
                        return
                    answers[name] = opened.rows(sql)[0]
        except SourceError as error:
            failures.append(error)

    threads = [threading.Thread(target=worker) for _ in range(max(1, min(jobs, len(questions))))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return answers
