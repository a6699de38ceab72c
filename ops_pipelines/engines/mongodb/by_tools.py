"""Dumps and restores by MongoDB's own programs, where they are asked for."""

import re
import tarfile
from datetime import datetime
from pathlib import Path

from ops_pipelines import process
from ops_pipelines.clock import UTC
from ops_pipelines.engines.base import Dumped, PartSink, RestoreFailed
from ops_pipelines.engines.mongodb import dumper, folder, settled, tools
from ops_pipelines.engines.mongodb.connection import Server, connected
from ops_pipelines.engines.mongodb.layout import PART, ROOT
from ops_pipelines.engines.mongodb.namespaces import DATA, dropped
from ops_pipelines.engines.mongodb.settings import MongoDBSource
from ops_pipelines.errors import Inconclusive, SourceError
from ops_pipelines.process import CommandFailed, CommandTimedOut

_NOT_THE_BACKUP = re.compile(
    "server selection|connection refused|no space|disk space|input/output error|read-only file system|quota exceeded"
    "|not authorized|authentication|could not connect",
    re.IGNORECASE,
)


def dump(source: Server, settings: MongoDBSource, sink: PartSink, limits: process.Limits) -> Dumped:
    """Dump with mongodump; see `Dumper.dump`. Raises SourceError."""
    program = tools.require("mongodump", settings.bin_dirs)
    with connected(source) as database:
        expected = settled.existing(database)
        facts = dumper.describe_server(database)
        accounts, warnings = dumper.accounts_wanted(database, settings)
    snapshot_at = datetime.now(UTC)
    out = sink.plain_directory() / ROOT
    tools.mongodump(program, source, out, jobs=settings.jobs, limits=limits)
    if not (out / source.database).is_dir():
        raise _incomplete(f"no directory of {source.database}")
    for stem, documents in (accounts.files() if accounts is not None else {}).items():
        (out / source.database / f"{stem}{DATA}").write_bytes(documents)
    packed = folder.pack(out, source.database, sink, level=settings.fingerprint)
    if lost := sorted({each.name for each in expected} - packed.names):
        raise _incomplete(f"nothing of {', '.join(lost[:5])}")
    with connected(source) as database:
        found = settled.settled(database, expected)
    if found.left_out:
        # It wrote definitions before documents: what it read may be what one of them refuses.
        raise dropped(next(iter(found.left_out)))
    warnings += [f"made while the dump ran: {each.name}" for each in found.new if each.name not in packed.names]
    facts |= {"database": source.database, "tool": "mongodump", "accounts": packed.accounts, "snapshot": None}
    warning = "the dump is not of one instant: mongodump reads each collection when its turn comes"
    return Dumped(snapshot_at, packed.contents, facts, warnings=[warning, *warnings, *packed.warnings])


def _incomplete(why: str) -> SourceError:
    return SourceError(
        "the dump is incomplete",
        why=f"mongodump wrote {why}, although it reported success",
        safe="it was discarded; earlier backups are untouched",
        next="check the server's log and the disk, then: ops backup",
    )


def load(program: Path, saved: Path, where: Server, name: str, *, jobs: int, limits: process.Limits) -> None:
    """Load a packed dump with mongorestore.

    Args:
        saved: the packed dump; it is unpacked beside itself.
        name: the database that was dumped.
    Raises:
        Inconclusive: the server, and not the backup, is at fault.
        RestoreFailed: the backup is refused.
    """
    with tarfile.open(saved, "r:") as packed:
        for member in packed:
            if not member.isfile() or not member.name.startswith(f"{ROOT}/") or ".." in member.name.split("/"):
                raise RestoreFailed(f"{PART} holds an unexpected entry {member.name!r}")
        packed.extractall(saved.parent)
    try:
        tools.mongorestore(program, where, saved.parent / ROOT, database=name, jobs=jobs, limits=limits)
    except CommandTimedOut as error:
        raise Inconclusive(error.what, why=error.why, safe="the backup is not marked bad") from None
    except CommandFailed as error:
        if (error.status or 0) < 0 or _NOT_THE_BACKUP.search(error.why):
            raise Inconclusive(error.what, why=error.why, safe="the backup is not marked bad") from None
        raise RestoreFailed(f"mongorestore refused the backup: {error.why or error.what}") from None
