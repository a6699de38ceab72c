"""Everything that a bundle will say, gathered: every attempt and alert of a period, and what that comes to."""

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipelines import __version__
from ops_pipelines.config.models import Config
from ops_pipelines.evidence import gaps
from ops_pipelines.evidence.controls import Done, controls
from ops_pipelines.evidence.facts import Alert, By, Drill, Verification
from ops_pipelines.evidence.kept import Kept
from ops_pipelines.evidence.numbering import Numbering, numbering_of
from ops_pipelines.evidence.period import Period, Span, longest_pause
from ops_pipelines.evidence.reached import rpo_reached, rto_reached
from ops_pipelines.evidence.statements import Statement
from ops_pipelines.evidence.summary import Alerts, Days, Gap, Reached, Summary, counts_of
from ops_pipelines.evidence.tell import Teller
from ops_pipelines.evidence.timeline import standings_of
from ops_pipelines.language.said import said
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import Activity
from ops_pipelines.ledger.period import (
    began_between,
    first_known,
    incidents_between,
    last_known,
    last_turn,
    proofs_until,
)
from ops_pipelines.vault.catalogue import Catalogue
from ops_pipelines.watch.kept import stretches
from ops_pipelines.workspace import Workspace

_SLACK = timedelta(seconds=1)
LIMITS = (
    said("Times are those of this machine's clock. The order of attempts is by their numbers, which no clock changes."),
    said("It tells what this tool attempted. What another tool did, or a system that is not in ops.yaml, is not here."),
    said(
        "It is signed with a key that lies on the machine that makes the backups: who controls that machine could sign "
        "something else. Keep the public key, and each bundle, where that machine cannot change them."
    ),
    said("Targets are those of today's ops.yaml; which ones held earlier is not recorded."),
    said(
        "An age is counted from the start of the dump of the newest restore point that had been verified at that "
        "moment; a backup that nobody had verified yet does not count."
    ),
    said(
        "Restores were measured on the machine that verifies, or where a drill ran: other hardware takes another time."
    ),
    said("A message that was delivered was accepted by a channel; whether somebody read it is not known."),
    said("Of what retention has deleted since, the ledger alone tells; its digests are here, its files are not."),
)


@dataclass(frozen=True)
class Evidence:
    """What a bundle is made of."""

    summary: Summary
    statements: Sequence[Statement]
    numbering: Numbering


def assemble(workspace: Workspace, period: Period, *, only: Sequence[str] = ()) -> Evidence:
    """Gather everything of a period. Changes nothing but the keys of an installation that has none yet.

    Args:
        only: these sources; all that are configured, or were, unless given.
    Raises:
        UnknownSource: neither ops.yaml nor the ledger knows one of them.
        LedgerError: the ledger cannot be read: without it nobody can tell what is missing.
        OpsError: there is no key to sign with.
    """
    ledger, now = workspace.ledger, workspace.clock.now()
    for name in only:
        if last_known(ledger, name) is None:
            workspace.config.source(name)
    whole = Span(begin=period.begin, end=period.end)
    highest = last_turn(ledger)
    rows = [row for row in began_between(ledger, period.begin, period.end) if row.turn <= highest]
    names = list(only) or list(dict.fromkeys([*workspace.config.sources, *(row.source for row in rows)]))
    kept = Kept(workspace.stores, workspace.catalogue, workspace.places)
    by = By(installation=workspace.trust.installation_id, product=f"ops_pipelines {__version__}")
    teller = Teller(by, kept, {row.id for row in ledger.orphans()})
    statements = [teller.of_attempt(row) for row in rows if row.source in names]
    reached, found = [], [*gaps.of_the_period(whole, first_known(ledger), now)]
    for name in names:
        source = _Source(name, workspace.config, ledger, kept.catalogue(name), period, now)
        statements += source.unrecorded(teller, kept)
        ours = [each for each in statements if each.source == name]
        reached.append(source.reached(ours))
        found += source.gaps(ours)
    until = min(period.end, now)
    told = incidents_between(ledger, period.begin, until) if until > period.begin else []
    statements += [teller.of_incident(each) for each in told if not only or each.incident.source in (*names, "")]
    alerts = _alerts(statements, workspace.config, whole)
    numbering = numbering_of(ledger, rows, names, highest)
    found += [*gaps.of_statements(statements), *gaps.of_alerts(statements, alerts), *_unnumbered(numbering)]
    counts = counts_of(statements)
    summary = Summary(
        product=by.product, installation=by.installation, host=socket.gethostname(), made_at=now,
        period=Days(first=period.first, last=period.last, zone=period.zone, begin=whole.begin, end=whole.end),
        sources=list(only) or None, counts=counts, reached=reached, alerts=alerts, gaps=found,
        controls=controls(Done(counts, reached, found, alerts)), limits=LIMITS,
    )  # fmt: skip
    return Evidence(summary, statements, numbering)


