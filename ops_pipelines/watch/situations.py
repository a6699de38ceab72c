"""What can be the matter with a source, in words: what is wrong, why, what is still safe, and the command to type.

One function for each situation. Health finds out which ones hold; every face (command line, status page, report,
alerts, Dagster, doctor) shows these words and no others, so that one situation reads the same wherever it is met.
Nothing here looks at anything.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ops_pipelines.errors import INSTALL_NEWER, OpsError, recall
from ops_pipelines.language.said import Words, counted, said, worded
from ops_pipelines.proof import Gap
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.vault.faults import Fault
from ops_pipelines.vault.verdict import Verdict

State = Literal["OK", "WEAK", "STALE", "UNKNOWN", "OVERDUE", "FAIL", "NEVER"]
Kind = Literal[
    "attempt_failed", "backup_bad", "clock_wrong", "copy_behind", "copy_damaged", "copy_lost", "drill_failed",
    "drill_overdue", "ledger_unreadable", "needs_a_look", "never_backed_up", "never_drilled", "never_proved",
    "nothing_verified", "proof_weaker", "recovery_point_ageing", "recovery_point_old", "step_old", "store_unreadable",
    "strangers", "verdict_damaged", "verify_inconclusive", "verify_overdue",
]  # fmt: skip
SET_CLOCK = "timedatectl"
"""Tells the time it is here, and whether anything keeps it right."""
_CLOCK = said("this machine's clock is wrong, or was then")
_UNUSED = said("nothing uses it")
_LAST_FAILED = said("the last attempt failed")


class Situation(BaseModel):
    """One thing that is the matter with a source.

    Attributes:
        state: how bad that is.
        what: what is wrong, in half a sentence.
        why: the cause, as far as it is known.
        safe: what is still safe.
        next: the command to type, as it can be typed.
        store: the store it is about, `backup_id` the restore point.
    """

    model_config = ConfigDict(frozen=True)

    kind: Kind
    source: str
    state: State
    what: Words
    why: Words = ""
    safe: Words = ""
    next: str = ""
    store: str = ""
    backup_id: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What makes two of them the same for a reader: one advice is enough for both."""
        return self.kind, self.store

    @property
    def cause(self) -> str:
        """What is wrong and why, in one line."""
        return said("{what}: {why}", what=self.what, why=self.why) if self.why else self.what


def clock_wrong(source: str, points: Sequence[RestorePoint], now: datetime, *, age_known: bool) -> Situation:
    """Restore points are dated in the future, or by a clock that went backward.

    Args:
        points: those that no clock can date.
        age_known: whether others show all the same that the recovery point is young enough.
    """
    newest = points[-1]
    if newest.started_at > now:
        what = counted(
            "{id} is dated in the future, by up to {ahead}",
            "{count} restore points are dated in the future, by up to {ahead}",
            len(points),
            id=newest.id,
            ahead=newest.started_at - now,
        )
    else:
        what = said("{id} has one place among the backups by its clock, and another by its number", id=newest.id)
    why = _CLOCK if age_known else said("this machine's clock is wrong, or was then; nobody knows how old it is")
    return Situation(
        kind="clock_wrong", source=source, state="STALE" if age_known else "UNKNOWN", what=what, why=why,
        safe=said("no backup is deleted or marked bad because of it"),
        next=f"{SET_CLOCK}; then: ops backup {source}", backup_id=newest.id,
    )  # fmt: skip


def never_backed_up(source: str, *, foreign: str = "") -> Situation:
    """There is no restore point of ours.

    Args:
        foreign: whose others lie there.
    """
    what = said("never backed up here; {foreign}", foreign=foreign) if foreign else said("never backed up")
    return Situation(kind="never_backed_up", source=source, state="NEVER", what=what, next=f"ops backup {source}")


def of_another(found: Situation, installation: str, *, silent: bool) -> Situation:
    """The same of a source that another installation takes, where the advice is to take a backup: nobody can here.

    Args:
        installation: which one.
        silent: it has brought nothing for longer than it should.
    """
    if found.next != f"ops backup {found.source}":
        return found
    if not silent:
        return found.model_copy(update={"next": f"ops verify {found.source}"})
    why = said("the site is silent: {installation} has brought nothing new", installation=installation)
    return found.model_copy(update={"why": why, "next": f"ops backup {found.source}   # at {installation}"})


def nothing_verified(source: str, count: int) -> Situation:
    """There are restore points, and none was ever restored and found good."""
    what = counted("{count} backed up, none of them verified", "{count} backed up, none of them verified", count)
    return Situation(kind="nothing_verified", source=source, state="NEVER", what=what, next=f"ops verify {source}")


