"""Rules about attempts: what failed, how often in a row, what was found. They ask the ledger and touch nothing else.

So they are quick, and they speak when every store is out of reach. A rule holds from the attempt that failed to the
next one that went well; one that is under way changes nothing yet.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from ops_pipelines.chronology import age, believed
from ops_pipelines.clock import moment_of
from ops_pipelines.config.cadence import longest_interval
from ops_pipelines.config.models import Config
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.engines.source import Source
from ops_pipelines.errors import recall
from ops_pipelines.language.said import Word, counted, said
from ops_pipelines.ledger.alerts import AlertLedger, Attempt
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import CANCELLED, FAILED, REFUSED
from ops_pipelines.outages import Ended
from ops_pipelines.vault.stores.registry import LOCAL
from ops_pipelines.watch.alerts.conditions import Condition, GoodPoint

RULES: Mapping[str, str] = {
    "dump_failed": "the last dump failed; critical from the second in a row",
    "copy_failed": "the last copy to a store failed; critical from the second in a row",
    "verify_failed": "the newest backup was restored and is bad; critical from the second in a row",
    "verify_inconclusive": "no verification reached a verdict for longer than the time between two backups",
    "older_backup_bad": "an older copy was verified again and is bad",
    "needs_a_look": "the newest backup is good, but of an odd size, or something else in it is notable",
    "restore_failed": "a restore failed within the last 24 hours",
    "cancelled": "a run was cancelled within the last 24 hours, and no run of its kind followed",
    "retention_refused": "retention was refused or could not delete: nothing is deleted any more",
    "outage_left": "a drill that had stopped a server with the user's own command died, and the server does not start",
}
# Who typed a restore saw it fail; the others learn of it, and need not until somebody restores again.
_RESTORE_FORGOTTEN = timedelta(hours=24)
_STOPPABLE: Mapping[str, str] = {"dump": "dump", "copy": "copy", "verify": "verify"}
_AGAIN: Mapping[str, str] = {
    "dump": "ops backup {name}", "copy": "ops copy {name} --to {store}", "verify": "ops verify {name}",
}  # fmt: skip


@dataclass(frozen=True)
class _History:
    """What was attempted with one source, newest first, the unfinished left out."""

    name: str
    source: Source
    timezone: str
    now: datetime
    rows: Sequence[Attempt]

    def of(self, kind: str) -> list[Attempt]:
        return [row for row in self.rows if row.kind == kind and CANCELLED not in row.meta]

    def cancelled(self, kind: str) -> Attempt | None:
        """The newest of a kind, when it was cancelled."""
        newest = next((row for row in self.rows if row.kind == kind), None)
        return newest if newest is not None and CANCELLED in newest.meta else None

    @property
    def stores(self) -> Sequence[str]:
        return (LOCAL, *self.source.copies)


def attempts(config: Config, ledger: Ledger, name: str, now: datetime) -> list[Condition]:
    """What is wrong with the attempts at one source. Raises LedgerError."""
    rows = _dated(AlertLedger(ledger).attempts(name), now)
    history = _History(name, config.source(name), config.timezone, now, rows)
    proofs = history.of("verify")
    found = [
        *_dump(history),
        *_copies(history),
        *_proofs(history, proofs),
        *_restore(history),
        *_retention(history),
        *_cancelled(history),
    ]
    if not found:
        return []
    good = _good(history, proofs)
    return [replace(each, good=good) for each in found]


def _dated(rows: Sequence[Attempt], now: datetime) -> list[Attempt]:
    """The same, newest first; where a wrong clock dated one, with a time that it is no older than."""
    times = believed([row.started_at for row in reversed(rows)], now)
    return [row._replace(started_at=at or now) for row, at in zip(rows, reversed(times), strict=True)]


def still_down(outage: Ended) -> Condition:
    """A server that a drill stopped before it died, and that does not start: nothing is louder."""
    return Condition(
        "outage_left", "critical", outage.source, "health", said("stopped by a drill that died, and does not start"),
        outage.problem, outage.command,
    )  # fmt: skip


def _dump(history: _History) -> Iterator[Condition]:
    failed = _streak(history.of("dump"), _has_failed)
    if failed:
        phase = kind_of(history.source.kind).step
        yield _failure("dump_failed", phase, history, failed, f"ops backup {history.name}")


def _copies(history: _History) -> Iterator[Condition]:
    rows = history.of("copy")
    for store in history.source.copies:
        failed = _streak([row for row in rows if row.store == store], _has_failed)
        if failed:
            yield _failure("copy_failed", "copy", history, failed, f"ops copy {history.name} --to {store}", store)


def _proofs(history: _History, rows: Sequence[Attempt]) -> Iterator[Condition]:
    """A broken verifier marks no backup bad: it is told of when it stays broken."""
    patience = longest_interval(history.source.every, history.timezone)
    for store in history.stores:
        here = [row for row in rows if row.store == store]
        # Of bytes that are bad in one store `copy_damaged` tells, with what heals them.
        conclusive = [row for row in here if _outcome(row) != "inconclusive" and row.meta.get("blames") != "copy"]
        # An old backup that is still good does not say that the newest is, nor the other way round.
        newer = [row for row in conclusive if not row.meta.get("again")]
        if bad := _streak(newer, lambda row: _outcome(row) == "bad"):
            yield _failure("verify_failed", "verify", history, bad, f"ops backup {history.name}", store)
        elif newer and (notable := newer[0].meta.get("notable")):
            yield _odd(history, newer[0], notable, store)
        if older := _bad_older(history, [row for row in conclusive if row.meta.get("again")], store):
            yield _older(history, older, store)
        unsure = _streak(here, lambda row: _outcome(row) == "inconclusive")
        if unsure and history.now - unsure[-1].started_at > patience:
            yield _inconclusive(history, unsure, store)


def _bad_older(history: _History, proofs: Sequence[Attempt], store: str) -> list[Attempt]:
    """The last proofs of older backups that were bad, unless the copy was replaced or deleted since."""
    last: dict[str | None, Attempt] = {}
    for row in proofs:
        last.setdefault(row.backup_id, row)
    mended: dict[str | None, int] = {}
    for row in (*history.of("copy"), *history.of("prune")):
        if row.status != FAILED and row.store == store:
            mended.setdefault(row.backup_id, row.turn)
    return [
        row
        for backup_id, row in last.items()
        if _outcome(row) == "bad" and not (backup_id in mended and mended[backup_id] > row.turn)
    ]


def _older(history: _History, bad: Sequence[Attempt], store: str) -> Condition:
    cause, _ = _cause_and_advice(bad[0])
    title = counted("an older backup is bad", "{count} older backups are bad", len(bad))
    cause = said("{id} in {store}: {cause}", id=bad[0].backup_id, store=store, cause=cause)
    return Condition(
        "older_backup_bad", "error", history.name, "verify", title, cause,
        f"ops copy {history.name} --to {store}; ops list {history.name}", store,
        run_id=bad[0].run_id, backup=bad[0].backup_id or "",
    )  # fmt: skip


def _odd(history: _History, row: Attempt, notable: Sequence[str], store: str) -> Condition:
    return Condition(
        "needs_a_look", "warn", history.name, "verify", said("the backup is good, but needs a look"),
        f"{row.backup_id}: {'; '.join(notable)}", f"ops list {history.name}", store,
        run_id=row.run_id, backup=row.backup_id or "",
    )  # fmt: skip


def _inconclusive(history: _History, unsure: Sequence[Attempt], store: str) -> Condition:
    lasts = history.now - unsure[-1].started_at
    cause, _ = _cause_and_advice(unsure[0])
    return Condition(
        "verify_inconclusive", "warn", history.name, "verify", said("verify inconclusive for {span}", span=lasts),
        cause, f"fix the verifier, then: ops verify {history.name}", store,
        run_id=unsure[0].run_id, backup=unsure[0].backup_id or "",
    )  # fmt: skip


def _restore(history: _History) -> Iterator[Condition]:
    # What was refused for safety was refused to whoever typed it: nothing is broken.
    tried = [row for row in history.of("restore") if REFUSED not in row.meta]
    failed = _streak(tried, _has_failed)
    if failed and history.now - failed[0].started_at < _RESTORE_FORGOTTEN:
        yield _failure("restore_failed", "restore", history, failed, f"ops list {history.name}")


def _retention(history: _History) -> Iterator[Condition]:
    failed = _streak(history.of("prune"), _has_failed)
    if failed:
        cause, advice = _cause_and_advice(failed[0])
        yield Condition(
            "retention_refused", "warn", history.name, "retention", said("nothing is deleted any more"), cause,
            advice or f"ops prune {history.name}", run_id=failed[0].run_id, backup=failed[0].backup_id or "",
        )  # fmt: skip


def _cancelled(history: _History) -> Iterator[Condition]:
    """Somebody wanted it so: it is told once, and over with the next attempt or after a day."""
    for kind, phase in _STOPPABLE.items():
        row = history.cancelled(kind)
        if row is not None and history.now - row.started_at < _RESTORE_FORGOTTEN:
            yield Condition(
                "cancelled", "warn", history.name, phase, said("{step} was cancelled", step=Word(phase)),
                said("somebody stopped it, or its machine was shut down"),
                _AGAIN[kind].format(name=history.name, store=row.store or ""),
                run_id=row.run_id, backup=row.backup_id or "",
            )  # fmt: skip
            return


def _failure(
    rule: str, phase: str, history: _History, failed: Sequence[Attempt], advice: str, store: str = ""
) -> Condition:
    """A failure; critical from the second in a row."""
    cause, better = _cause_and_advice(failed[0])
    title = counted("{step} failed", "{step} failed, {count} times in a row", len(failed), step=Word(phase))
    if len(failed) == 2:
        title = said("{step} failed, twice in a row", step=Word(phase))
    return Condition(
        rule, "critical" if len(failed) > 1 else "error", history.name, phase, title, cause,
        better or advice, store, run_id=failed[0].run_id, backup=failed[0].backup_id or "",
    )  # fmt: skip


def _streak(rows: Sequence[Attempt], so: Callable[[Attempt], bool]) -> list[Attempt]:
    """The newest rows of which something holds, up to the first of which it does not."""
    return list(takewhile(so, rows))


def _has_failed(row: Attempt) -> bool:
    return row.status == FAILED


def _outcome(row: Attempt) -> str:
    """Of a verification; one that was killed or broke found out nothing."""
    return str(row.meta.get("outcome", "inconclusive"))


def _cause_and_advice(row: Attempt) -> tuple[str, str]:
    """The cause of a failure and the next command, from the sentences that were recorded."""
    cause, _safe, advice = recall(row.error)
    return cause, advice


def _good(history: _History, proofs: Sequence[Attempt]) -> GoodPoint | None:
    """The newest restore point whose latest proof is good, as far as the ledger knows."""
    latest: dict[str, Attempt] = {}
    for row in proofs:
        if row.backup_id and _outcome(row) != "inconclusive":
            latest.setdefault(row.backup_id, row)
    verified = [backup_id for backup_id, row in latest.items() if _outcome(row) == "verified"]
    if not verified:
        return None
    taken = {row.backup_id: row.turn for row in reversed(history.of("dump"))}
    newest = max(verified, key=lambda backup_id: (taken.get(backup_id, 0), backup_id))
    at = moment_of(newest)
    known = age(at, history.now) is not None
    return GoodPoint(newest, at if known else None, str(latest[newest].meta.get("words", "")))
