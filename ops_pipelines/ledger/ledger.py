"""The ledger: what was attempted and how it ended. Nothing here decides anything.

A row is written before the first byte and always reaches a terminal state: by the one who wrote it,
or, when that process died, by the next one that looks.
"""

import errno
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Engine, Select, bindparam, create_engine, event, func, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from ops_pipelines import durable
from ops_pipelines.clock import Clock, Stopwatch, SystemClock, new_id
from ops_pipelines.errors import INSTALL_NEWER, OpsError, SafetyRefusal
from ops_pipelines.ledger.holder import alive, this_process
from ops_pipelines.ledger.models import CANCELLED, FAILED, REFUSED, RUNNING, SUCCEEDED, Activity
from ops_pipelines.ledger.outcome_log import log_outcome
from ops_pipelines.ledger.tallies import count
from ops_pipelines.redact import redact, register
from ops_pipelines.stopping import Held
from ops_pipelines.text import shell

HEAD = "0007"
_MIGRATIONS = Path(__file__).with_name("migrations")
DIED = "the process that worked on it died (killed, crashed or power cut)"
"""How an attempt ended whose process could not write that down itself."""
_MIGRATION_LOCK, _TURN_LOCK = 0x6F7073, 0x6F7074  # any numbers that are ours


class LedgerError(OpsError):
    """The ledger cannot be opened or written. Nothing is attempted that cannot be recorded."""


class Entry:
    """An activity that is under way; set what becomes known about it."""

    def __init__(self) -> None:
        self.backup_id: str | None = None
        self.store: str | None = None
        self.meta: dict[str, Any] = {}
        self.failure: str | None = None

    def fail(self, reason: str) -> None:
        """End as failed although nothing was raised."""
        self.failure = redact(reason)


class Observer(Protocol):
    """Somebody who is told of every attempt, as soon as it is written down. Neither call waits nor raises."""

    def began(self, row: Activity) -> None:
        """An attempt begins."""
        ...

    def ended(self, row: Activity, error: BaseException | None) -> None:
        """It ended; with nothing raised, or in a process that died, there is no error."""
        ...


# Built once: that takes longer than to run them, and a thousand sources are asked in a row.
@cache
def _movements() -> Select[tuple[Activity]]:
    chosen = select(Activity).where(
        Activity.source == bindparam("source"),
        Activity.kind.in_(("dump", "adopt", "sign", "copy", "prune")),
        (Activity.status == SUCCEEDED) | (Activity.kind == "prune"),
        Activity.backup_id.is_not(None),
    )
    return chosen.order_by(Activity.turn, Activity.id)


@cache
def _newest_of_each() -> Select[tuple[Activity]]:
    order = Activity.turn.desc(), Activity.id.desc()
    place = func.row_number().over(partition_by=Activity.kind, order_by=order).label("place")
    kinds = Activity.kind.in_(bindparam("kinds", expanding=True))
    newest = select(Activity.id, place).where(Activity.source == bindparam("source"), kinds).subquery()
    chosen = select(Activity).join(newest, Activity.id == newest.c.id).where(newest.c.place <= bindparam("most"))
    return chosen.order_by(*order)


