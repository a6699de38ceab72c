"""For each rule a trouble and its end, as short as it can be told: what `test_every_rule` plays and the page lists."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ops_pipelines.config.probes import Probes
from ops_pipelines.engines.figures import Figures
from ops_pipelines.ledger.models import Health
from ops_pipelines.probes.measured import Measured, keep
from ops_pipelines.proof import Gap
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.watch.alerts.runs import EndedBackfill, EndedRun, Facts, FailedCheck, look_at_runs
from ops_pipelines.watch.alerts.watch import watch, watch_once
from ops_pipelines.watch.snapshots import look
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.unit.vaults import AT, publish, rewrite, seal, verdict

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POINT = f"{AT:%Y%m%dT%H%M%SZ}-0001"


@dataclass
class World:
    """A source `crm` with a copy in `nas`, and all that may happen to it."""

    house: Workspace
    clock: StoppedClock
    facts: Facts = field(default_factory=Facts)

    def watched(self) -> None:
        """What the daemon's sensors do at a tick."""
        self.clock.at += timedelta(seconds=30)
        watch_once(self.house)
        watch(self.house, {"runs": partial(look_at_runs, facts=self.facts)})

    def later(self, span: timedelta) -> None:
        """Time passes."""
        self.clock.at += span

    def attempt(self, kind: str, error: str = "", *, store: str | None = None, **meta: object) -> None:
        """An attempt in the ledger, as the verbs write it."""
        self.later(timedelta(seconds=1))
        backup_id = str(meta.pop("backup_id", POINT))
        with self.house.ledger.activity(kind, source="crm", store=store, backup_id=backup_id, meta=meta) as entry:
            if error:
                entry.fail(error)

    def proved(self, outcome: str, **meta: object) -> None:
        """A verification of the copy in `nas`."""
        reason = "" if outcome == "verified" else f"crm is {outcome.upper()}\n  why: rows: 3 lost"
        self.attempt("verify", reason, store="nas", outcome=outcome, **meta)

    def backed_up(self, *, at: datetime | None = None, copied: bool = True, good: bool = True, **sizes: Any) -> str:
        """A restore point, taken now or then, copied and verified unless told otherwise; its id."""
        at = at or self.clock.at
        identifier = f"{at:%Y%m%dT%H%M%SZ}-0001"
        published(self.house.local, identifier, at, **sizes)
        if copied:
            self.copy(identifier)
        if good:
            self.house.local.keep_verdict(verdict(identifier, "verified", at=at))
        return identifier

    def copy(self, identifier: str) -> None:
        """The copy of a restore point in `nas`."""
        local = self.house.local
        manifest = local.manifest("crm", identifier)
        self.house.stores["nas"].receive(manifest, local.directory("crm", identifier), lambda _bytes: None)

    def probe(self, *, cause: str = "", latency_s: float = 0.01, **figures: Any) -> None:
        """What a probe found out about the server just now."""
        latency = None if cause else latency_s
        found = Measured(
            target="crm", kind="postgres", at=self.clock.at, latency_s=latency, cause=cause, figures=Figures(**figures)
        )
        with self.house.ledger.session() as session:
            keep(session, [found])

    def expecting(self, **days: date) -> None:
        """Write `probes.expires` anew."""
        probes = Probes(expires=days)
        self.house = Workspace(self.house.config.model_copy(update={"probes": probes}), self.clock)


def published(store: DirectoryStore, identifier: str, at: datetime, *, stored: int = 0, plain: int = 0) -> None:
    """A restore point whose manifest says that it is so large, where that is told."""
    if not stored and not plain:
        publish(store, identifier, at=at)
        return
    with store.stage(identifier) as directory:
        manifest = seal(directory, identifier, at=at, trust=store.trust)
        parts = [part.model_copy(update={"size_bytes": stored or part.size_bytes}) for part in manifest.parts]
        for part in parts:
            os.truncate(directory / part.name, part.size_bytes)
        sized = manifest.model_copy(update={"parts": parts, "data_bytes": plain})
        rewrite(directory, sized, store.trust)
        store.publish(directory, sized)


Scenario = Callable[[World], Iterator[None]]
"""Makes the trouble, yields while it holds, and ends it."""

SCENARIOS: dict[str, Scenario] = {}


def scenario(play: Scenario) -> Scenario:
    """One of the scenarios, under its name."""
    SCENARIOS[play.__name__] = play
    return play


@scenario
def dump_failed(world: World) -> Iterator[None]:
    world.attempt("dump", "crm cannot be dumped\n  why: connection refused\n  next: ops backup crm")
    yield
    world.attempt("dump")


