"""Rules about Dagster's side: runs that ended badly and left no attempt behind, checks, backfills, freshness.

Dagster's sensor brings the facts; nothing here asks Dagster. Where our own code wrote down what failed, `attempts`
tells it, and better. What is left are the runs in which it had no chance: killed before the first step, cancelled in
the queue, broken at import.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from ops_pipelines.chronology import just
from ops_pipelines.config.models import Config
from ops_pipelines.language.said import counted, said
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import FAILED, Activity, Incident
from ops_pipelines.watch.alerts.conditions import Condition, Look
from ops_pipelines.workspace import Workspace

RULES: Mapping[str, str] = {
    "run_failed": "a run failed, was killed or cancelled (warn) and left no attempt in the ledger that says so",
    "check_failed": "a check that does not block runs failed, and it has no rule of its own",
    "backfill_failed": "a backfill failed or was cancelled within the last 24 hours",
    "freshness_failed": "Dagster's freshness policy says FAIL although the stores hold a recent enough backup",
}
BACKFILL_FORGOTTEN = timedelta(hours=24)


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class EndedRun(_Fact):
    """The last run about something, when it did not go well.

    Attributes:
        about: its source, or the name of its job or asset.
        cause: what Dagster says of it.
    """

    about: str
    run_id: str
    status: Literal["FAILURE", "CANCELED"]
    at: datetime
    cause: str = ""


class FailedCheck(_Fact):
    """A check whose newest evaluation did not pass; `asset` is the asset it is about."""

    source: str
    asset: str
    name: str
    blames: Literal["warn", "error"]
    run_id: str = ""
    said: str = ""


class EndedBackfill(_Fact):
    """A backfill that failed or was cancelled."""

    id: str
    status: str
    at: datetime
    assets: Sequence[str] = ()
    cause: str = ""


class Facts(_Fact):
    """What Dagster knows; `unfresh` are the assets, by source, whose freshness policy says FAIL."""

    runs: Sequence[EndedRun] = ()
    checks: Sequence[FailedCheck] = ()
    backfills: Sequence[EndedBackfill] = ()
    unfresh: Mapping[str, Sequence[str]] = {}


def look_at_runs(workspace: Workspace, facts: Facts) -> Look:
    """What is wrong on Dagster's side. Raises LedgerError."""
    now = workspace.clock.now()
    conditions = [
        *_runs(workspace.config, workspace.ledger, facts.runs, now),
        *_checks(workspace.config, facts.checks),
        *_backfills(facts.backfills, now),
        *_freshness(workspace.config, workspace.ledger, facts.unfresh),
    ]
    return Look("runs", frozenset(RULES), now, conditions)


def _runs(config: Config, ledger: Ledger, runs: Sequence[EndedRun], now: datetime) -> Iterator[Condition]:
    """A condition for each source, and one for all runs that are about none."""
    with ledger.session() as session:
        recorded = select(Activity.run_id).where(
            Activity.run_id.in_([each.run_id for each in runs]), Activity.status == FAILED
        )
        recorded_ids = set(session.scalars(recorded))
    silent = [each for each in runs if each.run_id not in recorded_ids and not _over(each, now)]
    for run in silent:
        if run.about in config.sources:
            yield _ended(run, run.about, _RUN[run.status], f"ops backup {run.about}")
    if others := [each for each in silent if each.about not in config.sources]:
        worst = min(others, key=lambda each: each.status != "FAILURE")
        title = said("{about}: {how}", about=_listed([each.about for each in others]), how=_HOW[worst.status])
        yield _ended(worst, "", title, "look at the run in Dagster's web UI, and launch it again")


def _over(run: EndedRun, now: datetime) -> bool:
    """Whoever cancelled a run knows of it: that is over by itself."""
    return run.status == "CANCELED" and not just(run.at, now, BACKFILL_FORGOTTEN)


_HOW = {"FAILURE": said("failed or was killed"), "CANCELED": said("was cancelled")}
_RUN = {"FAILURE": said("run failed or was killed"), "CANCELED": said("run was cancelled")}


def _ended(run: EndedRun, source: str, title: str, advice: str) -> Condition:
    why = run.cause or said("Dagster gives no reason")
    cause = said("run {id} ended {at}: {why}", id=run.run_id, at=run.at, why=why)
    return Condition(
        "run_failed", "error" if run.status == "FAILURE" else "warn", source, "run", title, cause, advice,
        run_id=run.run_id,
    )  # fmt: skip


def _checks(config: Config, checks: Sequence[FailedCheck]) -> Iterator[Condition]:
    for source in dict.fromkeys(each.source for each in checks):
        ours = [each for each in checks if each.source == source]
        worst = min(ours, key=lambda each: each.blames != "error")
        cause = "; ".join(f"{each.name} of {each.asset}{f': {each.said}' if each.said else ''}" for each in ours)
        names = _listed([each.name for each in ours])
        title = counted("a check fails: {names}", "{count} checks fail: {names}", len(ours), names=names)
        advice = f"ops status --steps; ops list {source}" if source in config.sources else "ops status"
        yield Condition(
            "check_failed", worst.blames, source, "check", title, cause, advice, run_id=worst.run_id or None
        )


def _backfills(backfills: Sequence[EndedBackfill], now: datetime) -> Iterator[Condition]:
    recent = [each for each in backfills if now - each.at < BACKFILL_FORGOTTEN]
    if recent:
        newest = max(recent, key=lambda each: each.at)
        facts = {"id": newest.id, "assets": _listed(newest.assets), "status": newest.status}
        cause = said("{id} of {assets} ended as {status}", **facts)
        if newest.cause:
            cause = said("{id} of {assets} ended as {status}: {why}", **facts, why=newest.cause)
        title = said("a backfill failed") if len(recent) == 1 else said("backfills failed")
        yield Condition(
            "backfill_failed", "warn", "", "run", title, cause,
            "launch it again in Dagster's web UI, for the days that failed",
        )  # fmt: skip


def _freshness(config: Config, ledger: Ledger, unfresh: Mapping[str, Sequence[str]]) -> Iterator[Condition]:
    """Our own rule counts from the stores, which are the truth: where it speaks, this one has nothing to add."""
    with ledger.session() as session:
        broken = set(session.scalars(select(Incident.source).where(Incident.open_key.like("rpo/%"))))
    for source, assets in unfresh.items():
        if assets and source not in broken:
            yield Condition(
                "freshness_failed", "warn", source, "health", said("stale in Dagster, and fresh in the stores"),
                said(
                    "{assets} was not materialized within {rpo}: backups come from elsewhere, or Dagster's "
                    "history was lost",
                    assets=_listed(assets), rpo=config.source(source).rpo,
                ), f"ops status; ops backup {source}",
            )  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    few = list(dict.fromkeys(names))
    shown = ", ".join(few[:3])
    if len(few) <= 3:
        return shown
    return counted("{shown} and {count} more", "{shown} and {count} more", len(few) - 3, shown=shown)
