"""Ask a PostgreSQL server how it is. Without the role `pg_monitor` it does not say what others do."""

import time
from datetime import datetime, timedelta, timezone

from ops_pipelines.engines import certificates
from ops_pipelines.engines.figures import Figures
from ops_pipelines.engines.postgres.connection import Server, session

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
       else (select extract(epoch from max(replay_lag)) from pg_stat_replication) end,
       (select nullif(rolvaliduntil, 'infinity') from pg_roles where rolname = current_user),
       (select ssl from pg_stat_ssl where pid = pg_backend_pid())
"""


def measure(url: str, *, limit: timedelta, slow_query: timedelta) -> tuple[float, Figures]:
    """How long it took to let us in and answer, in seconds, and what it said. Raises SourceError."""
    begun, server = time.perf_counter(), Server(url, connect=limit)
    with session(server, limit=limit, settings=False) as opened:
        opened.rows("select 1")
        latency_s = time.perf_counter() - begun
        used, allowed, slow, size, lag, until, tls = opened.rows(_ASK, [slow_query.total_seconds()])[0]
    return latency_s, Figures(
        connections=used,
        connections_allowed=allowed,
        slow_queries=slow,
        size_bytes=size,
        lag_s=float(lag) if lag is not None else None,
        password_ends_at=until.astimezone(timezone.utc) if until is not None else None,
        certificate_ends_at=_certificate(server, limit) if tls else None,
    )


def _certificate(server: Server, limit: timedelta) -> datetime | None:
    """Of the first host; libpq does not hand out what it was shown."""
    where = server.parameters
    host = str(where.get("hostaddr") or where.get("host") or "localhost").split(",")[0]
    port = str(where.get("port") or 5432).split(",")[0]
    return certificates.shown_by(host, int(port), limit=limit, hello=certificates.POSTGRES)