class Ledger:
    """An open ledger.

    Args:
        url: SQLAlchemy URL of SQLite or PostgreSQL; without a driver, PostgreSQL's is psycopg.
        observer: is told of every attempt.
    Raises:
        LedgerError: it cannot be opened or brought to the current schema.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, observer: Observer | None = None) -> None:
        self._clock, self._observer = clock or SystemClock(), observer
        try:
            self._engine = create_engine(with_driver(url), pool_pre_ping=True)
        except (SQLAlchemyError, ImportError) as error:
            raise _translated(error) from None
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _sqlite_defaults)
        try:
            _migrate(self._engine)
        except SQLAlchemyError as error:
            raise _translated(error, self._engine.url) from None

    @contextmanager
    def activity(
        self,
        kind: str,
        *,
        source: str,
        backup_id: str | None = None,
        store: str | None = None,
        run_id: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Iterator[Entry]:
        """Record an attempt around the block: a row before it, its end after it, whatever happens.

        Args:
            meta: what whoever finds the row after a power cut must know to finish the work.
        Raises:
            LedgerError: the row cannot be written; the block is then not entered.
        """
        entry = Entry()
        watch = Stopwatch()
        entry.backup_id, entry.store, entry.meta = backup_id, store, dict(meta or {})
        started = self._clock.now()
        row = Activity(
            id=new_id(started, tail_bytes=8),
            source=source, kind=kind, status=RUNNING, started_at=started, backup_id=backup_id,
            store=store, host=socket.gethostname(), holder=this_process(), run_id=run_id, meta=entry.meta,
        )  # fmt: skip
        identifier = row.id
        begun = False
        # A stop comes at any moment: before the block, once the row stands; after it; while a failure is written down.
        try:
            try:
                with self.session() as session:
                    self._take_turns(session)
                    row.turn = (session.scalar(select(func.max(Activity.turn))) or 0) + 1
                    session.add(row)
                begun = True
                if self._observer is not None:
                    self._observer.began(row)
                yield entry
                self._close(identifier, entry, watch, None)
            except Exception as error:
                # What went wrong is what the caller must hear, even when it cannot be written down.
                if begun:
                    with suppress(LedgerError):
                        self._close(identifier, entry, watch, error)
                raise
        except BaseException as error:
            if not isinstance(error, Exception):
                with suppress(LedgerError):
                    self._close(identifier, entry, watch, error)
            raise

    def fail_orphans(self) -> list[Activity]:
        """Mark every running activity of a dead process failed; returns them."""
        with self.session() as session:
            orphans = _orphans(session)
            for row in orphans:
                self._end(session, row, FAILED, DIED)
            session.flush()
            session.expunge_all()
        for row in orphans:
            self._notify(row, None)
        return orphans

    def problems(self) -> str:
        """What the database itself finds wrong with its own file; empty when nothing, or when it looks after itself."""
        if self._engine.dialect.name != "sqlite":
            return ""
        with self.session() as session:
            found = session.execute(text("pragma quick_check(3)")).scalars().all()
        return "" if found == ["ok"] else "; ".join(map(str, found))

    def orphans(self) -> list[Activity]:
        """The running activities of dead processes, which `fail_orphans` would close."""
        with self.session() as session:
            found = _orphans(session)
            session.expunge_all()
        return found

    def died(self, run_ids: Sequence[str]) -> set[str]:
        """Those runs of an orchestrator whose process died at work, and of which nothing else is under way."""
        query = select(Activity.run_id, Activity.status, Activity.error).where(Activity.run_id.in_(run_ids))
        with self.session() as session:
            rows = session.execute(query).all()
        alive = {row.run_id for row in rows if row.status == RUNNING}
        return {row.run_id for row in rows if row.error == DIED} - alive

    def recent(
        self, *, source: str | None = None, kind: str | None = None, since: datetime | None = None, limit: int = 50
    ) -> list[Activity]:
        """The newest activities, newest first.

        Args:
            since: only those that started after it, by the clock of then.
        """
        query = select(Activity).order_by(Activity.turn.desc(), Activity.id.desc()).limit(limit)
        if source is not None:
            query = query.where(Activity.source == source)
        if kind is not None:
            query = query.where(Activity.kind == kind)
        if since is not None:
            query = query.where(Activity.started_at > since)
        with self.session() as session:
            rows = list(session.scalars(query))
            session.expunge_all()
        return rows

    def recent_of_each(self, source: str, kinds: Sequence[str], *, limit: int) -> list[Activity]:
        """The newest activities of each of these kinds, newest first: at most so many of each."""
        asked = {"source": source, "kinds": kinds, "most": limit}
        with self.session() as session:
            rows = list(session.scalars(_newest_of_each(), asked))
            session.expunge_all()
        return rows

    def made(self, source: str, backup_id: str) -> Activity | None:
        """The attempt that made a restore point; None when this ledger does not know of it."""
        query = select(Activity).where(
            Activity.source == source, Activity.backup_id == backup_id, Activity.kind.in_(("dump", "adopt"))
        )
        with self.session() as session:
            found = session.scalars(query.where(Activity.status == SUCCEEDED).limit(1)).first()
            session.expunge_all()
        return found

    def movements(self, source: str) -> list[Activity]:
        """Every attempt that made a restore point of a source, or a copy, and succeeded; every one to remove it.

        Oldest first. Who was killed while it was removing one may have done so.
        """
        with self.session() as session:
            rows = list(session.scalars(_movements(), {"source": source}))
            session.expunge_all()
        return rows

    def running(self, source: str) -> list[Activity]:
        """What is under way on a source, newest first."""
        query = select(Activity).where(Activity.status == RUNNING, Activity.source == source)
        with self.session() as session:
            rows = list(session.scalars(query.order_by(Activity.turn.desc())))
            session.expunge_all()
        return rows

    def _take_turns(self, session: Session) -> None:
        """Nobody else writes an activity before the end of this transaction: each gets a turn of its own."""
        if self._engine.dialect.name == "sqlite":
            session.connection().exec_driver_sql("begin immediate")
        else:
            session.execute(text(f"select pg_advisory_xact_lock({_TURN_LOCK})"))

    def _close(self, identifier: str, entry: Entry, watch: Stopwatch, raised: BaseException | None) -> None:
        """Write down how an attempt ended, unless that is written down already."""
        with self.session() as session:
            row = session.get_one(Activity, identifier)
            if row.status != RUNNING:
                return
            if isinstance(raised, SafetyRefusal):
                entry.meta[REFUSED] = True
            if raised is not None and not isinstance(raised, Exception):  # Ctrl-C, or whoever runs us was told to stop
                entry.meta[CANCELLED] = True
            error = _said(raised) if raised is not None else entry.failure
            row.backup_id, row.store, row.meta = entry.backup_id, entry.store, entry.meta
            self._end(session, row, FAILED if error else SUCCEEDED, error, watch)
        self._notify(row, raised)

    def _notify(self, row: Activity, raised: BaseException | None) -> None:
        log_outcome(row)
        if self._observer is not None:
            self._observer.ended(row, raised)

    def _end(
        self, session: Session, row: Activity, status: str, error: str | None, watch: Stopwatch | None = None
    ) -> None:
        row.status, row.error, row.finished_at = status, error, self._clock.now()
        took = row.finished_at - row.started_at
        row.duration_s = max(0.0, (watch.took(took) if watch is not None else took).total_seconds())
        count(session, row)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction, for the rooms of the ledger: committed at the end of the block. Raises LedgerError."""
        # Who is stopped still writes down how it ended. A server could keep us waiting for ever; a file cannot.
        held = Held() if self._engine.dialect.name == "sqlite" else nullcontext()
        try:
            with held, Session(self._engine, expire_on_commit=False) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            raise _translated(error, self._engine.url, safe="restore points that were published stay") from None


