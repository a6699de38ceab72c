"""Receivers that notice silence: what Sentry's cron monitors and a Healthchecks-style host make of what arrived.

Neither needs to be told that something is wrong, which is their point. Both are asked with a time: what would be said
then, if nothing more came?
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim

from tests.watch.outside import Listener

Status = Literal["unknown", "ok", "error", "missed", "timeout"]


@dataclass
class SentryMonitors:
    """The rules of https://docs.sentry.io/product/crons: a monitor is made by its first check-in with a schedule."""

    listener: Listener

    def status(self, slug: str, now: datetime) -> Status:
        """How a monitor stands.

        `missed`: no check-in within `checkin_margin` minutes after the next one was due. `timeout`: one has been in
        progress for more than `max_runtime` minutes. Else what the last one said.
        """
        found = [
            (at, payload)
            for at, (kind, payload) in zip(self.listener.items_at, list(self.listener.items), strict=False)
            if kind == "check_in" and payload["monitor_slug"] == slug
        ]
        configs = [payload["monitor_config"] for _at, payload in found if payload.get("monitor_config")]
        if not configs:
            return "unknown"
        first: dict[str, datetime] = {}
        for at, payload in found:
            first.setdefault(payload["check_in_id"], at)
        begun, last = max(first.values()), found[-1][1]
        if now > _due(configs[-1], begun) + timedelta(minutes=configs[-1]["checkin_margin"]):
            return "missed"
        if last["status"] == "in_progress":
            late = begun + timedelta(minutes=configs[-1]["max_runtime"])
            return "timeout" if now > late else "ok"
        return "ok" if last["status"] == "ok" else "error"


def _due(config: dict[str, Any], after: datetime) -> datetime:
    """When the next check-in is due."""
    schedule = config["schedule"]
    if schedule["type"] == "interval":
        assert schedule["unit"] == "minute"
        return after + timedelta(minutes=schedule["value"])
    due: datetime = next(CronSim(schedule["value"], after.astimezone(ZoneInfo(config["timezone"]))))
    return due


@dataclass
class HeartbeatCheck:
    """A check of https://healthchecks.io: down when its URL was not called for `period` and `grace` after it.

    Attributes:
        path: of its URL.
    """

    listener: Listener
    path: str
    period: timedelta
    grace: timedelta

    def is_up(self, now: datetime) -> bool:
        """Whether its last call was no failure, came in time, and what was started has ended in time."""
        calls = [
            (at, path.removeprefix(self.path).strip("/"))
            for at, (path, _body) in zip(self.listener.beaten_at, list(self.listener.beats), strict=False)
            if path == self.path or path.startswith(f"{self.path}/")
        ]
        if not calls or calls[-1][1] == "fail":
            return False
        at, event = calls[-1]
        return now <= at + (self.grace if event == "start" else self.period + self.grace)
