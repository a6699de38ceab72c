"""One statement for each thing that was done: a row of the ledger, and what was signed beside it."""

import re
from collections.abc import Collection, Sequence
from typing import Any

from ops_pipelines.drill.record import SourceResult
from ops_pipelines.errors import recall
from ops_pipelines.evidence.facts import (
    Alert,
    Attempt,
    Backup,
    By,
    Check,
    Copy,
    Deletion,
    Drill,
    Kind,
    Message,
    Other,
    Outcome,
    Predicate,
    Proof,
    Rehearsal,
    Restore,
    RestorePoint,
    Verification,
)
from ops_pipelines.evidence.kept import Kept, SignedVerdict
from ops_pipelines.evidence.statements import Statement, Subject
from ops_pipelines.ledger.ledger import DIED
from ops_pipelines.ledger.models import CANCELLED, REFUSED, RUNNING, SUCCEEDED, WAITING, Activity
from ops_pipelines.ledger.period import Told, sha256_of
from ops_pipelines.vault import verdict as verdicts
from ops_pipelines.vault.catalogue import RestorePoint as Point

_KINDS: dict[str, Kind] = {
    "dump": "backup", "adopt": "backup", "copy": "copy", "verify": "verification", "restore": "restore",
    "replace": "restore", "drill": "drill", "prune": "deletion", "forget": "deletion", "sign": "signing",
}  # fmt: skip
_VERDICTS: dict[str, Outcome] = {"verified": "verified", "bad": "bad", "inconclusive": "inconclusive"}
_NO_NAME = re.compile(r"[^\w.-]", re.ASCII)


