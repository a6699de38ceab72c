"""The commands with which a drill stops a real server and starts it again."""

from datetime import timedelta

from pydantic import Field

from ops_pipelines.settings.common import Model
from ops_pipelines.settings.values import Span


class OutageCommands(Model):
    """How an `outage` drill stops the real server of a source, and starts it again.

    They run as the user of ops_pipelines, as on a terminal that is closed afterwards: the start must leave the server
    to somebody else (`systemctl start`, `docker start`, `pg_ctl start`), and do no harm to one that runs.
    """

    stop: tuple[str, ...] = Field(min_length=1, examples=[["docker", "stop", "crm-db"]])
    start: tuple[str, ...] = Field(
        min_length=1,
        description="run afterwards, whatever happens to the drill",
        examples=[["docker", "start", "crm-db"]],
    )
    allow_outage: bool = Field(False, description="yes, this server may be down while a drill runs")
    limit: Span = Field(timedelta(minutes=2), description="each of the two may take this long")