def strangers(source: str, words: str, *, state: State, next: str) -> Situation:
    """Something in a store cannot be read, or is not what it should be; `told` says what."""
    return Situation(kind="strangers", source=source, state=state, what=words, safe=_UNUSED, next=next)


def backup_bad(source: str, backup_id: str, reason: str, *, in_a_row: int = 1, good: str = "") -> Situation:
    """A backup was restored and is bad, wherever it lies.

    Args:
        in_a_row: how many of the newest are.
        good: the newest verified restore point.
    """
    what = counted("the backup {id} is bad", "the backup {id} is bad, {count} in a row", max(in_a_row, 1), id=backup_id)
    return Situation(
        kind="backup_bad", source=source, state="FAIL", what=what, why=reason,
        safe=_untouched(good), next=f"ops backup {source}", backup_id=backup_id,
    )  # fmt: skip


def copy_damaged(source: str, store: str, backup_id: str, reason: str, *, sound: Sequence[str]) -> Situation:
    """A copy is not what was published.

    Args:
        sound: the stores whose copy of it is not known to be damaged.
    """
    if sound:
        what = said("the copy of {id} in {store} is bad", id=backup_id, store=store)
        safe = said("the copy is good in {stores}", stores=sound)
        advice = f"ops copy {source} --to {store}"
    else:
        what = said("every copy of {id} is bad", id=backup_id)
        safe = said("other restore points are untouched")
        advice = f"ops backup {source}"
    return Situation(
        kind="copy_damaged", source=source, state="FAIL", what=what, why=reason, safe=safe, next=advice, store=store,
        backup_id=backup_id,
    )  # fmt: skip


def damage(source: str, catalogue: Catalogue, fault: Fault) -> Situation:
    """The same, for a fault that the catalogue has found."""
    point = catalogue.find(fault.id)
    damaged = {each.store for each in catalogue.damage if each.id == fault.id}
    sound = [store for store in point.stores if store not in damaged] if point is not None else []
    return copy_damaged(source, fault.store, fault.id, fault.words, sound=sound)


def proved_badly(source: str, verdict: Verdict, catalogue: Catalogue) -> Situation:
    """A proof that did not succeed: of the backup, of the bytes in one store, or of the verifier.

    Args:
        catalogue: as it is with this verdict in it.
    """
    if verdict.outcome != "bad":
        return verify_inconclusive(source, verdict.reason)
    fault = Fault(verdict.store, verdict.backup_id, "damaged", verdict.reason)
    if verdict.blames == "copy":
        return damage(source, catalogue, fault)
    good = catalogue.recovery_point
    return backup_bad(source, verdict.backup_id, verdict.reason, good=good.id if good is not None else "")


def recovery_point_old(source: str, age: timedelta, rpo: timedelta) -> Situation:
    """The newest verified restore point is older than the RPO allows."""
    what = said("the recovery point is {age} old, rpo is {rpo}", age=age, rpo=rpo)
    return Situation(kind="recovery_point_old", source=source, state="FAIL", what=what, next=f"ops backup {source}")


def recovery_point_ageing(source: str, age: timedelta) -> Situation:
    """It is still young enough, and will not be for long."""
    what = said("the recovery point is {age} old", age=age)
    return Situation(kind="recovery_point_ageing", source=source, state="STALE", what=what, next=f"ops backup {source}")


def step_old(source: str, age: timedelta, rpo: timedelta) -> Situation:
    """What a step has made last is older than the RPO allows, or will be soon."""
    old = age > rpo
    what = said("{age} old, rpo is {rpo}", age=age, rpo=rpo) if old else said("{age} old", age=age)
    state: State = "FAIL" if old else "STALE"
    return Situation(kind="step_old", source=source, state=state, what=what, next=f"ops backup {source}")


def attempt_failed(
    source: str, recorded: str | None, *, state: State, next: str, what: str = _LAST_FAILED
) -> Situation:
    """The last attempt at a step failed: that alone makes no recovery point too old.

    Args:
        recorded: the sentences of its error, as the ledger has them: what, why, safe, next.
        next: the command to type when the error names none.
        what: which attempt; empty where the error says so itself.
    """
    cause, safe, advice = recall(recorded)
    texts = {"what": what, "why": cause} if what else {"what": cause}
    return Situation(kind="attempt_failed", source=source, state=state, safe=safe, next=advice or next, **texts)


def store_unreadable(source: str, fault: Fault) -> Situation:
    """A store cannot be read, or what a newer version wrote there, so nobody knows what is in it."""
    newer = fault.problem == "newer"
    return Situation(
        kind="store_unreadable", source=source, state="UNKNOWN", what=fault.words,
        safe=said("nothing uses, replaces or deletes it") if newer else said("the copies in other stores"),
        next=INSTALL_NEWER if newer else f"ops list {source}", store=fault.store,
    )  # fmt: skip


