"""Take in a dump that mysqldump or mariadb-dump made before us: SQL text of one database, without a fingerprint."""

import re

from pydantic import JsonValue

from ops_pipelines.engines.adopted import refuse_other
from ops_pipelines.engines.base import Dumped, Legacy, PartSink
from ops_pipelines.engines.mysql import archive, clients, contents
from ops_pipelines.engines.mysql.clients import MARIADB, MYSQL
from ops_pipelines.errors import SourceError
from ops_pipelines.streams import silent

_SERVER_IN_DUMP = re.compile(rb"^-- Server version\s+(\S+)", re.MULTILINE)
_HOME_IN_DUMP = re.compile(rb"^-- Host: .*?Database: (.*?)\s*$", re.MULTILINE)


def adopt(legacy: Legacy, sink: PartSink, *, source: str, database: str) -> Dumped:
    """Check a dump while it flows into `sink`; see `Engine.adopt`.

    Args:
        source: the name of the source it is for.
        database: the source's database.
    Raises:
        SourceError: it is not whole, no dump of a single database, or of another one than the source's.
    """
    if legacy.stream is None:
        raise SourceError(f"{legacy.name} is a folder, not a dump of mysqldump or mariadb-dump")
    watched = archive.Watched(legacy.stream, progress=silent, expected_bytes=0)
    sink.stream("dump.sql", "dump", watched)
    version, home = _SERVER_IN_DUMP.search(watched.head), _HOME_IN_DUMP.search(watched.head)
    if version is None or home is None:
        raise SourceError(
            f"{legacy.name} is no dump of mysqldump or mariadb-dump",
            why="it does not begin like one (-- Server version)",
        )
    archive.check(watched, ())
    if len(watched.databases) > 1 or not (home[1] or watched.databases):
        found = ", ".join(sorted(name.decode(errors="replace") for name in watched.databases))
        raise SourceError(
            f"{legacy.name} holds several databases: {found or 'none named'}",
            why="a restore point is one database",
            next="dump each database by itself: mariadb-dump … DATABASE",
        )
    name = next(iter(watched.databases), home[1]).decode(errors="replace").replace("``", "`")
    if name.lower() != database.lower():  # a server may fold names
        refuse_other(legacy, name, source=source, database=database)
    server_version = version[1].decode(errors="replace")
    product = MARIADB if MARIADB.encode() in watched.head[:4096] else MYSQL
    facts: dict[str, JsonValue] = {
        "product": product,
        "server_version": server_version,
        "database": name,
        "client_product": product,
        "client_version": server_version,
        "adopted_from": legacy.name,
        "sets_gtids": b"GTID_PURGED" in watched.head,
    }
    held = contents.off(product, clients.series_of(server_version))
    return Dumped(snapshot_at=legacy.taken_at, contents=held, facts=facts)