@scenario
def copy_failed(world: World) -> Iterator[None]:
    world.attempt("copy", "crm cannot be copied to nas\n  why: no space left\n  next: df -h /mnt/nas", store="nas")
    yield
    world.attempt("copy", store="nas")


@scenario
def verify_failed(world: World) -> Iterator[None]:
    world.proved("bad")
    world.proved("bad")
    yield
    world.proved("verified")


@scenario
def verify_inconclusive(world: World) -> Iterator[None]:
    world.proved("inconclusive")
    world.later(7 * HOUR)
    yield
    world.proved("verified")


@scenario
def older_backup_bad(world: World) -> Iterator[None]:
    world.proved("bad", backup_id="20261101T020000Z-0001", again=True)
    yield
    world.attempt("copy", store="nas", backup_id="20261101T020000Z-0001")


@scenario
def needs_a_look(world: World) -> Iterator[None]:
    world.proved("verified", notable=["size drift: 1 KiB, -99 % against 1 MiB, the median of the last 7 verified"])
    yield
    world.proved("verified")


@scenario
def restore_failed(world: World) -> Iterator[None]:
    world.attempt("restore", "crm cannot be restored\n  why: no room on the target")
    yield
    world.attempt("restore")


@scenario
def retention_refused(world: World) -> Iterator[None]:
    world.attempt("prune", "refused: the newest restore point is not verified; ops verify crm")
    yield
    world.attempt("prune")


@scenario
def rpo(world: World) -> Iterator[None]:
    world.backed_up()
    world.later(25 * HOUR)
    yield
    world.backed_up()


@scenario
def cancelled(world: World) -> Iterator[None]:
    world.backed_up()
    with pytest.raises(KeyboardInterrupt), world.house.ledger.activity("dump", source="crm"):
        raise KeyboardInterrupt
    yield
    world.later(DAY + HOUR)
    world.backed_up()


@scenario
def clock_wrong(world: World) -> Iterator[None]:
    world.backed_up()
    ahead = world.backed_up(at=AT + 3650 * DAY, copied=False)
    yield
    world.house.local.delete("crm", ahead)


@scenario
def proof_weaker(world: World) -> Iterator[None]:
    partly = world.backed_up(good=False)
    why = "the account may not read it"
    gap = Gap(what="table public.salaries", why=why, cure="grant select on public.salaries to backup")
    found = verdict(partly, "verified", at=world.clock.at)
    world.house.local.keep_verdict(found.model_copy(update={"grade": "full", "wanted": "full", "gaps": [gap]}))
    yield
    world.later(6 * HOUR)
    world.backed_up()


@scenario
def rto_over_target(world: World) -> Iterator[None]:
    slow = world.backed_up(good=False)
    found = verdict(slow, "verified", at=world.clock.at)
    world.house.local.keep_verdict(found.model_copy(update={"finished_at": found.started_at + HOUR}))
    yield
    world.later(6 * HOUR)
    world.backed_up()


@scenario
def dump_stale(world: World) -> Iterator[None]:
    world.backed_up()
    world.later(7 * HOUR)
    yield
    world.backed_up()


@scenario
def copy_behind(world: World) -> Iterator[None]:
    world.backed_up()
    behind = [world.backed_up(at=AT + hours * HOUR, copied=False) for hours in (6, 12)]
    world.later(12 * HOUR)
    yield
    world.copy(behind[-1])


@scenario
def copy_damaged(world: World) -> Iterator[None]:
    damaged = world.backed_up()
    bad = verdict(damaged, "bad", at=AT, store="nas").model_copy(update={"blames": "copy"})
    world.house.local.keep_verdict(bad)
    yield
    world.later(timedelta(minutes=1))
    world.house.local.keep_verdict(verdict(damaged, "verified", at=world.clock.at, store="nas"))


@scenario
def copy_lost(world: World) -> Iterator[None]:
    with world.house.ledger.activity("dump", source="crm", store="local") as entry:
        kept = entry.backup_id = world.backed_up()
        sha256 = hashlib.sha256((world.house.local.directory("crm", kept) / "manifest.json").read_bytes()).hexdigest()
        entry.meta = {"manifest_sha256": sha256}
    world.attempt("copy", store="nas", backup_id=kept)
    folder = Path(world.house.stores["nas"].location("crm", kept))
    away = folder.rename(world.house.config.base / "moved")
    yield
    away.rename(folder)


@scenario
def verdict_damaged(world: World) -> Iterator[None]:
    proved = verdict(world.backed_up(), "verified", at=AT, store="nas")
    world.house.stores["nas"].keep_verdict(proved)
    (kept,) = Path(world.house.stores["nas"].location("crm", "")).parent.glob(f".verdicts/crm/*/{proved.file_name}")
    whole = kept.read_bytes()
    kept.write_bytes(b"{}")
    yield
    kept.write_bytes(whole)


