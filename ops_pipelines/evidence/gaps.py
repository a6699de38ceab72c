"""What was not done, and what nothing here tells, each by its name. A gap is never a reason to leave something out."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from ops_pipelines.clock import human_duration
from ops_pipelines.evidence.facts import Alert, Backup, Drill, Verification
from ops_pipelines.evidence.period import Period, Span
from ops_pipelines.evidence.statements import Statement
from ops_pipelines.evidence.summary import Alerts, Gap, GapKind
from ops_pipelines.proof import leaves_out

_LEDGER_ALONE = "the ledger alone tells of it"


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
            what="nothing is recorded of this time: the ledger begins later; what was done then, if anything was, "
            "is not known here",
        )  # fmt: skip
    if now < span.end:
        begin = max(now, span.begin)
        yield Gap(kind="not_over", span=Span(begin=begin, end=span.end), what="the period was not over")


def of_days(source: str, period: Period, looked_at: Span | None, statements: Sequence[Statement]) -> Iterator[Gap]:
    """Days without a backup, days on which nothing was proved, and a whole period without a drill."""
    if looked_at is None:
        return
    taken = [each.at for each in statements if each.kind == "backup" and each.outcome == "succeeded"]
    for span in period.days_without(looked_at, taken):
        yield Gap(kind="no_backup", source=source, span=span, what=f"no backup succeeded {_long(span)}")
    proved = [each.at for each in statements if each.kind == "verification" and each.outcome == "verified"]
    proved += [each.at for each in statements if each.kind == "drill" and each.outcome == "succeeded"]
    for span in period.days_without(looked_at, proved):
        yield Gap(
            kind="nothing_proved", source=source, span=span, what=f"nothing was restored and compared {_long(span)}"
        )
    drills = [each for each in statements if isinstance(each.predicate, Drill)]
    if not any(each.outcome == "succeeded" for each in drills):
        tried = f"; {len(drills)} were tried and did not pass" if drills else ""
        yield Gap(kind="no_drill", source=source, span=looked_at, what=f"no recovery was rehearsed with success{tried}")


def of_statements(statements: Iterable[Statement]) -> Iterator[Gap]:
    """What single attempts left open: proofs that say less than all, attempts without an end, files that are gone."""
    for each in statements:
        said = each.predicate
        if each.outcome == "killed":
            yield _gap("killed", each, f"{each.kind} number {each.turn} has no end of its own: its process died")
        if each.outcome == "running":
            yield _gap("running", each, f"{each.kind} number {each.turn} was under way when this was written")
        if isinstance(said, Verification):
            yield from _of_proof(said, each)
        if isinstance(said, Drill):
            yield from _of_drill(said, each)
        if isinstance(said, Backup) and said.restore_point is not None and not said.restore_point.kept:
            yield _gap(
                "file_gone", each, f"restore point {said.restore_point.id} is in no store any more; {_LEDGER_ALONE}"
            )
        if each.kind != "alert" and each.turn is None:
            what = f"{each.kind} {each.tail} is signed and in a store, and not in the ledger"
            yield _gap("unrecorded", each, f"{what}: who did it, and what failed beside it, is not known here")


def of_alerts(statements: Iterable[Statement], alerts: Alerts) -> Iterator[Gap]:
    """Who was not told."""
    if alerts.channels == 0:
        what = "no channel for alerts is configured: troubles are recorded, and nobody is told"
        yield Gap(kind="no_channel", what=what)
    for each in statements:
        if isinstance(each.predicate, Alert):
            unsent = [message for message in each.predicate.messages if message.status != "delivered"]
            states = ", ".join(sorted({message.status for message in unsent}))
            if unsent:
                what = f"{len(unsent)} messages about alert {each.tail} were accepted by no channel: {states}"
                yield _gap("alert_not_delivered", each, what, count=len(unsent))


def _of_proof(said: Verification, statement: Statement) -> Iterator[Gap]:
    proof, name = said.proof, f"the proof of {said.backup_id} from {said.store}"
    if proof is None or proof.outcome != "verified":
        return
    if proof.sha256 is None:
        yield _gap("file_gone", statement, f"{name}: its signed verdict is in no store any more; {_LEDGER_ALONE}")
    if not proof.whole:
        less = leaves_out(proof.grade) if proof.grade is not None else "its grade is not known"
        missing = "; ".join([*([less] if less else []), *proof.not_compared])
        words = proof.words or "not known"
        what = f"{name} compared less than everything ({words}): {missing}"
        yield _gap("weak_proof", statement, what, count=max(1, len(proof.not_compared)))


def _of_drill(said: Drill, statement: Statement) -> Iterator[Gap]:
    if said.drill is None:
        if statement.outcome not in ("running", "killed"):
            what = f"the report of drill number {statement.turn} is not there; {_LEDGER_ALONE}"
            yield _gap("file_gone", statement, what)
    elif said.drill.signature != "valid":
        what = f"the signature of the report of drill {said.drill.id} is {said.drill.signature}"
        yield _gap("not_believed", statement, what)


def _gap(kind: GapKind, statement: Statement, what: str, *, count: int = 1) -> Gap:
    return Gap(
        kind=kind, source=statement.source, span=Span(begin=statement.at, end=statement.at), what=what, count=count
    )


def _long(span: Span) -> str:
    return f"for {human_duration(timedelta(seconds=span.seconds))}"
