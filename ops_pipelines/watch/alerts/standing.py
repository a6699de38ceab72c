"""Rules about how things stand: ages against what was promised, copies, room on the disks. They read the stores.

Ages and states come from `watch.health`; what is taken from it is taken here. Where an attempt failed, `attempts` tells
it: these rules speak when nothing was attempted at all, or when what is there has grown too old.

What will go wrong is told in `ahead`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ops_pipelines.chronology import age
from ops_pipelines.config.alerts import Severity
from ops_pipelines.config.cadence import longest_interval, next_tick
from ops_pipelines.config.models import Config
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.language.said import Word, said, worded
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.settings.common import Settings
from ops_pipelines.watch.alerts.conditions import Condition, GoodPoint
from ops_pipelines.watch.health import SourceHealth
from ops_pipelines.watch.phases import PhaseHealth
from ops_pipelines.watch.situations import Situation

RULES: Mapping[str, str] = {
    "rpo": "the newest verified backup is older than `warn_after` (warn) or `rpo` (critical), or there is none (error)",
    "clock_wrong": "a restore point is dated in the future: a clock is or was wrong",
    "proof_weaker": "the last verification compared less than `fingerprint` asks for",
    "rto_over_target": "the last good restore took longer than `rto`",
    "dump_stale": "a scheduled dump or snapshot did not run; error when none ran for 24 hours",
    "copy_behind": "a store lacks the newest two backups",
    "copy_damaged": "a copy differs from what was published: it failed a verification, or a file is changed or missing",
    "verdict_damaged": "a verdict in a store cannot be read, or is not what was signed",
    "copy_lost": "a copy that was there is gone, and no prune removed it",
    "store_unreadable": "a store, or what a source has in the stores, cannot be read",
    "verify_overdue": "no verification succeeded for longer than `verify.overdue_after`",
    "drill_overdue": "no disaster drill passed within `drills.overdue_after`; error when the last one failed",
}
_BROKEN = said("RPO broken")
_MISSING = timedelta(hours=24)


@dataclass(frozen=True)
class _Standing:
    """One source, judged."""

    config: Config
    ledger: Ledger
    health: SourceHealth
    settings: Settings
    interval: timedelta
    now: datetime
    since: datetime

    @property
    def newest_age(self) -> timedelta | None:
        return next((step.age for step in self.health.phases if step.phase in ("dump", "snapshot")), None)

    def was_due(self, cron: str) -> bool:
        """Whether something with this cron line should have run and ended since the source is watched."""
        if age(self.since, self.now) is None:
            return True  # a clock was set back since: nobody knows, so nothing is kept quiet
        return self.now - next_tick(cron, self.config.timezone, self.since) > self.settings.rto

    def drill_to_come(self, found: Situation) -> bool:
        """Whether the first drill was not due yet."""
        drills = self.config.drilled
        return found.kind == "never_drilled" and drills is not None and not self.was_due(drills.every)

    def dumping(self) -> bool:
        return any(row.kind == "dump" for row in self.ledger.running(self.health.source))


def standing(config: Config, ledger: Ledger, health: SourceHealth, now: datetime, since: datetime) -> list[Condition]:
    """What is wrong with how one source stands.

    Args:
        since: when it was first looked at: what it never did may not have been due yet.
    """
    settings = config.source(health.source)
    interval = longest_interval(settings.every, config.timezone)
    this = _Standing(config, ledger, health, settings, interval, now, since)
    return [*_clock(this), *_rpo(this), *_proof(this), *_rto(this), *_dump(this), *_phases(this)]


def unjudged(name: str, why: str) -> Condition:
    """Nothing is known of a source, which is not good news."""
    return Condition(
        "store_unreadable", "error", name, "health", said("its state is unknown"), why, f"ops status; ops list {name}"
    )


def _clock(this: _Standing) -> Iterator[Condition]:
    """Restore points from the future: how old they are nobody knows, and whether others are as old as they look."""
    if (wrong := this.health.clock) is not None:
        yield _situation(this, "clock_wrong", "error", "health", said("a clock is wrong"), wrong)


def _rpo(this: _Standing) -> Iterator[Condition]:
    """Never is a breach as well, once the first backup was due."""
    rules: Mapping[str, tuple[Severity, str]] = {
        "never_backed_up": ("error", _BROKEN), "strangers": ("error", _BROKEN),
        "nothing_verified": ("error", _BROKEN), "recovery_point_old": ("critical", _BROKEN),
        "recovery_point_ageing": ("warn", said("RPO at risk")),
    }  # fmt: skip
    found = next((each for each in this.health.situations if _about_rpo(each)), None)
    if found is None or (found.state == "NEVER" and not this.was_due(this.settings.every)):
        return
    severity, title = rules[found.kind]
    if found.kind == "recovery_point_ageing":
        what = said("{what}, rpo is {rpo}", what=found.what, rpo=this.health.rpo)
        found = found.model_copy(update={"what": what})
    yield _situation(this, "rpo", severity, "health", title, found)


def _about_rpo(found: Situation) -> bool:
    """Whether it says how the source as a whole stands to its RPO."""
    kinds = ("never_backed_up", "nothing_verified", "recovery_point_old", "recovery_point_ageing")
    return found.kind in kinds or (found.kind == "strangers" and found.state == "NEVER")


def _proof(this: _Standing) -> Iterator[Condition]:
    """The backup was restored, but of what was not compared nobody knows whether it came back."""
    proof = this.health.proof
    if proof is not None and proof.weaker:
        gaps = "; ".join(f"{gap.what}: {gap.why}" for gap in proof.gaps)
        cause = said("{id} is {words}; not compared: {gaps}", id=proof.backup_id, words=worded(proof.words), gaps=gaps)
        yield _condition(
            this, "proof_weaker", "warn", "verify", said("verified with less than configured"), cause, proof.next
        )


def _rto(this: _Standing) -> Iterator[Condition]:
    took = timedelta(seconds=this.health.restore_s or 0)
    if took > this.settings.rto:
        cause = said("the last restore took {span}, rto is {rto}", span=took, rto=this.settings.rto)
        advice = f"ops list {this.health.source}"
        yield _condition(this, "rto_over_target", "warn", "verify", said("RTO over target"), cause, advice)


def _dump(this: _Standing) -> Iterator[Condition]:
    """A scheduled run did not come. With no backup at all, the RPO rule speaks, and another one of wrong clocks."""
    due, old = this.interval + this.settings.rto, this.newest_age
    if old is None or old <= due or this.health.clock is not None:
        return
    missing = old > max(_MISSING, due)
    if not missing and this.dumping():
        return  # it did come, and takes its time
    phase = kind_of(this.health.kind).step
    cause = said("the newest backup is {age} old; one is due every {interval}", age=old, interval=this.interval)
    advice = f"ops backup {this.health.source}"
    if missing:
        yield _condition(
            this, "dump_stale", "error", phase, said("no {step} for {age}", step=Word(phase), age=old), cause, advice
        )
    else:
        yield _condition(this, "dump_stale", "warn", phase, said("{step} stale", step=Word(phase)), cause, advice)


def _phases(this: _Standing) -> Iterator[Condition]:
    for phase in this.health.phases:
        found = phase.situation
        if found is None:
            continue
        if phase.phase == "copy":
            yield from _copy(this, phase, found)
        elif phase.phase == "verify" and phase.state == "OVERDUE" and this.health.newest_verdict != "verified":
            # With the newest proved, it is the dumps that do not come.
            yield _situation(this, "verify_overdue", "error", "verify", said("verify overdue"), found)
        elif phase.phase == "drill" and phase.state in _DRILL and not this.drill_to_come(found):
            title = said("drill overdue or failed")
            yield _situation(this, "drill_overdue", _DRILL[phase.state], "drill", title, found)


_DRILL: Mapping[str, Severity] = {"OVERDUE": "warn", "NEVER": "warn", "FAIL": "error"}
_COPIES: Mapping[str, tuple[Severity, Callable[[str], str]]] = {
    "copy_damaged": ("error", lambda store: said("damaged copy in {store}", store=store)),
    "copy_lost": ("warn", lambda store: said("copy in {store} is gone", store=store)),
    "verdict_damaged": ("warn", lambda store: said("damaged verdict in {store}", store=store)),
    "store_unreadable": ("error", lambda store: said("store {store} cannot be read", store=store)),
}


def _copy(this: _Standing, phase: PhaseHealth, found: Situation) -> Iterator[Condition]:
    store, newest = phase.store or "", this.newest_age
    if found.kind in _COPIES:
        severity, title = _COPIES[found.kind]
        yield _situation(this, found.kind, severity, "copy", title(store), found, store)
    elif newest is None:
        return  # nothing to copy: others tell it
    elif phase.age - newest > 1.5 * this.interval if phase.age is not None else this.health.restore_points > 1:
        # One behind is on its way, two are not: a distance does not change while nothing happens, an age does.
        yield _situation(this, "copy_behind", "warn", "copy", said("copy in {store} behind", store=store), found, store)


def _situation(
    this: _Standing, rule: str, severity: Severity, phase: str, title: str, found: Situation, store: str = ""
) -> Condition:
    condition = _condition(this, rule, severity, phase, title, found.cause, found.next, store)
    return replace(condition, safe=found.safe)


def _condition(
    this: _Standing, rule: str, severity: Severity, phase: str, title: str, cause: str, advice: str, store: str = ""
) -> Condition:
    point, at = this.health.recovery_point, this.health.recovery_point_at
    words = this.health.proof.words if this.health.proof is not None else ""
    good = GoodPoint(point, at, words) if point is not None else None
    return Condition(rule, severity, this.health.source, phase, title, cause, advice, store, good)