def copy_behind(source: str, store: str, *, nothing: bool) -> Situation:
    """A store lacks the newest backups, or has none at all."""
    what = said("the newest two backups are not in it")
    if nothing:
        what = said("nothing of {source} is in {store}", source=source, store=store)
    state: State = "NEVER" if nothing else "STALE"
    advice = f"ops copy {source} --to {store}"
    return Situation(kind="copy_behind", source=source, state=state, what=what, next=advice, store=store)


def copy_lost(source: str, store: str, lost: Sequence[str]) -> Situation:
    """Copies are gone that nothing of ours removed."""
    what = counted(
        "{id} is gone, and no prune removed it",
        "{count} copies are gone, the newest is {id}, and no prune removed it",
        len(lost),
        id=lost[-1],
    )
    advice = f"ops copy {source} --to {store}"
    return Situation(kind="copy_lost", source=source, state="STALE", what=what, next=advice, store=store)


def verdict_damaged(source: str, store: str, words: str) -> Situation:
    """What a store keeps of a proof is not what was signed."""
    advice = f"ops copy {source} --to {store}"
    return Situation(kind="verdict_damaged", source=source, state="STALE", what=words, next=advice, store=store)


def never_proved(source: str) -> Situation:
    """Nothing was ever restored."""
    what = said("no backup was ever restored and compared")
    return Situation(kind="never_proved", source=source, state="NEVER", what=what, next=f"ops verify {source}")


def verify_overdue(source: str, age: timedelta, allowed: timedelta) -> Situation:
    """No good proof for too long."""
    what = said("last verified {age} ago, {allowed} is allowed", age=age, allowed=allowed)
    return Situation(kind="verify_overdue", source=source, state="OVERDUE", what=what, next=f"ops verify {source}")


def verify_inconclusive(source: str, reason: str) -> Situation:
    """A verification found nothing out."""
    return Situation(
        kind="verify_inconclusive", source=source, state="STALE", what=said("the newest verification was inconclusive"),
        why=reason, safe=said("the backup is not marked bad"), next=f"ops verify {source}",
    )  # fmt: skip


def proof_weaker(source: str, words: str, gap: Gap, next: str) -> Situation:
    """The proof compared less than is configured; `told` is what the proof is called."""
    what = said("{words}; {gap}: {why}", words=worded(words), gap=gap.what, why=gap.why)
    return Situation(kind="proof_weaker", source=source, state="WEAK", what=what, next=next)


def needs_a_look(source: str, backup_id: str, notable: Sequence[str]) -> Situation:
    """A backup is good, and something about it is odd."""
    return Situation(
        kind="needs_a_look", source=source, state="STALE", what=said("{id} is good, but needs a look", id=backup_id),
        why="; ".join(notable), next=f"ops list {source}", backup_id=backup_id,
    )  # fmt: skip


def never_drilled(source: str, next: str) -> Situation:
    """Nobody has rehearsed a recovery."""
    return Situation(kind="never_drilled", source=source, state="NEVER", what=said("no disaster drill yet"), next=next)


def drill_failed(source: str, recorded: str | None, next: str) -> Situation:
    """The last rehearsal failed."""
    cause, safe, _advice = recall(recorded)
    return Situation(
        kind="drill_failed",
        source=source,
        state="FAIL",
        what=said("the last drill failed"),
        why=cause,
        safe=safe,
        next=next,
    )


def drill_overdue(source: str, age: timedelta, allowed: timedelta, next: str) -> Situation:
    """The last rehearsal is too long ago."""
    what = said("last drilled {age} ago, {allowed} is allowed", age=age, allowed=allowed)
    return Situation(kind="drill_overdue", source=source, state="OVERDUE", what=what, next=next)


def ledger_unreadable(source: str, error: OpsError | None) -> Situation:
    """What only the ledger knows is not known.

    Args:
        error: what it said.
    """
    return Situation(
        kind="ledger_unreadable", source=source, state="UNKNOWN", what=said("the ledger cannot be read"),
        why=error.what if error is not None else "", safe=said("backups and verdicts are in the stores"),
        next=(error.next if error is not None else "") or "look at the disk of base, then: ops status",
    )  # fmt: skip


def undated(source: str, what: str, next: str) -> Situation:
    """A step whose last success is dated in the future, so that nobody knows how long ago it was."""
    return Situation(
        kind="clock_wrong", source=source, state="UNKNOWN", what=what, why=_CLOCK,
        next=next,
    )  # fmt: skip


def _untouched(good: str) -> str:
    return said("the last verified backup is untouched: {id}", id=good) if good else ""
