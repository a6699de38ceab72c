"""What a drill measured against what is promised, and against past drills."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from statistics import median

from ops_pipelines.config.drills import Scenario
from ops_pipelines.drill.context import Drill
from ops_pipelines.drill.record import GroupResult, SourceResult
from ops_pipelines.language.said import Said, Word, counted, said
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import SUCCEEDED

_PAST = 10
_SLOWER, _WORTH_TELLING_S = 1.5, 1.0


def compared_with_past(drill: Drill) -> list[GroupResult]:
    """The drill's groups, with every step named that took much longer than it used to."""
    return [
        group.model_copy(update={"sources": [_compared(drill, source) for source in group.sources]})
        for group in drill.groups
    ]


def _compared(drill: Drill, result: SourceResult) -> SourceResult:
    past = past_times(drill.workspace.ledger, result.source, drill.scenario)
    slower = slower_steps({**result.seconds, "altogether": result.took_s}, past)
    return result.model_copy(update={"slower": slower, "past_s": [times["altogether"] for times in past]})


def past_times(ledger: Ledger, source: str, scenario: Scenario) -> Sequence[Mapping[str, float]]:
    """Seconds by step of the last good drills of this scenario, newest first."""
    rows = ledger.recent(source=source, kind="drill", limit=10 * _PAST)
    good = [row.meta for row in rows if row.status == SUCCEEDED and row.meta.get("scenario") == scenario]
    return [{**meta["seconds"], "altogether": meta["took_s"]} for meta in good if "seconds" in meta][:_PAST]


def slower_steps(now: Mapping[str, float], past: Sequence[Mapping[str, float]]) -> list[str]:
    """Steps that took over half as long again as the median of past drills, and a second more at least."""
    found: list[str] = []
    for step, took in now.items():
        before = [times[step] for times in past if step in times]
        if before and took > _SLOWER * median(before) and took - median(before) > _WORTH_TELLING_S:
            found.append(
                counted(
                    "{step} took {took} s, {usual} s in the only drill before",
                    "{step} took {took} s, {usual} s is usual over {count} drills",
                    len(before), step=Word(step), took=round(took, 1), usual=round(median(before), 1),
                )
            )  # fmt: skip
    return found


def missed_targets(drill: Drill) -> list[str]:
    """Every target that was not met, in words."""
    found: list[str] = []
    for group in drill.groups:
        for each in group.sources:
            if each.took_s > each.rto_s:
                found.append(_missed(said("RTO of {name}", name=each.source), each.took_s, each.rto_s))
            if each.loss is not None and each.loss.minutes * 60 > each.rpo_s:
                found.append(_missed(said("RPO of {name}", name=each.source), each.loss.minutes * 60, each.rpo_s))
        if group.took_s > group.rto_s:
            found.append(_missed(said("RTO of application {name}", name=group.name), group.took_s, group.rto_s))
    within_s = drill.settings.detect_within.total_seconds()
    detected_s = drill.outage.detected_s if drill.outage is not None else None
    if detected_s is not None and detected_s > within_s:
        found.append(_missed(said("time to detect"), detected_s, within_s))
    return found


def _missed(what: Said, seconds: float, target_s: float) -> Said:
    return said(
        "{what}: {took}, {target} is the target",
        what=what, took=timedelta(seconds=seconds), target=timedelta(seconds=target_s),
    )  # fmt: skip
