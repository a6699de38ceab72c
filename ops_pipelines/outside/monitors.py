"""Sentry's cron monitors: one for each source and phase, one for the daemon. Silence is noticed over there.

* *Missed*: no check-in within `checkin_margin` of the scheduled time. A verification comes after its backup, so its
  margin is longer by what the backup may take.
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


def monitor_config(config: Config, phase: str, source: str) -> dict[str, Any]:
    """What Sentry is to expect: the schedule of the source, or of the database it belongs to; minutes."""
    head = next(name for name in config.heads if source in config.group_of(name))
    limits, settings = config.sources[source].limits, config.sentry
    longest = limits.lock + limits.total
    margin = settings.checkin_margin + (longest if phase == "verify" else timedelta(0))
    expected: dict[str, Any] = {
        "checkin_margin": _minutes(margin),
        "max_runtime": _minutes(longest),
        "failure_issue_threshold": settings.failures_before_issue,
        "recovery_threshold": 1,
        "timezone": config.timezone,
    }
    if phase != "drill":  # which has no schedule of its own yet: without one, the monitor is not made by us
        expected["schedule"] = {"type": "crontab", "value": config.sources[head].every}
    return expected


def _send(
    settings: Sentry,
    slug: str,
    status: str,
    expected: dict[str, Any],
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
                monitor_config=expected if "schedule" in expected else None,  # type: ignore[arg-type]
            )
    except Exception as failure:
        not_sent(failure)


def _minutes(span: timedelta) -> int:
    return max(1, math.ceil(span.total_seconds() / 60))