class _Source:
    """What is known of one source."""

    def __init__(
        self, name: str, config: Config, ledger: Ledger, catalogue: Catalogue, period: Period, now: datetime
    ) -> None:
        self._name, self._catalogue, self._period = name, catalogue, period
        self._settings = config.sources.get(name)
        self._movements = ledger.movements(name)
        self._proofs = proofs_until(ledger, name, period.end)
        self._begins = _begins(first_known(ledger, name), catalogue)
        end = min(period.end, now)
        if self._settings is None and (last := last_known(ledger, name)) is not None:
            end = min(end, last + _SLACK)
        begin = max(period.begin, self._begins) if self._begins is not None else None
        self.looked_at = Span(begin=begin, end=end) if begin is not None and begin < end else None

    def unrecorded(self, teller: Teller, kept: Kept) -> Iterator[Statement]:
        """What is signed and in a store, began in the period, and is not in the ledger."""
        made = {row.backup_id for row in self._movements if row.kind in ("dump", "adopt")}
        for point in self._catalogue.points:
            if point.id not in made and self._period.begin <= point.started_at < self._period.end:
                yield teller.of_unrecorded_point(point)
            for each in kept.verdicts(self._name, point.id):
                if self._period.begin <= each.verdict.finished_at < self._period.end and not any(
                    _is_of(row, each.verdict.backup_id, each.verdict.store, each.verdict.started_at)
                    for row in self._proofs
                ):
                    yield teller.of_unrecorded_verdict(each)

    def reached(self, statements: Sequence[Statement]) -> Reached:
        """What was done, and reached."""
        target, rpo = self._settings, None
        if self.looked_at is not None:
            found = standings_of(self._movements, self._proofs, self._catalogue, self._safety())
            lived = stretches(found, self.looked_at.begin, self.looked_at.end)
            rpo = rpo_reached(lived, target.rpo if target is not None else None)
        taken = [each.at for each in statements if each.kind == "backup" and each.outcome == "succeeded"]
        proofs = [each.predicate.proof for each in statements if isinstance(each.predicate, Verification)]
        drills = [each.predicate.drill for each in statements if isinstance(each.predicate, Drill)]
        return Reached(
            source=self._name, kind=target.kind if target is not None else None, configured=target is not None,
            looked_at=self.looked_at, counts=counts_of(statements),
            proofs=sum(each is not None and each.outcome == "verified" for each in proofs),
            whole_proofs=sum(each is not None and each.whole for each in proofs),
            drills=sum(each is not None and each.recovered for each in drills), rpo=rpo,
            rto=rto_reached(statements, target.rto if target is not None else None),
            longest_pause=longest_pause(self.looked_at, taken) if self.looked_at is not None else None,
        )  # fmt: skip

    def gaps(self, statements: Sequence[Statement]) -> Iterator[Gap]:
        """What was not done of it, and what is not known."""
        whole = Span(begin=self._period.begin, end=self._period.end)
        begins = self._begins
        if begins is None or begins > whole.begin:
            span = Span(begin=whole.begin, end=min(begins or whole.end, whole.end))
            yield Gap(
                kind="not_watched", source=self._name, span=span, what=said("nothing is recorded of it in this time")
            )
        if self._settings is None:
            yield Gap(
                kind="not_configured", source=self._name,
                what=said("it is not in ops.yaml any more: what was promised for it, and when it was taken out, is "
                "not known; it was looked at until its last attempt"),
            )  # fmt: skip
        yield from gaps.of_days(self._name, self._period, self.looked_at, statements)
        for message in self._catalogue.messages:
            what = said("in its stores, when this was written: {what}", what=message)
            yield Gap(kind="not_believed", source=self._name, what=what)

    def _safety(self) -> list[str]:
        return [row.backup_id or "" for row in self._movements if row.meta.get("safety")]


def _begins(recorded: datetime | None, catalogue: Catalogue) -> datetime | None:
    """Since when something is known of a source: by the ledger, or by what was sealed here before it was lost."""
    sealed = [point.manifest.finished_at for point in catalogue.points]
    return min([*sealed, *([recorded] if recorded is not None else [])], default=None)


def _is_of(row: Activity, backup_id: str, store: str, at: datetime) -> bool:
    end = row.finished_at
    return (
        (row.backup_id, row.store) == (backup_id, store)
        and row.started_at - _SLACK <= at
        and (end is None or at <= end + _SLACK)
    )


def _alerts(statements: Iterable[Statement], config: Config, period: Span) -> Alerts:
    alerts = [each.predicate for each in statements if isinstance(each.predicate, Alert)]
    opened = [each for each in alerts if period.begin <= each.opened_at < period.end]
    messages = [message for each in alerts for message in each.messages]
    delivered = sum(message.status == "delivered" for message in messages)
    return Alerts(
        opened=len(opened), resolved=sum(each.outcome == "resolved" for each in opened), delivered=delivered,
        unsent=len(messages) - delivered, channels=len(config.alerts.channels),
    )  # fmt: skip


def _unnumbered(numbering: Numbering) -> Iterator[Gap]:
    missing: Mapping[tuple[int, int], int] = {each: each[1] - each[0] + 1 for each in numbering.missing}
    for (first, last), many in missing.items():
        yield Gap(
            kind="numbers_missing", count=many,
            what=said(
                "the ledger has no attempt with the numbers {first} to {last}: rows were removed, or never written",
                first=first, last=last,
            ),
        )  # fmt: skip
