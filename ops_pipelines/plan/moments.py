"""What the schedules of a configuration start, and when. Arithmetic alone."""

from datetime import datetime
from functools import cache
from typing import Literal

from ops_pipelines.config.cadence import quiet_moment, ticks
from ops_pipelines.config.models import Config

Doing = Literal["backup", "verify", "retention", "drill"]


def moments(config: Config, begin: datetime, end: datetime) -> list[tuple[datetime, Doing, str]]:
    """What is started when; of one minute, backups first."""

    @cache  # a thousand sources share a few lines
    def of(cron: str) -> list[datetime]:
        return ticks(cron, config.timezone, begin, end) if cron else []

    found: list[tuple[datetime, Doing, str]] = [
        (at, "backup", head) for head in config.heads for at in of(config.sources[head].every)
    ]
    for name, source in config.sources.items():
        if not source.verify.auto:
            found += [(at, "verify", name) for at in of(source.verify.every or "")]
    found += [(at, "retention", "") for at in of(quiet_moment(config))]
    if (drills := config.drilled) is not None:
        found += [(at, "drill", config.scenario) for at in of(drills.every)]
        found += [(at, "drill", "random_restore_point") for at in of(drills.random_restore or "")]
    return sorted(found, key=lambda each: each[0])
