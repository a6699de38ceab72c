"""What Prometheus is told: every metric, its meaning, and where its value comes from.

A scrape reads the ledger and nothing else: no source, no store. What was last seen of a source is its snapshot, and
`health_snapshot_timestamp_seconds` says when that was, so that silence is visible. Ages are worked out at the scrape.
"""

import math
import platform
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ops_pipelines import __version__
from ops_pipelines.chronology import age
from ops_pipelines.config.cadence import longest_interval
from ops_pipelines.config.models import Config
from ops_pipelines.ledger import tallies
from ops_pipelines.ledger.alerts import SUMMARY
from ops_pipelines.ledger.models import RUNNING, WAITING, Activity, Evaluation, Incident, Outgoing
from ops_pipelines.probes.measured import kept
from ops_pipelines.proof import grade_of, strength
from ops_pipelines.watch.exposition import Family, labels, render
from ops_pipelines.watch.health import HOLDS
from ops_pipelines.watch.snapshots import Seen, Snapshot, snapshots
from ops_pipelines.workspace import Workspace

PREFIX = "ops_"
_RATE_DAYS = 7
_VERDICTS = ("verified", "bad", "inconclusive")


def exposition(
    workspace: Workspace, *, prefix: str = PREFIX, source: str | None = None, openmetrics: bool = False
) -> str:
    """The whole page of metrics.

    Args:
        prefix: of every name.
        source: only this one, and without the label `source`; all unless given.
        openmetrics: the format; Prometheus' own text unless wanted.
    Raises:
        LedgerError: there is nothing to read from.
    """
    page = _Page(workspace.config, workspace.clock.now(), source)
    with workspace.ledger.session() as session:
        page.fill(session)
    return render(page.families, prefix=prefix, openmetrics=openmetrics)


def defined() -> list[Family]:
    """Every metric without a sample, in the order of the page: for the reference."""
    # Definitions do not depend on the configuration.
    return _Page(Config.model_construct(sources={}), datetime.min, None).families


