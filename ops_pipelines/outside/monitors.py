"""Sentry's cron monitors: one for each source and phase, one for the daemon. Silence is noticed over there.

* *Missed*: no check-in within `checkin_margin` of the scheduled time. A verification comes after its backup, so its
  margin is longer by what the backup may take; a drill's, too.
* *Timed out*: a check-in began and did not end within the limits of the source.
* *Failed*: it ended badly. A killed process cannot say so; whoever next looks at the ledger says it for it, under the
  same check-in (the alert sensor looks twice a minute; so does the next backup).
"""

import math
from datetime import timedelta
from hashlib import sha256
from typing import Any

from ops_pipelines.config.models import Config
from ops_pipelines.config.sentry import Sentry
from ops_pipelines.outside.client import sdk
from ops_pipelines.outside.errors import not_sent

DAEMON = "ops-daemon"
LONGEST_DRILL = timedelta(hours=12)
"""Dagster ends one that takes longer."""


def check_in(
    config: Config, phase: str, source: str, *, attempt: str, status: str, seconds: float | None = None
) -> None:
    """Tell a source's monitor how an attempt stands. Never raises, never waits.

    Args:
        phase: `backup`, `verify` or `drill`.
        attempt: its id in the ledger: from any process, it is the same check-in.
        status: `in_progress`, `ok` or `error`.
    """
    _send(
        config.sentry, f"{source}-{phase}", status, monitor_config(config, phase, source),
        identifier=sha256(attempt.encode()).hexdigest()[:32], seconds=seconds,
    )  # fmt: skip


def daemon_check_in(config: Config, *, well: bool) -> None:
    """Say that the daemon is alive, and whether all of it is. Never raises, never waits."""
    every = config.sentry.daemon_every
    settings = {
        "schedule": {"type": "interval", "value": _minutes(every), "unit": "minute"},
        "checkin_margin": _minutes(every),
        "failure_issue_threshold": 1,
        "recovery_threshold": 1,
    }
    _send(config.sentry, DAEMON, "ok" if well else "error", settings)


def monitor_config(config: Config, phase: str, source: str) -> dict[str, Any] | None:
    """What Sentry is to expect, in minutes; None of a drill that nothing plays regularly with this source.

    That of a backup is the schedule of the source, or of the database it belongs to.
    """
    head = next(name for name in config.heads if source in config.group_of(name))
    schedule = _drill_schedule(config, source) if phase == "drill" else config.sources[head].every
    if schedule is None:
        return None
    limits, settings = config.sources[source].limits, config.sentry
    longest = limits.lock + limits.total
    # A verification comes after its backup, and a drill after the backups of its hour.
    margin = settings.checkin_margin + (timedelta(0) if phase == "backup" else longest)
    return {
        "schedule": {"type": "crontab", "value": schedule},
        "checkin_margin": _minutes(margin),
        "max_runtime": _minutes(LONGEST_DRILL if phase == "drill" else longest),
        "failure_issue_threshold": settings.failures_before_issue,
        "recovery_threshold": 1,
        "timezone": config.timezone,
    }


def _drill_schedule(config: Config, source: str) -> str | None:
    drills = config.drilled
    # Those that choose what they play with may leave a source out for long.
    if drills is None or config.scenario in ("outage", "random_restore_point"):
        return None
    played = [name for each in drills.applications.values() for name in each.sources] or list(config.sources)
    return drills.every if source in played else None


def _send(
    settings: Sentry,
    slug: str,
    status: str,
    expected: dict[str, Any] | None,
    *,
    identifier: str | None = None,
    seconds: float | None = None,
) -> None:
    try:
        sentry = sdk(settings)
        if sentry is not None:
            from sentry_sdk.crons import capture_checkin  # noqa: PLC0415

            capture_checkin(
                monitor_slug=slug,
                check_in_id=identifier,
                status=status,
                duration=seconds,
                monitor_config=expected,  # type: ignore[arg-type]
            )
    except Exception as failure:
        not_sent(failure)


def _minutes(span: timedelta) -> int:
    return max(1, math.ceil(span.total_seconds() / 60))