def _said(error: BaseException) -> str:
    if not isinstance(error, Exception):
        return "it was cancelled"
    return redact(str(error)) or type(error).__name__


def with_driver(text: str) -> URL:
    """The URL with the driver that we bring. Raises LedgerError, SQLAlchemyError."""
    try:
        url = make_url(text.strip().strip("'\""))
    except (ArgumentError, ValueError):
        # Their own words quote what they stumbled over: half a password, perhaps.
        raise LedgerError(
            "the ledger's URL cannot be read",
            why="in user and password write @ : / ? # % as %40 %3A %2F %3F %23 %25",
            safe="nothing was started; existing backups are untouched",
            next="write it like postgresql://user:password@host:5432/database",
        ) from None
    if url.host and "@" in url.host:  # SQLAlchemy ends a password at the first @
        rest, _, host = url.host.rpartition("@")
        url = url.set(password=f"{url.password}@{rest}", host=host)
    if url.password:
        register(str(url.password))
    if url.drivername == "postgres" or url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite":
        raise LedgerError(
            f"the ledger cannot be kept in {url.get_backend_name()}",
            why="it needs locking that only SQLite and PostgreSQL offer",
            safe="nothing was started; existing backups are untouched",
            next="ledger: in ops.yaml takes postgresql://… or nothing, which is SQLite below base",
        )
    return url


def _orphans(session: Session) -> list[Activity]:
    running = session.scalars(select(Activity).where(Activity.status == RUNNING)).all()
    return [row for row in running if row.host == socket.gethostname() and not alive(row.holder)]


def sqlite_url(path: Path) -> str:
    """The URL of a ledger in a file; its directory is made, and only we may read it."""
    try:
        durable.make_directory(path.parent)
        path.touch(mode=0o600)
    except OSError as error:
        mounted = f'mount -o remount,rw "$(findmnt -no TARGET --target {shell(str(path.parent))})"'
        raise LedgerError(
            f"the ledger {path} cannot be written",
            why=error.strerror or str(error),
            safe="nothing was started; existing backups are untouched, and ops restore works without a ledger",
            next=mounted
            if error.errno == errno.EROFS
            else f"make {path.parent} writable for this user, or set base in ops.yaml",
        ) from None
    return f"sqlite:///{path}"


def _migrate(engine: Engine) -> None:
    """Bring the schema to `HEAD`; alembic is loaded only when there is something to do."""
    with engine.connect() as connection:
        if inspect(connection).has_table("alembic_version"):
            current = connection.execute(text("select version_num from alembic_version")).scalar()
            if current == HEAD:
                return
            if str(current) > HEAD or not _is_ours(str(current)):
                raise LedgerError(
                    f"the ledger has schema {current}, and this version of ops_pipelines knows {HEAD}",
                    why="a newer version has used it",
                    safe="nothing was started; existing backups are untouched",
                    next=f"{INSTALL_NEWER}; or name another ledger in ops.yaml",
                )
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("begin immediate")  # two first starts at once: one waits
        elif engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({_MIGRATION_LOCK})")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def _is_ours(revision: str) -> bool:
    """Whether there is a migration of that name, which can be gone on from."""
    return any(path.name.startswith(f"{revision}_") for path in (_MIGRATIONS / "versions").glob("*.py"))


def _sqlite_defaults(connection: Any, _record: object) -> None:
    for pragma in ("journal_mode=wal", "synchronous=full", "busy_timeout=30000", "foreign_keys=on"):
        connection.execute(f"pragma {pragma}")


def _translated(error: Exception, url: URL | None = None, *, safe: str = "nothing was started") -> LedgerError:
    file = url.database if url is not None and url.get_backend_name() == "sqlite" else None
    return LedgerError(
        f"the ledger {f'{file} ' if file else ''}(ops_activities) cannot be used",
        why=str(error.__cause__ or error).splitlines()[0],
        safe=f"{safe}; existing backups are untouched",
        next=f"look at its disk, then run this again: df -h {shell(str(Path(file).parent))}"
        if file
        else "check its server, and the ledger URL in ops.yaml",
    )