class _Page:
    def __init__(self, config: Config, now: datetime, only: str | None) -> None:
        self._config, self._now, self._only = config, now, only
        self.families: list[Family] = []
        self._define()

    def _gauge(self, name: str, meaning: str) -> Family:
        self.families.append(Family(name, "gauge", meaning))
        return self.families[-1]

    def _counter(self, name: str, meaning: str) -> Family:
        self.families.append(Family(name, "counter", meaning))
        return self.families[-1]

    def _define(self) -> None:
        """Every metric, in the order of the page. The first five are named as the runbooks name them."""
        gauge, counter = self._gauge, self._counter
        self.dump_minutes = gauge(
            "last_db_dump_age_minutes", "Minutes since the newest dump began, verified or not; +Inf without one."
        )
        self.verify_hours = gauge(
            "last_verify_restore_age_hours", "Hours since a restore was last found good; +Inf when none ever was."
        )
        self.backup_rate = gauge(
            "backup_success_rate_7d", "Share of dumps that succeeded, 0 to 1, of those that ended in 7 UTC days, today "
            "included; absent without any."
        )  # fmt: skip
        self.verify_rate = gauge(
            "verify_success_rate_7d", "Share of verifications that ended as verified, 0 to 1, in 7 UTC days, today "
            "included; absent without any."
        )  # fmt: skip
        self.restore_last = gauge(
            "restore_duration_seconds_last",
            "Seconds the restore took that verified the recovery point, checks included.",
        )
        self.point_at = gauge(
            "recovery_point_timestamp_seconds",
            "When the dump of the newest verified restore point began, in Unix time; 0 without one.",
        )
        self.rpo_actual = gauge("rpo_actual_seconds", "Age of the recovery point now; +Inf without one.")
        self.rpo_target = gauge("rpo_target_seconds", "Tolerable age of the recovery point (rpo in ops.yaml).")
        self.rpo_warning = gauge("rpo_warning_seconds", "Age of the recovery point at which to warn.")
        self.rto_actual = gauge("rto_actual_seconds", "Seconds the last good restore took.")
        self.rto_target = gauge("rto_target_seconds", "Tolerable time to restore (rto in ops.yaml).")
        self.interval = gauge("expected_interval_seconds", "Longest time between two scheduled backups.")
        self.healthy = gauge("source_healthy", "1 while the recovery point is known and within its RPO, else 0.")
        self.state = gauge(
            "source_state",
            "1 for the state a source is in: OK, WEAK, STALE, UNKNOWN, OVERDUE, FAIL or NEVER; no others.",
        )
        self.dump_at = gauge("last_dump_timestamp_seconds", "When the newest dump began, in Unix time; 0 without one.")
        self.dump_seconds = gauge("last_dump_duration_seconds", "Seconds the newest dump took.")
        self.dump_bytes = gauge("last_dump_size_bytes", "Size of the newest restore point as it is stored.")
        self.dump_plain = gauge("last_dump_uncompressed_bytes", "Its size before compression and encryption.")
        self.dump_rows = gauge(
            "last_dump_rows", "Rows, documents or files that were counted in it; absent where nobody counted."
        )
        self.points = gauge("restore_points", "Restore points in any store.")
        self.dump_notes = gauge(
            "last_dump_notes", "What the newest dump warned of, and what could not be looked at while it was taken."
        )
        self.points_verified = gauge(
            "restore_points_verified", "Those that were restored and found good, whatever was compared."
        )
        self._define_proof()
        self.verified_at = gauge(
            "last_verified_timestamp_seconds", "When a restore was last found good, in Unix time; 0 when none ever was."
        )
        self.verdict_at = gauge(
            "last_verdict_timestamp_seconds", "When the newest verification ended, by its outcome and store."
        )
        self.verdict_failed = gauge("last_verdict_failed_checks", "Checks that failed in the newest verification.")
        self.copies = gauge("copies", "Copies of restore points in a store.")
        self.copies_damaged = gauge("copies_damaged", "Copies in a store that were found damaged.")
        self.copies_bytes = gauge("copies_size_bytes", "Bytes that the copies in a store take.")
        self.copy_at = gauge(
            "copy_newest_timestamp_seconds", "When the dump of the newest copy in a store began; 0 without one."
        )
        self.readable = gauge("store_readable", "1 when the store could be read at the last look, else 0.")
        self.phase_state = gauge("phase_state", "1 for the state a step of the chain is in; no others.")
        self.phase_at = gauge("phase_last_success_timestamp_seconds", "When a step last went well, in Unix time.")
        self.phase_allowed = gauge("phase_allowed_age_seconds", "How long ago that may be before the step is overdue.")
        self.snapshot_at = gauge(
            "health_snapshot_timestamp_seconds",
            "When the stores were last looked at for the figures above, in Unix time; 0 when never.",
        )
        self.heartbeat = gauge(
            "watch_heartbeat_timestamp_seconds", "When the daemon's watcher last looked at any source, in Unix time."
        )
        self.attempts = counter("attempts", "Attempts that ended, by kind and outcome.")
        self.attempt_seconds = counter("attempts_duration_seconds", "Seconds those attempts took, together.")
        self.verdicts = counter("verdicts", "Verifications that came to a verdict.")
        self.running = gauge("attempts_running", "Attempts under way.")
        self.incidents = gauge("incidents_open", "Open incidents, by rule and severity.")
        self.waiting = gauge("outbox_messages", "Messages about incidents that no channel has accepted yet.")
        self.waiting_since = gauge(
            "outbox_oldest_timestamp_seconds", "When the oldest of those messages was written; absent without any."
        )
        self.evaluated = gauge("alerts_evaluation_timestamp_seconds", "When a part of the alert rules last ran.")
        self._define_probes()
        self.build = gauge("build_info", "Always 1; the labels say which version of ops_pipelines answers.")

    def _define_proof(self) -> None:
        gauge = self._gauge
        self.proof_grade = gauge(
            "proof_grade", "What the verification of the recovery point compared: 0 nothing, 1 row counts, 2 a sample, "
            "3 all content; absent where that is not known."
        )  # fmt: skip
        self.proof_configured = gauge(
            "proof_grade_configured", "What fingerprint in ops.yaml asks for, in the same figures."
        )
        self.proof_gaps = gauge(
            "proof_gaps", "Items that verification did not compare although ops.yaml asks for them."
        )
        self.proof_weaker = gauge("proof_weaker", "1 when less was compared than is configured, else 0.")

    def _define_probes(self) -> None:
        gauge = self._gauge
        self.probe_up = gauge("probe_up", "1 when a server or service answered as it should at the last probe, else 0.")
        self.probe_at = gauge("probe_timestamp_seconds", "When it was last asked, in Unix time.")
        self.probe_latency = gauge("probe_latency_seconds", "Seconds until login and first answer.")
        self.probe_connections = gauge("probe_connections", "Connections it has.")
        self.probe_allowed = gauge("probe_connections_allowed", "Connections it may have.")
        self.probe_slow = gauge("probe_slow_queries", "Queries of others that run longer than allowed.")
        self.probe_size = gauge("probe_database_size_bytes", "Size of the database on its server.")
        self.probe_lag = gauge("probe_replication_lag_seconds", "Seconds by which a replica is behind.")
        self.probe_stopped = gauge("probe_replication_stopped", "1 when a replica does not follow at all, else 0.")
        self.probe_status = gauge("probe_http_status", "HTTP status it answered with.")
        self.probe_certificate = gauge(
            "probe_certificate_end_timestamp_seconds",
            "When its certificate expires, in Unix time.",
        )
        self.probe_password = gauge(
            "probe_password_end_timestamp_seconds",
            "When the login password expires, in Unix time.",
        )

    def fill(self, session: Session) -> None:
        """Add every sample, from one transaction."""
        found = snapshots(session, [self._only] if self._only else self._config.sources, Seen)
        for snapshot in found:
            self._snapshot(snapshot)
        watched = [snapshot.watched_at for snapshot in found if snapshot.watched_at is not None]
        self.heartbeat.add("", max(map(self._unix, watched), default=0))
        self._tallies(session)
        self._alerting(session)
        self._probes(session)
        self.build.add(labels(version=__version__, python=platform.python_version()), 1)

    def _label(self, source: str, **more: str) -> str:
        return labels(source="" if self._only else source, **more)

    def _ours(self, source: str) -> bool:
        return source == self._only if self._only else source in self._config.sources

    def _age(self, at: datetime | None) -> float:
        passed = age(at, self._now) if at is not None else None
        return passed.total_seconds() if passed is not None else math.inf

    def _unix(self, at: datetime | None) -> float:
        """In Unix time; 0 for never, and for what a clock that was wrong dated in the future: it is no sign of life."""
        return at.timestamp() if at is not None and age(at, self._now) is not None else 0

    def _snapshot(self, snapshot: Snapshot[Seen]) -> None:
        name, seen = snapshot.source, snapshot.seen
        source, own = self._config.sources[name], self._label(name)
        state, _cause, _next = snapshot.judged(self._now, self._config.web.stale_after)
        self.healthy.add(own, int(state in HOLDS))
        self.state.add(self._label(name, kind=source.kind, state=state), 1)
        self.snapshot_at.add(own, self._unix(snapshot.at))
        self.rpo_target.add(own, source.rpo.total_seconds())
        self.rpo_warning.add(own, source.warn_window.total_seconds())
        self.rto_target.add(own, source.rto.total_seconds())
        proof = seen.proof if seen is not None else None
        self.proof_configured.add(own, strength(proof.configured if proof else grade_of(source.fingerprint)))
        self.interval.add(own, longest_interval(source.every, self._config.timezone).total_seconds())
        point = seen.recovery_point_at if seen is not None else None
        self.point_at.add(own, self._unix(point))
        self.rpo_actual.add(own, self._age(point))
        verified = seen.verified_at if seen is not None else None
        self.verified_at.add(own, self._unix(verified))
        self.verify_hours.add(own, self._age(verified) / 3600)
        dump = seen.newest if seen is not None else None
        self.dump_at.add(own, self._unix(dump.started_at if dump else None))
        self.dump_minutes.add(own, self._age(dump.started_at if dump else None) / 60)
        if seen is not None:
            self._seen(own, seen)

    def _seen(self, own: str, seen: Seen) -> None:
        self.restore_last.add(own, seen.restore_s)
        self.rto_actual.add(own, seen.restore_s)
        self.points.add(own, seen.restore_points)
        self.points_verified.add(own, seen.verified)
        if seen.newest is not None:
            self.dump_seconds.add(own, seen.newest.duration_s)
            self.dump_bytes.add(own, seen.newest.size_bytes)
            self.dump_plain.add(own, seen.newest.plain_bytes)
            self.dump_rows.add(own, seen.newest.rows)
            self.dump_notes.add(own, len(seen.newest.notes))
        if seen.proof is not None:
            self.proof_grade.add(own, strength(seen.proof.reached) if seen.proof.reached is not None else None)
            self.proof_gaps.add(own, len(seen.proof.gaps))
            self.proof_weaker.add(own, int(seen.proof.weaker))
        if seen.verdict is not None:
            which = self._label(seen.source, outcome=seen.verdict.outcome, store=seen.verdict.store)
            self.verdict_at.add(which, self._unix(seen.verdict.finished_at))
            self.verdict_failed.add(own, seen.verdict.failed)
        for each in seen.stores:
            there = self._label(seen.source, store=each.store)
            self.readable.add(there, int(each.readable))
            self.copies.add(there, each.copies)
            self.copies_damaged.add(there, each.damaged)
            self.copies_bytes.add(there, each.size_bytes)
            self.copy_at.add(there, self._unix(each.newest_at))
        for phase in seen.phases:
            step = self._label(seen.source, phase=phase.phase, store=phase.store or "")
            self.phase_state.add(
                self._label(seen.source, phase=phase.phase, store=phase.store or "", state=phase.state), 1
            )
            self.phase_at.add(step, phase.well_at.timestamp() if phase.well_at else None)
            self.phase_allowed.add(step, phase.allowed_s)

    def _tallies(self, session: Session) -> None:
        for count in tallies.ever(session):
            if self._ours(count.source):
                which = self._label(count.source, kind=count.kind, outcome=count.outcome)
                self.attempts.add(which, count.attempts)
                self.attempt_seconds.add(which, count.seconds)
                if count.kind == "verify" and count.outcome in _VERDICTS:
                    self.verdicts.add(self._label(count.source, outcome=count.outcome), count.attempts)
        recent = [each for each in tallies.last_days(session, self._now, days=_RATE_DAYS) if self._ours(each.source)]
        for kind, family in (("dump", self.backup_rate), ("verify", self.verify_rate)):
            for name, rate in _rates(recent, kind).items():
                family.add(self._label(name), rate)
        running = select(Activity.source, Activity.kind, func.count()).where(Activity.status == RUNNING)
        for name, kind, attempts in session.execute(running.group_by(Activity.source, Activity.kind)):
            if self._ours(name):
                self.running.add(self._label(name, kind=kind), attempts)

    def _alerting(self, session: Session) -> None:
        what = (Incident.source, Incident.store, Incident.rule, Incident.severity)
        rows = session.execute(select(*what, func.count()).where(Incident.open_key.is_not(None)).group_by(*what))
        for name, store, rule, severity, incidents in rows:
            if not self._only or name == self._only:
                which = self._label(name, store=store, rule=rule, severity=severity)
                self.incidents.add(which, incidents)
        waiting = select(func.count(), func.min(Outgoing.created_at)).where(Outgoing.status == WAITING)
        messages, oldest = session.execute(waiting).one()
        self.waiting.add("", messages)
        self.waiting_since.add("", oldest.timestamp() if oldest else None)
        # A digest has its turns there too, and is no rule that has to run all the time.
        rules = select(Evaluation.part, Evaluation.at).where(~Evaluation.part.startswith(SUMMARY))
        for part, at in session.execute(rules):
            self.evaluated.add(labels(part=part), self._unix(at))

    def _probes(self, session: Session) -> None:
        for found in kept(session):
            if self._only and found.target != self._only:
                continue
            own, said = labels(target="" if self._only else found.target, kind=found.kind), found.figures
            self.probe_up.add(own, int(found.is_up))
            self.probe_at.add(own, self._unix(found.at))
            self.probe_latency.add(own, found.latency_s)
            self.probe_connections.add(own, said.connections)
            self.probe_allowed.add(own, said.connections_allowed)
            self.probe_slow.add(own, said.slow_queries)
            self.probe_size.add(own, said.size_bytes)
            self.probe_lag.add(own, said.lag_s)
            replicates = said.lag_s is not None or said.replica_stopped is not None
            self.probe_stopped.add(own, int(bool(said.replica_stopped)) if replicates else None)
            self.probe_status.add(own, said.http_status)
            for family, ends in (
                (self.probe_certificate, said.certificate_ends_at),
                (self.probe_password, said.password_ends_at),
            ):
                family.add(own, ends.timestamp() if ends else None)


def _rates(counts: Sequence[tallies.Count], kind: str) -> dict[str, float]:
    """The share that went well, by source."""
    well: dict[str, int] = {}
    ended: dict[str, int] = {}
    for each in counts:
        if each.kind == kind:
            ended[each.source] = ended.get(each.source, 0) + each.attempts
            well[each.source] = well.get(each.source, 0) + (each.attempts if each.outcome in tallies.WELL else 0)
    return {name: well[name] / total for name, total in ended.items()}