@scenario
def store_unreadable(world: World) -> Iterator[None]:
    world.backed_up()
    nas = world.house.stores["nas"]
    assert isinstance(nas, DirectoryStore)
    away = nas.root.rename(nas.root.with_name("unplugged"))
    nas.root.touch()
    yield
    nas.root.unlink()
    away.rename(nas.root)


@scenario
def verify_overdue(world: World) -> Iterator[None]:
    world.backed_up()
    for hours in (6, 12, 18, 24, 30):
        unproved = world.backed_up(at=AT + hours * HOUR, good=False)
    world.later(31 * HOUR)
    yield
    world.house.local.keep_verdict(verdict(unproved, "verified", at=world.clock.at))


@scenario
def drill_overdue(world: World) -> Iterator[None]:
    world.attempt("drill", scenario="total_loss")
    world.later(36 * DAY)
    yield
    world.attempt("drill", scenario="total_loss")


@scenario
def disk_filling(world: World) -> Iterator[None]:
    world.backed_up(stored=shutil.disk_usage(world.house.config.base.parent).free, copied=False)
    yield
    world.later(6 * HOUR)
    world.backed_up()


@scenario
def lock_ending(world: World) -> Iterator[None]:
    # The bucket counts by its own clock, and this one stands 25 of 30 days later.
    world.backed_up(at=world.clock.at - 25 * DAY)
    yield
    world.backed_up()


@scenario
def source_grows(world: World) -> Iterator[None]:
    sizes = [2**30, 2**30 + 2**20, 2**30 + 2 * 2**20, 2**30 + 3 * 2**20, 2**30 + 4 * 2**20, 2 * 2**30]
    for size in sizes:
        world.later(DAY)
        world.backed_up(plain=size)
    yield
    world.later(DAY)
    world.backed_up(plain=2 * 2**30)


@scenario
def server_down(world: World) -> Iterator[None]:
    world.probe(cause="connection to 10.0.0.7, port 5432 refused")
    yield
    world.probe()


@scenario
def server_slow(world: World) -> Iterator[None]:
    world.probe(slow_queries=3)
    yield
    world.probe(slow_queries=0)


@scenario
def server_crowded(world: World) -> Iterator[None]:
    world.probe(connections=97, connections_allowed=100)
    yield
    world.probe(connections=12, connections_allowed=100)


@scenario
def replica_behind(world: World) -> Iterator[None]:
    world.probe(lag_s=900.0)
    yield
    world.probe(lag_s=0.4)


@scenario
def certificate_ends(world: World) -> Iterator[None]:
    world.probe(certificate_ends_at=world.clock.at + 13 * DAY)
    yield
    world.probe(certificate_ends_at=world.clock.at + 90 * DAY)


@scenario
def credential_ends(world: World) -> Iterator[None]:
    today = world.clock.at.date()
    world.expecting(offsite_key=today + 10 * DAY)
    yield
    world.expecting(offsite_key=today + 365 * DAY)


@scenario
def daemon_silent(world: World) -> Iterator[None]:
    look(world.house, watching=True)
    world.later(HOUR)
    yield
    look(world.house, watching=True)
    with world.house.ledger.session() as session:
        assert session.get_one(Health, "crm").watched_at == world.clock.at


@scenario
def configuration_broken(world: World) -> Iterator[None]:
    path = world.house.config.file
    assert path is not None
    whole = path.read_text("utf-8")
    path.write_text(f"{whole}\nstorse: {{}}\n", encoding="utf-8")
    yield
    path.write_text(whole, encoding="utf-8")


@scenario
def run_failed(world: World) -> Iterator[None]:
    cause = "Run worker exited unexpectedly"
    run = EndedRun(about="crm", run_id="5a1c", status="FAILURE", at=world.clock.at, cause=cause)
    world.facts = Facts(runs=[run])
    yield
    world.facts = Facts()


@scenario
def check_failed(world: World) -> Iterator[None]:
    said = "1 off-site: no copy is"
    check = FailedCheck(source="crm", asset="crm/verified", name="three_two_one", blames="warn", said=said)
    world.facts = Facts(checks=[check])
    yield
    world.facts = Facts()


@scenario
def backfill_failed(world: World) -> Iterator[None]:
    backfill = EndedBackfill(id="kxzq", status="completed_failed", at=world.clock.at, assets=["crm/offsite_nas"])
    world.facts = Facts(backfills=[backfill])
    yield
    world.later(DAY)


@scenario
def freshness_failed(world: World) -> Iterator[None]:
    world.backed_up()
    world.facts = Facts(unfresh={"crm": ["crm/dump"]})
    yield
    world.facts = Facts()
