"""Ask a PostgreSQL server how it is. Without the role `pg_monitor` it does not say what others do."""

import time
from datetime import timedelta

from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.probes.measured import Figures

# Dumps of our own are slow queries by nature.
_ASK = """
select (select count(*) from pg_stat_activity where backend_type = 'client backend'),
       current_setting('max_connections')::int,
       (select count(*) from pg_stat_activity
         where state = 'active' and backend_type = 'client backend' and application_name <> 'ops_pipelines'
           and now() - query_start > make_interval(secs => %s)),
       pg_database_size(current_database()),
       case when pg_is_in_recovery() then
         case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
              else extract(epoch from now() - pg_last_xact_replay_timestamp()) end
       else (select extract(epoch from max(replay_lag)) from pg_stat_replication) end
"""


def measure(url: str, *, limit: timedelta, slow_query: timedelta) -> tuple[float, Figures]:
    """How long it took to let us in and answer, in seconds, and what it said. Raises SourceError."""
    begun = time.perf_counter()
    with session(Server(url, connect=limit), limit=limit, settings=False) as opened:
        opened.rows("select 1")
        latency_s = time.perf_counter() - begun
        used, allowed, slow, size, lag = opened.rows(_ASK, [slow_query.total_seconds()])[0]
    return latency_s, Figures(
        connections=used,
        connections_allowed=allowed,
        slow_queries=slow,
        size_bytes=size,
        lag_s=float(lag) if lag is not None else None,
    )
