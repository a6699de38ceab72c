"""Ask a MySQL or MariaDB server how it is. Without the right PROCESS it does not say what others do.

A replica says how far it is behind to who may see that: REPLICATION CLIENT in MySQL, REPLICA MONITOR in MariaDB.
"""

import time
from datetime import timedelta
from typing import Any

from ops_pipelines.engines.certificates import ends_at
from ops_pipelines.engines.figures import Figures
from ops_pipelines.engines.mysql.connection import QueryFailed, Session, parse, session

# A dump is a slow query by nature; both clients mark theirs like this.
_SLOW = """
select count(*) from information_schema.processlist
 where command = 'Query' and time > %s and info not like 'SELECT /*!40001 SQL_NO_CACHE */%%'
"""
# MySQL has forgotten the old word, older servers do not know the new one; MariaDB's replicas may have several sources.
_REPLICA = ("show all slaves status", "show replica status", "show slave status")
_SIZE = "select sum(data_length + index_length) from information_schema.tables where table_schema = database()"


def measure(url: str, *, limit: timedelta, slow_query: timedelta) -> tuple[float, Figures]:
    """How long it took to let us in and answer, in seconds, and what it said. Raises SourceError."""
    begun = time.perf_counter()
    with session(parse(url, connect=limit), limit=limit, settings=False) as opened:
        opened.rows("select 1")
        latency_s = time.perf_counter() - begun
        connected = int(opened.rows("show global status like 'Threads_connected'")[0][1])
        allowed = int(opened.rows("select @@global.max_connections")[0][0])
        slow = int(opened.rows(_SLOW, [slow_query.total_seconds()])[0][0])
        size = opened.rows(_SIZE)[0][0]
        lag_s, stopped = _replication(opened)
        certificate = opened.certificate()
    return latency_s, Figures(
        connections=connected,
        connections_allowed=allowed,
        slow_queries=slow,
        size_bytes=int(size or 0),
        lag_s=lag_s,
        replica_stopped=stopped,
        certificate_ends_at=ends_at(certificate),
    )


def _replication(opened: Session) -> tuple[float | None, str | None]:
    """The lag of a replica in seconds, and why it has stopped; nothing of both where it is none, or we may not ask."""
    for statement in _REPLICA:
        try:
            sources = opened.named(statement)
        except QueryFailed:
            continue
        stopped = [why for each in sources if (why := _stopped(each)) is not None]
        lags = [each.get("Seconds_Behind_Source", each.get("Seconds_Behind_Master")) for each in sources]
        return max((float(lag) for lag in lags if lag is not None), default=None), "; ".join(stopped) or None
    return None, None


def _stopped(source: dict[str, Any]) -> str | None:
    """Why a replica does not follow a source, in the words of either product; None while it does."""
    for old, new in (("Slave_IO_Running", "Replica_IO_Running"), ("Slave_SQL_Running", "Replica_SQL_Running")):
        running = source.get(new, source.get(old))
        if running == "No":
            why = source.get("Last_IO_Error") or source.get("Last_SQL_Error") or "somebody stopped it"
            return f"{new} is No: {why}"
    return None
