"""Ask a MySQL or MariaDB server how it is. Without the right PROCESS it does not say what others do.

Replication lag is not asked for: its columns have other names and places in every product.
"""

import time
from datetime import timedelta

from ops_pipelines.engines.mysql.connection import parse, session
from ops_pipelines.probes.measured import Figures

# A dump is a slow query by nature; both clients mark theirs like this.
_SLOW = """
select count(*) from information_schema.processlist
 where command = 'Query' and time > %s and info not like 'SELECT /*!40001 SQL_NO_CACHE */%%'
"""
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
    return latency_s, Figures(
        connections=connected, connections_allowed=allowed, slow_queries=slow, size_bytes=int(size or 0)
    )
