"""What a bundle has to say to each control: what was done, what was not, and what no tool of this kind can show.

What a control asks for stands here in our own words and in short. Nothing here says that a control is met: that is for
the auditor. A sentence is made of counted statements, so that a period without a drill says so at once.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ops_pipelines.clock import human_duration
from ops_pipelines.evidence.facts import WELL
from ops_pipelines.evidence.summary import Alerts, Control, Counts, Gap, Reached, number


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


_NOTHING_MISSING = "nothing of what this tool looks at"


def _backups(done: Done) -> Iterable[str]:
    yield f"backups that succeeded: {_of(done, 'backup', 'succeeded')}"
    yield f"copies into other stores that succeeded: {_of(done, 'copy', 'succeeded')}"


def _proofs(done: Done) -> Iterable[str]:
    passed, whole = _of(done, "verification", "verified"), sum(each.whole_proofs for each in done.reached)
    yield f"restores into a throwaway place that were compared and passed: {passed}; that compared everything: {whole}"


def _deletions(done: Done) -> Iterable[str]:
    deleted, refused = _of(done, "deletion", "succeeded"), number(done.counts, "deletion", "refused")
    yield f"deletions by retention that were carried out: {deleted}; that were refused for safety: {refused}"


def _drills(done: Done) -> Iterable[str]:
    yield f"recoveries rehearsed in drills that passed, counted by source: {_of(done, 'drill', 'succeeded')}"


def _restores(done: Done) -> Iterable[str]:
    yield f"restores that somebody asked for and that succeeded: {_of(done, 'restore', 'succeeded')}"


def _objectives(done: Done) -> Iterable[str]:
    for each in done.reached:
        if each.rpo is not None and each.rpo.share is not None and each.rpo.target_s is not None:
            age = (
                f"; the oldest recovery point was {_span(each.rpo.greatest_age_s)} old" if each.rpo.greatest_at else ""
            )
            target, share = _span(each.rpo.target_s), f"{each.rpo.share:.2%}"
            yield f"{each.source}: the RPO of {target} held for {share} of the time looked at{age}"
        if each.rto.longest is not None and each.rto.target_s is not None:
            took, target = _span(each.rto.longest.took_s), _span(each.rto.target_s)
            many = each.rto.measured
            yield f"{each.source}: restores measured: {many}, the longest took {took}; the RTO is {target}"


def _alerts(done: Done) -> Iterable[str]:
    alerts = done.alerts
    yield f"alerts that were opened: {alerts.opened}; that ended: {alerts.resolved}"
    yield f"messages about alerts that a channel accepted: {alerts.delivered}"


def _failed(*kinds: tuple[str, str]) -> Lines:
    """How many of these kinds did not end well, and how they did."""

    def lines(done: Done) -> Iterable[str]:
        for kind, word in kinds:
            bad = {each: many for each, many in done.counts.get(kind, {}).items() if each not in WELL}
            if bad:
                how = ", ".join(f"{many} {outcome}" for outcome, many in bad.items())
                yield f"{word} that did not end well: {how}"

    return lines


def _unknown(done: Done) -> Iterable[str]:
    if done.many("before_ledger"):
        yield "of a part of the period nothing is recorded: the ledger begins later"
    if unknown := [each.source for each in done.reached if each.looked_at is None]:
        yield f"nothing was recorded in this period of {', '.join(unknown)}"
    if many := done.many("unrecorded"):
        yield f"things that are in a store and not in the ledger: {many}"
    if many := done.many("numbers_missing"):
        yield f"runs of attempts that the ledger does not have any more: {many}"


def _no_backup(done: Done) -> Iterable[str]:
    yield from _named(done, "no_backup", "there were days without a backup of")
    yield from _named(done, "not_believed", "something in the stores is damaged, missing or not believed of")


def _weak(done: Done) -> Iterable[str]:
    yield from _named(done, "nothing_proved", "there were days on which nothing was restored and compared of")
    if weak := done.many("weak_proof"):
        yield f"verifications that passed and compared less than everything: {weak}"


def _no_drill(done: Done) -> Iterable[str]:
    if not number(done.counts, "drill", "succeeded"):
        yield "no recovery was rehearsed with success in this period"
    else:
        yield from _named(done, "no_drill", "no recovery was rehearsed with success in this period of")


def _breaches(done: Done) -> Iterable[str]:
    for each in done.reached:
        if each.rpo is not None and each.rpo.breaches:
            many, together = len(each.rpo.breaches), _broken(each)
            yield f"{each.source}: times at which the RPO did not hold: {many}, together {together}"
        if each.rto.late:
            yield f"{each.source}: restores that took longer than the RTO: {len(each.rto.late)}"
        if each.looked_at is not None and each.rto.measured == 0:
            yield f"{each.source}: no restore was measured, so that nothing is known of its RTO"


def _untold(done: Done) -> Iterable[str]:
    if done.many("no_channel"):
        yield "no channel for alerts is configured"
    if done.alerts.unsent:
        yield f"messages about alerts that no channel accepted: {done.alerts.unsent}"
    if still := done.alerts.opened - done.alerts.resolved:
        yield f"alerts that had not ended when this was written: {still}"


def _named(done: Done, kind: str, words: str) -> Iterable[str]:
    if names := done.sources(kind):
        yield f"{words} {', '.join(names)}"


def _of(done: Done, kind: str, outcome: str) -> str:
    return f"{number(done.counts, kind, outcome)} of {number(done.counts, kind)}"


def _broken(reached: Reached) -> str:
    return _span(sum(each.span.seconds for each in reached.rpo.breaches)) if reached.rpo is not None else ""


def _span(seconds: float | None) -> str:
    return human_duration(timedelta(seconds=seconds)) if seconds is not None else "not known"


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


_SCOPE = "whether everything that should be backed up stands in ops.yaml"
_POLICY = "whether there is a policy, who approved it, and whether these targets are the ones that it asks for"
_TAKEN = _failed(("backup", "backups"), ("copy", "copies"), ("verification", "verifications"))
_BROUGHT_BACK = _failed(("verification", "verifications"), ("drill", "drills"), ("restore", "restores"))
_BROUGHT_BACK_TOO = _failed(("drill", "drills"), ("restore", "restores"))
_EVERYTHING = (_unknown, _TAKEN, _BROUGHT_BACK_TOO, _no_backup, _weak, _no_drill, _breaches)
_PEOPLE = "whether people know what to do: this tool restores, and nobody's decision is rehearsed"
_EVERY = (
    _Mapped(
        "A.8.13", "ISO/IEC 27001:2022", "Information backup",
        "Backups of information, software and systems are kept, and tested regularly, as a policy on backup says.",
        ("backup", "copy", "verification", "deletion"),
        (_backups, _proofs, _deletions), (_unknown, _TAKEN, _no_backup, _weak), (_POLICY, _SCOPE),
    ),
    _Mapped(
        "A.5.30", "ISO/IEC 27001:2022", "ICT readiness for business continuity",
        "Readiness is planned, put into practice, maintained and tested, by the objectives of business continuity.",
        ("drill", "restore", "verification"),
        (_drills, _restores, _objectives), (_unknown, _BROUGHT_BACK, _no_drill, _breaches),
        (_POLICY, _PEOPLE, "networks, offices, suppliers, and whatever else the business needs beside its data"),
    ),
    _Mapped(
        "A1.2", "SOC 2 (Trust Services Criteria)", "Backup processes and recovery infrastructure",
        "Environmental protections, software, backup processes and recovery infrastructure are designed, operated, "
        "maintained and monitored so that objectives are met.",
        ("backup", "copy", "deletion", "alert"),
        (_backups, _deletions, _alerts), (_unknown, _TAKEN, _no_backup, _untold),
        (_POLICY, _SCOPE, "environmental protections: power, cooling, fire, water"),
    ),
    _Mapped(
        "A1.3", "SOC 2 (Trust Services Criteria)", "Tests of recovery",
        "The procedures of the recovery plan are tested, and backed-up data is tested for being whole and unchanged.",
        ("drill", "verification", "restore"),
        (_drills, _proofs, _restores), (_unknown, _BROUGHT_BACK, _no_drill, _weak),
        (_PEOPLE, "whether the plan was revised after a test, and by whom"),
    ),
    _Mapped(
        "CC7.5", "SOC 2 (Trust Services Criteria)", "Recovery from security incidents",
        "Activities are identified, developed and put into practice by which one recovers from a security incident.",
        ("restore", "drill", "alert"),
        (_restores, _drills, _alerts), (_unknown, _BROUGHT_BACK, _no_drill, _untold),
        ("whether there was a security incident, its cause, and what was changed so that it does not return",
         "whether what was restored is free of what the attacker left: a backup brings back what there was"),
    ),
    _Mapped(
        "Article 21(2)(c)", "NIS2, Directive (EU) 2022/2555", "Backup management, disaster recovery",
        "Measures, in proportion to the risk, for business continuity: backup management, disaster recovery, and "
        "crisis management.",
        ("backup", "copy", "verification", "drill", "restore", "alert"),
        (_backups, _proofs, _drills, _objectives), _EVERYTHING,
        ("crisis management, and whether the measures are in proportion to the risk", _SCOPE,
         "the other measures of article 21, and what national law adds"),
    ),
    _Mapped(
        "Article 12", "DORA, Regulation (EU) 2022/2554", "Backup, restoration and recovery",
        "Policies say what is backed up, and how often. Backups, restoration and recovery are tested periodically. A "
        "restore with own systems is made on systems that are segregated from the source, physically and logically. "
        "Recovery times and points are set for each function, and data is checked several times when it comes back.",
        ("backup", "copy", "verification", "drill", "restore", "deletion"),
        (_backups, _proofs, _drills, _objectives), _EVERYTHING,
        (_POLICY, "whether the place of a restore is segregated physically: proofs run in a sandbox, mostly on the "
         "machine that makes the backups", "redundant capacity and a secondary site (paragraphs 4 and 5)",
         "reconciliation with data of others, beyond the checks that stand in the statements"),
    ),
)  # fmt: skip
