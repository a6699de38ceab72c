"""Ask a MongoDB server how it is. What the role `clusterMonitor` is missing for, it does not say."""

import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from ops_pipelines.engines.certificates import shown_by
from ops_pipelines.engines.figures import Figures
from ops_pipelines.engines.mongodb.connection import Server, connected

_PRIMARY = 1
_FEWEST = 10  # a limit below it is none: a server of MongoDB's needs more than that for itself


def measure(url: str, *, limit: timedelta, slow_query: timedelta) -> tuple[float, Figures]:
    """How long it took to let us in and answer, in seconds, and what it said. Raises SourceError."""
    begun = time.perf_counter()
    server = Server(url, connect=limit, stall=limit)
    with connected(server) as database:
        latency_s = time.perf_counter() - begun
        admin = database.client.admin
        connections = _asked(admin, {"serverStatus": 1}).get("connections", {})
        current = connections.get("current")
        running = _asked(admin, {"currentOp": 1, "active": True}).get("inprog")
        return latency_s, Figures(
            connections=current,
            connections_allowed=_allowed(connections),
            slow_queries=sum(_is_slow(each, slow_query) for each in running) if running is not None else None,
            size_bytes=int(_asked(database, {"dbStats": 1}).get("storageSize", 0)) or None,
            lag_s=_lag(_asked(admin, {"replSetGetStatus": 1}).get("members", [])),
            certificate_ends_at=_certificate(database, server, limit),
        )


def _allowed(connections: dict[str, Any]) -> int | None:
    """How many connections there may be; None where the server does not know a limit, and counts only what there is."""
    allowed = int(connections.get("current", 0)) + int(connections.get("available", 0))
    return allowed if allowed >= _FEWEST else None


def _asked(database: Database[dict[str, Any]], command: dict[str, Any]) -> dict[str, Any]:
    """The answer; nothing when the server does not know the command or we may not ask."""
    try:
        return database.command(command)
    except OperationFailure:
        return {}


def _certificate(database: Database[dict[str, Any]], server: Server, limit: timedelta) -> datetime | None:
    """The end of the primary's certificate; the driver does not hand out what it was shown."""
    with suppress(PyMongoError):
        if server.encrypted and (address := database.client.address) is not None:
            return shown_by(*address, limit=limit)
    return None


def _is_slow(operation: dict[str, Any], longest: timedelta) -> bool:
    """Not every server filters as it is asked to; a dump of our own is slow by nature."""
    ours = operation.get("appName") == "ops_pipelines"
    return not ours and bool(operation.get("secs_running", 0) > longest.total_seconds())


def _lag(members: list[dict[str, Any]]) -> float | None:
    """Seconds by which the last of a replica set is behind its primary."""
    moments = {member["state"]: member["optimeDate"] for member in members if "optimeDate" in member}
    if _PRIMARY not in moments:
        return None
    newest: datetime = moments[_PRIMARY]
    behind: list[float] = [(newest - each["optimeDate"]).total_seconds() for each in members if "optimeDate" in each]
    return max(behind)
