"""Who tells the outside of every attempt: the ledger's observer. CLI, cron and Dagster all pass through the ledger."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ops_pipelines.config.models import Config
from ops_pipelines.ledger.models import SUCCEEDED, Activity
from ops_pipelines.outside.client import sdk
from ops_pipelines.outside.errors import not_sent, report_outcome, report_to
from ops_pipelines.outside.heartbeats import beat
from ops_pipelines.outside.monitors import check_in

_PHASES = {"dump": "backup"}
_MONITORED = ("backup", "verify", "drill")


class Outside:
    """Tells Sentry and heartbeat URLs, where they are configured. Nothing here waits or raises."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._traces: dict[str, Any] = {}

    def began(self, row: Activity) -> None:
        """An attempt begins."""
        phase = _phase(row)
        if self._watched(row, phase):
            self._trace(row, phase)
            check_in(self._config, phase, row.source, attempt=row.id, status="in_progress")
            self._beat(row, phase, "start")

    def ended(self, row: Activity, error: BaseException | None) -> None:
        """It ended."""
        phase, well = _phase(row), row.status == SUCCEEDED
        if not well:
            self._report(row, phase, error)
        if self._watched(row, phase):
            self._finish_trace(row)
            check_in(
                self._config,
                phase,
                row.source,
                attempt=row.id,
                status="ok" if well else "error",
                seconds=row.duration_s,
            )
            self._beat(row, phase, "" if well else "fail", row.error or "")

    def _watched(self, row: Activity, phase: str) -> bool:
        return phase in _MONITORED and row.source in self._config.sources

    def _beat(self, row: Activity, phase: str, event: str, body: str = "") -> None:
        url = getattr(self._config.sources[row.source].heartbeats, phase)
        beat(url, event, source=row.source, body=body)

    def _report(self, row: Activity, phase: str, error: BaseException | None) -> None:
        source = self._config.sources.get(row.source)
        tags = {
            "source": row.source, "engine": source.kind if source else None, "backup_id": row.backup_id,
            "store": row.store, "run_id": row.run_id,
        }  # fmt: skip
        if error is not None:
            report_to(self._config.sentry, error, phase=phase, tags=tags)
        else:
            what = str(row.meta.get("outcome") or "died")
            report_outcome(
                self._config.sentry, what, f"{phase} of {row.source} failed: {row.error}", phase=phase, tags=tags
            )

    def _trace(self, row: Activity, phase: str) -> None:
        try:
            if (sentry := sdk(self._config.sentry)) is not None:
                trace = sentry.start_transaction(op=phase, name=f"{phase} {row.source}")
                trace.__enter__()
                self._traces[row.id] = trace
        except Exception as failure:
            not_sent(failure)

    def _finish_trace(self, row: Activity) -> None:
        """End the trace; the phases are known by their length, and shown one after the other."""
        trace = self._traces.pop(row.id, None)
        if trace is None:
            return
        try:
            at = trace.start_timestamp
            for name, span in _phases_of(row.meta, at):
                child = trace.start_child(op=name, name=name, start_timestamp=span[0])
                child.finish(end_timestamp=span[1])
            trace.set_tag("source", row.source)
            trace.set_status("ok" if row.status == SUCCEEDED else "internal_error")
            trace.__exit__(None, None, None)
        except Exception as failure:
            not_sent(failure)


def _phases_of(meta: Mapping[str, Any], at: datetime) -> list[tuple[str, tuple[datetime, datetime]]]:
    found = []
    for name, seconds in (meta.get("seconds") or {}).items():
        end = at + timedelta(seconds=seconds)
        found.append((name, (at, end)))
        at = end
    return found


def _phase(row: Activity) -> str:
    return _PHASES.get(row.kind, row.kind)
