"""What was not done, and what nothing here tells, each by its name. A gap is never a reason to leave something out."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from ops_pipelines.evidence.facts import Alert, Backup, Drill, Verification
from ops_pipelines.evidence.period import Period, Span
from ops_pipelines.evidence.statements import Statement
from ops_pipelines.evidence.summary import Alerts, Gap, GapKind
from ops_pipelines.language.said import Said, Word, counted, said, worded
from ops_pipelines.proof import leaves_out

_LEDGER_ALONE = said("the ledger alone tells of it")


def of_the_period(span: Span, first_known: datetime | None, now: datetime) -> Iterator[Gap]:
    """Times of which nobody knows anything: before the ledger, and after today.

    Args:
        span: the whole period.
        first_known: when the ledger knew of anything for the first time.
    """
    if first_known is None or first_known > span.begin:
        end = min(first_known or span.end, span.end)
        yield Gap(
            kind="before_ledger", span=Span(begin=span.begin, end=end),
            what=said("nothing is recorded of this time: the ledger begins later; what was done then, if anything was, "
            "is not known here"),
        )  # fmt: skip
    if now < span.end:
        begin = max(now, span.begin)
        yield Gap(kind="not_over", span=Span(begin=begin, end=span.end), what=said("the period was not over"))


def of_days(source: str, period: Period, looked_at: Span | None, statements: Sequence[Statement]) -> Iterator[Gap]:
    """Days without a backup, days on which nothing was proved, and a whole period without a drill."""
    if looked_at is None:
        return
    taken = [each.at for each in statements if each.kind == "backup" and each.outcome == "succeeded"]
    for span in period.days_without(looked_at, taken):
        what = said("no backup succeeded for {span}", span=_long(span))
        yield Gap(kind="no_backup", source=source, span=span, what=what)
    proved = [each.at for each in statements if each.kind == "verification" and each.outcome == "verified"]
    proved += [each.at for each in statements if each.kind == "drill" and each.outcome == "succeeded"]
    for span in period.days_without(looked_at, proved):
        what = said("nothing was restored and compared for {span}", span=_long(span))
        yield Gap(kind="nothing_proved", source=source, span=span, what=what)
    drills = [each for each in statements if isinstance(each.predicate, Drill)]
    if not any(each.outcome == "succeeded" for each in drills):
        what = said("no recovery was rehearsed with success")
        if drills:
            what = counted(
                "no recovery was rehearsed with success; {count} was tried and did not pass",
                "no recovery was rehearsed with success; {count} were tried and did not pass",
                len(drills),
            )
        yield Gap(kind="no_drill", source=source, span=looked_at, what=what)


def of_statements(statements: Iterable[Statement]) -> Iterator[Gap]:
    """What single attempts left open: proofs that say less than all, attempts without an end, files that are gone."""
    for each in statements:
        found, kind = each.predicate, Word(each.kind)
        if each.outcome == "killed":
            what = said("{kind} number {turn} has no end of its own: its process died", kind=kind, turn=each.turn)
            yield _gap("killed", each, what)
        if each.outcome == "running":
            what = said("{kind} number {turn} was under way when this was written", kind=kind, turn=each.turn)
            yield _gap("running", each, what)
        if isinstance(found, Verification):
            yield from _of_proof(found, each)
        if isinstance(found, Drill):
            yield from _of_drill(found, each)
        if isinstance(found, Backup) and found.restore_point is not None and not found.restore_point.kept:
            gone = said("restore point {id} is in no store any more", id=found.restore_point.id)
            yield _gap("file_gone", each, _but_the_ledger(gone))
        if each.kind != "alert" and each.turn is None:
            what = said(
                "{kind} {name} is signed and in a store, and not in the ledger: who did it, and what failed beside it, "
                "is not known here",
                kind=kind, name=each.tail,
            )  # fmt: skip
            yield _gap("unrecorded", each, what)


def of_alerts(statements: Iterable[Statement], alerts: Alerts) -> Iterator[Gap]:
    """Who was not told."""
    if alerts.channels == 0:
        what = said("no channel for alerts is configured: troubles are recorded, and nobody is told")
        yield Gap(kind="no_channel", what=what)
    for each in statements:
        if isinstance(each.predicate, Alert):
            unsent = [message for message in each.predicate.messages if message.status != "delivered"]
            states = [Word(status) for status in sorted({message.status for message in unsent})]
            if unsent:
                what = counted(
                    "{count} message about alert {name} was accepted by no channel: {states}",
                    "{count} messages about alert {name} were accepted by no channel: {states}",
                    len(unsent), name=each.tail, states=states,
                )  # fmt: skip
                yield _gap("alert_not_delivered", each, what, count=len(unsent))


def _of_proof(found: Verification, statement: Statement) -> Iterator[Gap]:
    proof, name = found.proof, said("the proof of {id} from {store}", id=found.backup_id, store=found.store)
    if proof is None or proof.outcome != "verified":
        return
    if proof.sha256 is None:
        gone = said("{name}: its signed verdict is in no store any more", name=name)
        yield _gap("file_gone", statement, _but_the_ledger(gone))
    if not proof.whole:
        less = leaves_out(proof.grade) if proof.grade is not None else said("its grade is not known")
        missing = [*([less] if less else []), *proof.not_compared]
        what = said(
            "{name} compared less than everything ({words}): {missing}",
            name=name, words=worded(proof.words or "not known"), missing=missing,
        )  # fmt: skip
        yield _gap("weak_proof", statement, what, count=max(1, len(proof.not_compared)))


def _of_drill(found: Drill, statement: Statement) -> Iterator[Gap]:
    if found.drill is None:
        if statement.outcome not in ("running", "killed"):
            gone = said("the report of drill number {turn} is not there", turn=statement.turn)
            yield _gap("file_gone", statement, _but_the_ledger(gone))
    elif found.drill.signature != "valid":
        what = said(
            "the signature of the report of drill {id} is {state}",
            id=found.drill.id, state=Word(found.drill.signature),
        )  # fmt: skip
        yield _gap("not_believed", statement, what)


def _but_the_ledger(gone: Said) -> Said:
    return said("{gone}; {ledger}", gone=gone, ledger=_LEDGER_ALONE)


def _gap(kind: GapKind, statement: Statement, what: str, *, count: int = 1) -> Gap:
    return Gap(
        kind=kind, source=statement.source, span=Span(begin=statement.at, end=statement.at), what=what, count=count
    )


def _long(span: Span) -> timedelta:
    return timedelta(seconds=span.seconds)