class Teller:
    """Makes statements.

    Args:
        dead: ids of attempts that still read `running`, whose process is dead.
    """

    def __init__(self, by: By, kept: Kept, dead: Collection[str]) -> None:
        self._by, self._kept, self._dead = by, kept, dead

    def of_attempt(self, row: Activity) -> Statement:
        """The statement on one attempt."""
        kind = _KINDS.get(row.kind, "other")
        attempt = attempt_of(row, outcome_of(row, self._dead))
        predicate, subject = self._predicate(kind, row, attempt)
        subjects = [*([subject] if subject is not None else []), Subject(f"ops_activities/{row.id}", sha256_of(row))]
        tail = _NO_NAME.sub("-", row.id.rpartition("-")[2])
        return Statement(kind, subjects, predicate, row.source, attempt.outcome, row.started_at, row.turn, tail)

    def of_incident(self, told: Told) -> Statement:
        """The statement on one alert."""
        row, messages = told
        resolved = row.resolved_at is not None
        outcome: Outcome = "resolved" if resolved else "open"
        alert = Alert(
            by=self._by, incident=row.id, rule=row.rule, source=row.source, store=row.store, severity=row.severity,
            outcome=outcome, opened_at=row.opened_at, resolved_at=row.resolved_at, acknowledged_at=row.acked_at,
            acknowledged_by=row.acked_by, title=row.told("title"),
            cause=row.told("cause"),
            messages=[
                Message(event=each.event, severity=each.severity, decided_at=each.created_at, status=each.status,
                        delivered_at=each.delivered_at, channels=each.accepted, attempts=each.attempts,
                        error=each.error or "")
                for each in messages
            ],
            final=resolved and all(each.status != WAITING for each in messages),
        )  # fmt: skip
        subject = Subject(f"ops_incidents/{row.id}", sha256_of(row, *messages))
        return Statement("alert", [subject], alert, row.source, outcome, row.opened_at, None, _NO_NAME.sub("-", row.id))

    def of_unrecorded_point(self, point: Point) -> Statement:
        """The statement on a restore point that is signed, and that the ledger does not know of."""
        facts = _point(point)
        subject = Subject(f"{facts.source}/{point.id}/manifest.json", point.sha256)
        made = Backup(by=self._by, attempt=None, restore_point=facts)
        return Statement(
            "backup", [subject], made, facts.source, "succeeded", point.started_at, None, point.sha256[:16]
        )

    def of_unrecorded_verdict(self, found: SignedVerdict) -> Statement:
        """The statement on a verdict that is signed, and whose verification the ledger does not know of."""
        verdict = found.verdict
        said = Verification(
            by=self._by, attempt=None, source=verdict.source, backup_id=verdict.backup_id, store=verdict.store,
            finished_at=verdict.finished_at, proof=_proof(found),
        )  # fmt: skip
        return Statement(
            "verification", [_subject_of(found)], said, verdict.source, verdict.outcome, verdict.finished_at, None,
            found.sha256[:16],
        )  # fmt: skip

    def _predicate(self, kind: Kind, row: Activity, attempt: Attempt) -> tuple[Predicate, Subject | None]:
        by, meta = self._by, row.meta
        if kind == "backup":
            made = self._made(row)
            subject = Subject(f"{row.source}/{made.id}/manifest.json", made.sha256) if made and made.sha256 else None
            return Backup(by=by, attempt=attempt, restore_point=made), subject
        if kind == "copy":
            copied = Copy(by=by, attempt=attempt, size_bytes=meta.get("size_bytes"),
                          replaced_damaged=bool(meta.get("replaced")))  # fmt: skip
            return copied, None
        if kind == "verification":
            return self._verification(row, attempt)
        if kind == "restore":
            restored = Restore(
                by=by, attempt=attempt, to=str(meta.get("to", "")), good=meta.get("good"),
                words=str(meta.get("words", "")), whole_source=not meta.get("only"),
                seconds=_seconds(meta.get("seconds")),
            )  # fmt: skip
            return restored, None
        if kind == "drill":
            return self._drill(row, attempt)
        if kind == "deletion":
            because = meta.get("because") or meta.get("refused") or ""
            deleted = Deletion(by=by, attempt=attempt, because=str(because), size_bytes=meta.get("size_bytes"))
            return deleted, None
        return Other(by=by, attempt=attempt), None

    def _made(self, row: Activity) -> RestorePoint | None:
        if row.status != SUCCEEDED or row.backup_id is None:
            return None
        point = self._kept.catalogue(row.source).find(row.backup_id)
        if point is not None:
            return _point(point)
        meta = row.meta
        return RestorePoint(
            source=row.source, id=row.backup_id, sha256=str(meta.get("manifest_sha256", "")), kept=False,
            number=meta.get("number"), size_bytes=meta.get("size_bytes"), plain_bytes=meta.get("plain_bytes"),
            rows=meta.get("rows"), safety=bool(meta.get("safety")), adopted=row.kind == "adopt",
        )  # fmt: skip

    def _verification(self, row: Activity, attempt: Attempt) -> tuple[Verification, Subject | None]:
        found = None
        if row.backup_id is not None and row.finished_at is not None:
            found = self._kept.verdict_of(row.source, row.backup_id, row.store, row.started_at, row.finished_at)
        proof = _proof(found) if found is not None else _remembered(row)
        said = Verification(
            by=self._by, attempt=attempt, source=row.source, backup_id=row.backup_id or "", store=row.store or "",
            finished_at=row.finished_at, proof=proof,
        )  # fmt: skip
        return said, _subject_of(found) if found is not None else None

    def _drill(self, row: Activity, attempt: Attempt) -> tuple[Drill, Subject | None]:
        identifier = str(row.meta.get("drill", ""))
        kept = self._kept.report(identifier) if identifier else None
        if kept is None:
            return Drill(by=self._by, attempt=attempt, drill=None), None
        report = kept.report
        ours = next((each for group in report.groups for each in group.sources if each.source == row.source), None)
        outage = report.outage if report.outage is not None and report.outage.source == row.source else None
        facts = Rehearsal(
            id=report.id, scenario=report.scenario, started_by=report.started_by, passed=attempt.outcome == "succeeded",
            sha256=kept.sha256, signature=kept.signature, recovered=ours is not None and ours.passed,
            detected_s=outage.detected_s if outage is not None else None, not_proved=report.limits,
            **(_recovery(ours) if ours is not None else {}),
        )  # fmt: skip
        return Drill(by=self._by, attempt=attempt, drill=facts), Subject(f"drills/{report.id}/report.json", kept.sha256)


