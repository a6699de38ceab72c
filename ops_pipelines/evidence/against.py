"""Compare a bundle with its ledger: what it leaves out or changes shows, even when it was signed again."""

from collections.abc import Iterator, Mapping
from typing import Any

from ops_pipelines.evidence import index
from ops_pipelines.evidence.check import Checked, Problem
from ops_pipelines.evidence.index import Index, Listed
from ops_pipelines.evidence.tell import attempt_of, outcome_of
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import Activity
from ops_pipelines.ledger.period import Told, began_between, incidents_between, sha256_of

_MAY_DIFFER = {"host", "run_id", "reason"}
"""Free text, in which more may be masked today. That it was not changed is seen by the row's digest."""
_KNOWN_FROM_THE_BEGIN = ("activity", "turn", "source", "kind", "began_at")


def compare_with_ledger(checked: Checked, ledger: Ledger) -> None:
    """Add what differs to what a check found. Raises LedgerError."""
    contents = checked.index
    if contents is None:
        return
    statements = {name: each for each in contents.statements for name in each.subjects}
    rows = [
        row for row in began_between(ledger, contents.period.begin, contents.period.end) if _asked(row.source, contents)
    ]
    late = [row for row in rows if row.turn > contents.numbering.highest]
    if late:
        checked.notes.append(f"{len(late)} attempts began in the period after this was written: write it anew")
    known = {f"ops_activities/{row.id}": row for row in rows if row.turn <= contents.numbering.highest}
    checked.problems += _of_attempts(known, statements, checked)
    until = min(contents.period.end, contents.made_at)
    told = incidents_between(ledger, contents.period.begin, until) if until > contents.period.begin else []
    alerts = {f"ops_incidents/{each.incident.id}": each for each in told if _asked(each.incident.source, contents)}
    checked.problems += _of_alerts(alerts, statements)
    for name, each in statements.items():
        if name.startswith(("ops_activities/", "ops_incidents/")) and name not in known and name not in alerts:
            checked.problems.append(Problem(each.file, f"the ledger has no {name}"))


def _of_attempts(
    known: Mapping[str, Activity], statements: Mapping[str, Listed], checked: Checked
) -> Iterator[Problem]:
    for name, row in known.items():
        entry = statements.get(name)
        if entry is None:
            how = outcome_of(row, ())
            yield Problem(index.NAME, f"an attempt was left out: number {row.turn}, {row.kind} of {row.source}, {how}")
            continue
        said = checked.documents.get(entry.file, {}).get("predicate", {}).get("attempt")
        if said is None:
            continue  # its file is a problem of its own
        if entry.final and entry.subjects[name] != sha256_of(row):
            yield Problem(entry.file, f"the ledger has attempt number {row.turn} with another content")
        elif differing := _differing(row, said, final=entry.final):
            yield Problem(
                entry.file, f"the ledger says something else of attempt number {row.turn}: {', '.join(differing)}"
            )


def _of_alerts(alerts: Mapping[str, Told], statements: Mapping[str, Listed]) -> Iterator[Problem]:
    for name, (incident, messages) in alerts.items():
        entry = statements.get(name)
        if entry is None:
            yield Problem(index.NAME, f"an alert was left out: {incident.rule} of {incident.source or 'this machine'}")
        elif entry.final and entry.subjects[name] != sha256_of(incident, *messages):
            yield Problem(entry.file, "the ledger has this alert with another content")
        elif entry.at != incident.opened_at or entry.source != incident.source:
            yield Problem(entry.file, "the ledger says something else of this alert")


def _differing(row: Activity, said: Mapping[str, Any], *, final: bool) -> list[str]:
    """The facts of an attempt that a statement gives otherwise than the ledger."""
    now = attempt_of(row, outcome_of(row, ())).model_dump(mode="json")
    compared = now.keys() - _MAY_DIFFER if final else _KNOWN_FROM_THE_BEGIN
    return sorted(name for name in compared if now[name] != said.get(name))


def _asked(source: str, contents: Index) -> bool:
    """Whether it belongs to the bundle. Alerts without a source are about the whole machine, and belong to each."""
    return contents.sources is None or source in contents.sources or source == ""
