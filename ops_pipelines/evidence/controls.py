"""What a bundle has to say to each control: what was done, what was not, and what no tool of this kind can show.

What a control asks for stands here in our own words and in short. Nothing here says that a control is met: that is for
the auditor. A sentence is made of counted statements, so that a period without a drill says so at once.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ops_pipelines.evidence.facts import WELL
from ops_pipelines.evidence.summary import Alerts, Control, Counts, Gap, Reached, number
from ops_pipelines.language.said import Said, Word, said


@dataclass(frozen=True)
class Done:
    """What a period came to."""

    counts: Counts
    reached: Sequence[Reached]
    gaps: Sequence[Gap]
    alerts: Alerts

    def many(self, kind: str) -> int:
        """How many gaps of a kind there are."""
        return sum(gap.kind == kind for gap in self.gaps)

    def sources(self, kind: str) -> list[str]:
        """The sources that have a gap of a kind, each once."""
        return sorted({gap.source for gap in self.gaps if gap.kind == kind})


Lines = Callable[[Done], Iterable[str]]


def controls(done: Done) -> list[Control]:
    """Every control that the page maps to, in its order."""
    return [
        Control(
            id=each.id, framework=each.framework, title=each.title, asks=each.asks, statements=each.statements,
            shown=[line for lines in each.shown for line in lines(done)],
            not_done=[line for lines in each.not_done for line in lines(done)] or [_NOTHING_MISSING],
            cannot_show=each.cannot_show,
        )
        for each in _EVERY
    ]  # fmt: skip


_NOTHING_MISSING = said("nothing of what this tool looks at")


def _backups(done: Done) -> Iterable[str]:
    yield said("backups that succeeded: {share}", share=_of(done, "backup", "succeeded"))
    yield said("copies into other stores that succeeded: {share}", share=_of(done, "copy", "succeeded"))


def _proofs(done: Done) -> Iterable[str]:
    yield said(
        "restores into a throwaway place that were compared and passed: {passed}; that compared everything: {whole}",
        passed=_of(done, "verification", "verified"), whole=sum(each.whole_proofs for each in done.reached),
    )  # fmt: skip


def _deletions(done: Done) -> Iterable[str]:
    yield said(
        "deletions by retention that were carried out: {deleted}; that were refused for safety: {refused}",
        deleted=_of(done, "deletion", "succeeded"), refused=number(done.counts, "deletion", "refused"),
    )  # fmt: skip


def _drills(done: Done) -> Iterable[str]:
    passed = _of(done, "drill", "succeeded")
    yield said("recoveries rehearsed in drills that passed, counted by source: {share}", share=passed)


def _restores(done: Done) -> Iterable[str]:
    yield said("restores that somebody asked for and that succeeded: {share}", share=_of(done, "restore", "succeeded"))


def _objectives(done: Done) -> Iterable[str]:
    for each in done.reached:
        if each.rpo is not None and each.rpo.share is not None and each.rpo.target_s is not None:
            held = said(
                "{source}: the RPO of {target} held for {percent}% of the time looked at",
                source=each.source, target=_span(each.rpo.target_s), percent=round(100 * each.rpo.share, 2),
            )  # fmt: skip
            age = _span(each.rpo.greatest_age_s)
            yield (
                said("{held}; the oldest recovery point was {age} old", held=held, age=age)
                if each.rpo.greatest_at
                else held
            )
        if each.rto.longest is not None and each.rto.target_s is not None:
            yield said(
                "{source}: restores measured: {many}, the longest took {took}; the RTO is {target}",
                source=each.source, many=each.rto.measured, took=_span(each.rto.longest.took_s),
                target=_span(each.rto.target_s),
            )  # fmt: skip


def _alerts(done: Done) -> Iterable[str]:
    alerts = done.alerts
    yield said("alerts that were opened: {opened}; that ended: {ended}", opened=alerts.opened, ended=alerts.resolved)
    yield said("messages about alerts that a channel accepted: {many}", many=alerts.delivered)


def _failed(*kinds: tuple[str, str]) -> Lines:
    """How many of these kinds did not end well, and how they did."""

    def lines(done: Done) -> Iterable[str]:
        for kind, word in kinds:
            bad = {each: many for each, many in done.counts.get(kind, {}).items() if each not in WELL}
            if bad:
                how = [said("{many} {outcome}", many=many, outcome=Word(outcome)) for outcome, many in bad.items()]
                yield said("{things} that did not end well: {how}", things=Word(word), how=how)

    return lines


def _unknown(done: Done) -> Iterable[str]:
    if done.many("before_ledger"):
        yield said("of a part of the period nothing is recorded: the ledger begins later")
    if unknown := [each.source for each in done.reached if each.looked_at is None]:
        yield said("nothing was recorded in this period of {names}", names=unknown)
    if many := done.many("unrecorded"):
        yield said("things that are in a store and not in the ledger: {many}", many=many)
    if many := done.many("numbers_missing"):
        yield said("runs of attempts that the ledger does not have any more: {many}", many=many)


def _no_backup(done: Done) -> Iterable[str]:
    if names := done.sources("no_backup"):
        yield said("there were days without a backup of {names}", names=names)
    if names := done.sources("not_believed"):
        yield said("something in the stores is damaged, missing or not believed of {names}", names=names)


def _weak(done: Done) -> Iterable[str]:
    if names := done.sources("nothing_proved"):
        yield said("there were days on which nothing was restored and compared of {names}", names=names)
    if weak := done.many("weak_proof"):
        yield said("verifications that passed and compared less than everything: {many}", many=weak)


def _no_drill(done: Done) -> Iterable[str]:
    if not number(done.counts, "drill", "succeeded"):
        yield said("no recovery was rehearsed with success in this period")
    elif names := done.sources("no_drill"):
        yield said("no recovery was rehearsed with success in this period of {names}", names=names)


def _breaches(done: Done) -> Iterable[str]:
    for each in done.reached:
        if each.rpo is not None and each.rpo.breaches:
            together = sum(breach.span.seconds for breach in each.rpo.breaches)
            yield said(
                "{source}: times at which the RPO did not hold: {many}, together {together}",
                source=each.source, many=len(each.rpo.breaches), together=_span(together),
            )  # fmt: skip
        if late := len(each.rto.late):
            yield said("{source}: restores that took longer than the RTO: {many}", source=each.source, many=late)
        if each.looked_at is not None and each.rto.measured == 0:
            yield said("{source}: no restore was measured, so that nothing is known of its RTO", source=each.source)


def _untold(done: Done) -> Iterable[str]:
    if done.many("no_channel"):
        yield said("no channel for alerts is configured")
    if done.alerts.unsent:
        yield said("messages about alerts that no channel accepted: {many}", many=done.alerts.unsent)
    if still := done.alerts.opened - done.alerts.resolved:
        yield said("alerts that had not ended when this was written: {many}", many=still)


def _of(done: Done, kind: str, outcome: str) -> Said:
    return said("{some} of {all}", some=number(done.counts, kind, outcome), all=number(done.counts, kind))


def _span(seconds: float | None) -> timedelta | Word:
    return timedelta(seconds=seconds) if seconds is not None else Word("not known")


@dataclass(frozen=True)
class _Mapped:
    id: str
    framework: str
    title: str
    asks: str
    statements: Sequence[str]
    shown: Sequence[Lines]
    not_done: Sequence[Lines]
    cannot_show: Sequence[str]


_SCOPE = said("whether everything that should be backed up stands in ops.yaml")
_POLICY = said("whether there is a policy, who approved it, and whether these targets are the ones that it asks for")
_TAKEN = _failed(("backup", "backups"), ("copy", "copies"), ("verification", "verifications"))
_BROUGHT_BACK = _failed(("verification", "verifications"), ("drill", "drills"), ("restore", "restores"))
_BROUGHT_BACK_TOO = _failed(("drill", "drills"), ("restore", "restores"))
_EVERYTHING = (_unknown, _TAKEN, _BROUGHT_BACK_TOO, _no_backup, _weak, _no_drill, _breaches)
_PEOPLE = said("whether people know what to do: this tool restores, and nobody's decision is rehearsed")
_EVERY = (
    _Mapped(
        "A.8.13", "ISO/IEC 27001:2022", "Information backup",
        said(
            "Backups of information, software and systems are kept, and tested regularly, as a policy on backup says."
        ),
        ("backup", "copy", "verification", "deletion"),
        (_backups, _proofs, _deletions), (_unknown, _TAKEN, _no_backup, _weak), (_POLICY, _SCOPE),
    ),
    _Mapped(
        "A.5.30", "ISO/IEC 27001:2022", "ICT readiness for business continuity",
        said(
            "Readiness is planned, put into practice, maintained and tested, by the objectives of business continuity."
        ),
        ("drill", "restore", "verification"),
        (_drills, _restores, _objectives), (_unknown, _BROUGHT_BACK, _no_drill, _breaches),
        (_POLICY, _PEOPLE, said("networks, offices, suppliers, and whatever else the business needs beside its data")),
    ),
    _Mapped(
        "A1.2", "SOC 2 (Trust Services Criteria)", "Backup processes and recovery infrastructure",
        said(
            "Environmental protections, software, backup processes and recovery infrastructure are designed, operated, "
            "maintained and monitored so that objectives are met."
        ),
        ("backup", "copy", "deletion", "alert"),
        (_backups, _deletions, _alerts), (_unknown, _TAKEN, _no_backup, _untold),
        (_POLICY, _SCOPE, said("environmental protections: power, cooling, fire, water")),
    ),
    _Mapped(
        "A1.3", "SOC 2 (Trust Services Criteria)", "Tests of recovery",
        said(
            "The procedures of the recovery plan are tested, and backed-up data is tested for being whole and "
            "unchanged."
        ),
        ("drill", "verification", "restore"),
        (_drills, _proofs, _restores), (_unknown, _BROUGHT_BACK, _no_drill, _weak),
        (_PEOPLE, said("whether the plan was revised after a test, and by whom")),
    ),
    _Mapped(
        "CC7.5", "SOC 2 (Trust Services Criteria)", "Recovery from security incidents",
        said(
            "Activities are identified, developed and put into practice by which one recovers from a security incident."
        ),
        ("restore", "drill", "alert"),
        (_restores, _drills, _alerts), (_unknown, _BROUGHT_BACK, _no_drill, _untold),
        (said("whether there was a security incident, its cause, and what was changed so that it does not return"),
         said("whether what was restored is free of what the attacker left: a backup brings back what there was")),
    ),
    _Mapped(
        "Article 21(2)(c)", "NIS2, Directive (EU) 2022/2555", "Backup management, disaster recovery",
        said(
            "Measures, in proportion to the risk, for business continuity: backup management, disaster recovery, and "
            "crisis management."
        ),
        ("backup", "copy", "verification", "drill", "restore", "alert"),
        (_backups, _proofs, _drills, _objectives), _EVERYTHING,
        (said("crisis management, and whether the measures are in proportion to the risk"), _SCOPE,
         said("the other measures of article 21, and what national law adds")),
    ),
    _Mapped(
        "Article 12", "DORA, Regulation (EU) 2022/2554", "Backup, restoration and recovery",
        said(
            "Policies say what is backed up, and how often. Backups, restoration and recovery are tested periodically. "
            "A restore with own systems is made on systems that are segregated from the source, physically and "
            "logically. Recovery times and points are set for each function, and data is checked several times when it "
            "comes back."
        ),
        ("backup", "copy", "verification", "drill", "restore", "deletion"),
        (_backups, _proofs, _drills, _objectives), _EVERYTHING,
        (_POLICY,
         said("whether the place of a restore is segregated physically: proofs run in a sandbox, mostly on the machine "
              "that makes the backups"),
         said("redundant capacity and a secondary site (paragraphs 4 and 5)"),
         said("reconciliation with data of others, beyond the checks that stand in the statements")),
    ),
)  # fmt: skip
