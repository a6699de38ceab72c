"""Rules about how things stand: ages against what was promised, copies, room on the disks. They read the stores.

Ages and states come from `watch.health`; what is taken from it is taken here. Where an attempt failed, `attempts` tells
it: these rules speak when nothing was attempted at all, or when what is there has grown too old.

What will go wrong is told in `ahead`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipelines.clock import human_duration
from ops_pipelines.config.alerts import Severity
from ops_pipelines.config.cadence import longest_interval
from ops_pipelines.config.settings import Settings
from ops_pipelines.watch.alerts.conditions import Condition, GoodPoint
from ops_pipelines.watch.health import SourceHealth
from ops_pipelines.watch.phases import PhaseHealth
from ops_pipelines.workspace import Workspace

RULES: Mapping[str, str] = {
    "rpo": "the newest verified backup is older than `warn_after` (warn) or `rpo` (critical), or there is none (error)",
    "clock_wrong": "a restore point is dated in the future, so a clock is wrong, or was",
    "proof_weaker": "the newest proof compared less than `fingerprint` asks for",
    "rto_over_target": "the last good restore took longer than `rto`",
    "dump_stale": "a scheduled dump or snapshot did not come; error when none came for 24 hours",
    "copy_behind": "a store misses the newest two backups",
    "copy_damaged": "a copy is not what was published: it was proved bad, or a file of it is changed or missing",
    "verdict_damaged": "what a store keeps of a proof cannot be read, or is not what was signed",
    "copy_lost": "a copy that was there is gone, and no prune removed it",
    "store_unreadable": "a store, or what a source has in the stores, cannot be read",
    "verify_overdue": "no restore was found good for longer than `verify.overdue_after`",
    "drill_overdue": "no disaster drill passed within `drills.overdue_after`; error when the last one failed",
}
_MISSING = timedelta(hours=24)


@dataclass(frozen=True)
class _Standing:
    """One source, judged."""

    workspace: Workspace
    health: SourceHealth
    settings: Settings
    interval: timedelta
    now: datetime

    @property
    def newest_age(self) -> timedelta | None:
        return next((step.age for step in self.health.phases if step.phase in ("dump", "snapshot")), None)

    def dumping(self) -> bool:
        return any(row.kind == "dump" for row in self.workspace.ledger.running(self.health.source))


def standing(workspace: Workspace, health: SourceHealth, now: datetime) -> list[Condition]:
    """What is wrong with how one source stands."""
    settings = workspace.source(health.source)
    this = _Standing(workspace, health, settings, longest_interval(settings.every, workspace.config.timezone), now)
    return [*_clock(this), *_rpo(this), *_proof(this), *_rto(this), *_dump(this), *_phases(this)]


def unjudged(name: str, why: str) -> Condition:
    """Nothing is known of a source, which is not good news."""
    return Condition(
        "store_unreadable", "error", name, "health", "its state cannot be told", why, f"ops status; ops list {name}"
    )


def _clock(this: _Standing) -> Iterator[Condition]:
    """Restore points from the future: how old they are nobody knows, and whether others are as old as they look."""
    if (wrong := this.health.clock) is not None:
        yield _condition(this, "clock_wrong", "error", "health", "a clock is wrong", wrong.cause, wrong.next)


def _rpo(this: _Standing) -> Iterator[Condition]:
    health = this.health
    if health.recovery_point is None:
        what = f"{health.restore_points} backed up, none of them verified" if health.newest else "never backed up"
        advice = f"ops verify {health.source}" if health.newest else f"ops backup {health.source}"
        yield _condition(this, "rpo", "error", "health", "RPO broken", what, advice)
    elif health.age is not None and health.age > health.warn_after and health.state != "UNKNOWN":
        cause = f"the recovery point is {human_duration(health.age)} old, rpo is {human_duration(health.rpo)}"
        advice = f"ops backup {health.source}"
        if health.age > health.rpo:
            yield _condition(this, "rpo", "critical", "health", "RPO broken", cause, advice)
        else:
            yield _condition(this, "rpo", "warn", "health", "RPO at risk", cause, advice)


def _proof(this: _Standing) -> Iterator[Condition]:
    """The backup was restored, but of what was not compared nobody knows whether it came back."""
    proof = this.health.proof
    if proof is not None and proof.weaker:
        gaps = "; ".join(f"{gap.what}: {gap.why}" for gap in proof.gaps)
        cause = f"{proof.backup_id} is {proof.words}; not compared: {gaps}"
        yield _condition(this, "proof_weaker", "warn", "verify", "weaker proof than configured", cause, proof.next)


def _rto(this: _Standing) -> Iterator[Condition]:
    took = timedelta(seconds=this.health.restore_s or 0)
    if took > this.settings.rto:
        cause = f"the last restore took {human_duration(took)}, rto is {human_duration(this.settings.rto)}"
        advice = f"ops list {this.health.source}"
        yield _condition(this, "rto_over_target", "warn", "verify", "RTO over target", cause, advice)


def _dump(this: _Standing) -> Iterator[Condition]:
    """A scheduled run did not come. With no backup at all, the RPO rule speaks."""
    due, age = this.interval + this.settings.rto, this.newest_age
    if age is None or age <= due:
        return
    missing = age > max(_MISSING, due)
    if not missing and this.dumping():
        return  # it did come, and takes its time
    phase = "snapshot" if this.health.kind == "files" else "dump"
    cause = f"the newest backup is {human_duration(age)} old; one is due every {human_duration(this.interval)}"
    advice = f"ops backup {this.health.source}"
    if missing:
        yield _condition(this, "dump_stale", "error", phase, f"no {phase} for {human_duration(age)}", cause, advice)
    else:
        yield _condition(this, "dump_stale", "warn", phase, f"{phase} stale", cause, advice)


def _phases(this: _Standing) -> Iterator[Condition]:
    for phase in this.health.phases:
        if phase.phase == "copy":
            yield from _copy(this, phase)
        elif phase.phase == "verify" and phase.state == "OVERDUE" and this.health.newest_verdict != "verified":
            # With the newest proved, it is the dumps that do not come.
            yield _condition(this, "verify_overdue", "error", "verify", "verify overdue", phase.cause, phase.next)
        elif phase.phase == "drill" and phase.state in _DRILL:
            yield _condition(this, "drill_overdue", _DRILL[phase.state], "drill", "drill overdue or failed",
                             phase.cause, phase.next)  # fmt: skip


_DRILL: Mapping[str, Severity] = {"OVERDUE": "warn", "NEVER": "warn", "FAIL": "error"}


def _copy(this: _Standing, phase: PhaseHealth) -> Iterator[Condition]:
    store, age, newest = phase.store or "", phase.age, this.newest_age
    fill = phase.next or f"ops copy {this.health.source} --to {store}"
    if phase.state == "UNKNOWN":
        title = f"store {store} cannot be read"
        yield _condition(this, "store_unreadable", "error", "copy", title, phase.cause, phase.next, store)
    elif phase.damaged:
        yield _condition(this, "copy_damaged", "error", "copy", f"damaged copy in {store}", phase.cause, fill, store)
    elif phase.lost:
        yield _condition(this, "copy_lost", "warn", "copy", f"copy in {store} is gone", phase.cause, fill, store)
    elif phase.verdicts:
        title = f"damaged verdict in {store}"
        yield _condition(this, "verdict_damaged", "warn", "copy", title, phase.cause, fill, store)
    elif newest is None:
        return  # nothing to copy: others tell it
    elif age - newest > 1.5 * this.interval if age is not None else this.health.restore_points > 1:
        # One behind is on its way, two are not: a distance does not change while nothing happens, an age does.
        yield _condition(this, "copy_behind", "warn", "copy", f"copy in {store} behind", phase.cause, fill, store)


def _condition(
    this: _Standing, rule: str, severity: Severity, phase: str, title: str, cause: str, advice: str, store: str = ""
) -> Condition:
    point, at = this.health.recovery_point, this.health.recovery_point_at
    words = this.health.proof.words if this.health.proof is not None else ""
    good = GoodPoint(point, at, words) if point is not None else None
    return Condition(rule, severity, this.health.source, phase, title, cause, advice, store, good)