def outcome_of(row: Activity, dead: Collection[str]) -> Outcome:
    """How an attempt ended, in a word."""
    if row.status == RUNNING:
        return "killed" if row.id in dead else "running"
    verdict = _VERDICTS.get(str(row.meta.get("outcome", ""))) if row.kind == "verify" else None
    if row.status == SUCCEEDED:
        return verdict or "succeeded"
    if row.error == DIED:
        return "killed"
    if row.meta.get(CANCELLED):
        return "cancelled"
    if row.meta.get(REFUSED) or row.meta.get("refused"):
        return "refused"
    return verdict if verdict is not None and verdict != "verified" else "failed"


def attempt_of(row: Activity, outcome: Outcome) -> Attempt:
    """The facts that a row of the ledger has of every kind of attempt."""
    return Attempt(
        activity=row.id, turn=row.turn, source=row.source, kind=row.kind, outcome=outcome, began_at=row.started_at,
        ended_at=row.finished_at, took_s=row.duration_s, backup_id=row.backup_id, store=row.store, host=row.host,
        run_id=row.run_id, final=row.status != RUNNING, reason=recall(row.error).cause if row.error else "",
    )  # fmt: skip


def _point(point: Point) -> RestorePoint:
    manifest = point.manifest
    return RestorePoint(
        source=manifest.source, id=point.id, sha256=point.sha256, kept=True, number=point.number, kind=manifest.kind,
        started_at=manifest.started_at, snapshot_at=manifest.snapshot_at, sealed_at=manifest.finished_at,
        size_bytes=manifest.size_bytes, plain_bytes=manifest.plain_bytes, rows=manifest.contents.known_rows,
        fingerprint=manifest.contents.level, encrypted=manifest.encrypted, safety=manifest.safety,
        adopted=manifest.adopted_from is not None, stores=point.stores,
        not_looked_at=[str(gap) for gap in manifest.contents.gaps], warnings=manifest.warnings,
    )  # fmt: skip


def _subject_of(found: SignedVerdict) -> Subject:
    return Subject(f"{found.verdict.source}/{found.verdict.backup_id}/{found.name}", found.sha256)


def _proof(found: SignedVerdict) -> Proof:
    verdict = found.verdict
    return Proof(
        outcome=verdict.outcome, sha256=found.sha256, number=verdict.number, blames=verdict.blames, grade=verdict.grade,
        wanted=verdict.wanted, words=verdict.words, compared=_checks(verdict.checks),
        not_compared=[str(gap) for gap in verdict.missing], seconds=dict(verdict.seconds),
    )  # fmt: skip


def _remembered(row: Activity) -> Proof | None:
    """What the ledger says of a verdict that no store has any more; None where there was none."""
    meta = row.meta
    if "outcome" not in meta:
        return None
    return Proof(
        outcome=_VERDICTS.get(str(meta["outcome"])), sha256=None, blames=meta.get("blames"), grade=meta.get("grade"),
        words=str(meta.get("words", "")), not_compared=[str(gap) for gap in meta.get("gaps", ())],
        seconds=_seconds(meta.get("seconds")),
    )  # fmt: skip


def _recovery(result: SourceResult) -> dict[str, Any]:
    return {
        "took_s": result.took_s, "rto_s": result.rto_s, "rpo_s": result.rpo_s,
        "lost_minutes": result.loss.minutes if result.loss is not None else None,
        "lost_rows": result.loss.rows if result.loss is not None else None,
        "grade": result.grade, "words": result.words, "compared": _checks(result.checks),
        "not_compared": [str(gap) for gap in result.gaps],
    }  # fmt: skip


def _checks(checks: Sequence[verdicts.Check]) -> list[Check]:
    return [Check(name=each.name, held=each.passed, attention=each.attention, found=each.detail) for each in checks]


def _seconds(said: object) -> dict[str, float]:
    return {str(name): float(each) for name, each in said.items()} if isinstance(said, dict) else {}
