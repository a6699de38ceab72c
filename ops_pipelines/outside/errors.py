"""Exceptions for Sentry: which are worth an event, what they are tagged and grouped by, what is under a wrapper."""

import time
from collections.abc import Mapping
from datetime import timedelta

from ops_pipelines import logs
from ops_pipelines.config.models import Config
from ops_pipelines.config.sentry import Sentry
from ops_pipelines.errors import Busy, SafetyRefusal
from ops_pipelines.outside.client import sdk

_REPORTED = "_ops_reported"
_configured: Sentry | None = None


def configure(config: Config) -> None:
    """Say where this process's errors go; nothing is loaded or sent yet."""
    global _configured  # noqa: PLW0603
    _configured = config.sentry


def report(error: BaseException, *, phase: str, **tags: str | None) -> None:
    """Report an exception, once, however many floors it passes. Never raises, never waits.

    Args:
        phase: what was being done: `backup`, `verify`, `sensor`, `cli`, `web`, …
        tags: what else is known: source, engine, backup_id, store.
    """
    if _configured is not None:
        report_to(_configured, error, phase=phase, tags=tags)


def report_to(settings: Sentry, error: BaseException, *, phase: str, tags: Mapping[str, str | None]) -> None:
    """The same, for a given configuration."""
    cause = unwrapped(error)
    if not _worth_reporting(cause) or getattr(cause, _REPORTED, False):
        return
    try:
        sentry = sdk(settings)
        if sentry is None:
            return
        with sentry.new_scope() as scope:
            _describe(scope, type(cause).__name__, phase, tags)
            scope.capture_exception(cause)
        setattr(cause, _REPORTED, True)
    except Exception as failure:
        not_sent(failure)


def report_outcome(settings: Sentry, what: str, message: str, *, phase: str, tags: Mapping[str, str | None]) -> None:
    """Report a failure that nothing was raised for: a bad verdict, a process that died. Never raises.

    Args:
        what: its kind, by which it is grouped.
    """
    try:
        sentry = sdk(settings)
        if sentry is not None:
            with sentry.new_scope() as scope:
                _describe(scope, what, phase, tags)
                scope.capture_message(message, level="error")
    except Exception as failure:
        not_sent(failure)


def report_and_wait(
    settings: Sentry, what: str, message: str, *, phase: str, tags: Mapping[str, str | None], within: timedelta
) -> bool:
    """Report as `report_outcome` does; whether Sentry's server has taken it in time. Never raises.

    Args:
        within: how long to wait for its answer.
    """
    lost: list[str] = []
    try:
        sentry = sdk(settings)
        if sentry is None:
            return False
        transport, deadline = sentry.get_client().transport, time.monotonic() + within.total_seconds()
        # The SDK's own hook for what its server did not take.
        transport.on_dropped_event = lost.append
        try:
            report_outcome(settings, what, message, phase=phase, tags=tags)
            sentry.flush(timeout=within.total_seconds())
        finally:
            del transport.on_dropped_event
    except Exception as failure:
        not_sent(failure)
        return False
    return not lost and time.monotonic() < deadline


def unwrapped(error: BaseException) -> BaseException:
    """What really happened, below Dagster's wrappers."""
    while type(error).__module__.split(".")[0] == "dagster":
        inner = getattr(error, "user_exception", None) or error.__cause__
        if not isinstance(inner, BaseException):
            break
        error = inner
    return error


def not_sent(failure: Exception) -> None:
    """Whoever watches from outside must never break what is watched: a line in the log is all there is."""
    logs.event("outside_not_told", level="warning", error=f"{type(failure).__name__}: {failure}")


def _worth_reporting(error: BaseException) -> bool:
    if isinstance(error, (SafetyRefusal, Busy)) or type(error).__name__ == "DagsterExecutionInterruptedError":
        return False
    return isinstance(error, Exception)


def _describe(scope: object, kind: str, phase: str, tags: Mapping[str, str | None]) -> None:
    # The id is a tag and not part of the group: a backup that fails every night is one issue.
    scope.fingerprint = [kind, tags.get("source") or "", phase]  # type: ignore[attr-defined]
    for name, value in {"phase": phase, **tags}.items():
        if value:
            scope.set_tag(name, value)  # type: ignore[attr-defined]
