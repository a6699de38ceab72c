"""Take in a dump that mongodump made before us: its folder, or its archive."""

from pydantic import JsonValue

from ops_pipelines.engines.adopted import refuse_other
from ops_pipelines.engines.base import Dumped, Legacy, Level, PartSink
from ops_pipelines.engines.mongodb import archive, folder
from ops_pipelines.engines.mongodb.documents import TornDocument
from ops_pipelines.errors import SourceError


def adopt(legacy: Legacy, sink: PartSink, *, source: str, database: str, level: Level) -> Dumped:
    """Take a folder or an archive apart into `sink`; see `Engine.adopt`.

    Args:
        source: the name of the source it is for.
        database: the source's database.
        level: of the fingerprint that is made of it.
    Raises:
        SourceError: it is not whole, or of another database than the source's.
    """
    warnings, version = [], ""
    if legacy.folder is None:
        assert legacy.stream is not None
        where = sink.plain_directory() / "archive"
        where.mkdir(mode=0o700)
        try:
            unpacked = archive.unpack(legacy.stream, where)
        except TornDocument as error:
            raise SourceError(
                f"{legacy.name} is not a whole mongodump archive", why=f"{error.what}: {error.why}",
                safe="it was not adopted",
            ) from None  # fmt: skip
        warnings, version = unpacked.warnings, unpacked.server_version
    else:
        where = legacy.folder
    packed = folder.pack(where, database, sink, level=level)
    refuse_other(legacy, packed.database, source=source, database=database)
    facts: dict[str, JsonValue] = {
        "server": "MongoDB",
        "server_version": version or packed.server_version,
        "format": "mongodump directory",
        "database": packed.database,
        "tool": "mongodump",
        "accounts": packed.accounts,
        "snapshot": None,
    }
    unsure = "whether it is of one instant is not known"
    return Dumped(legacy.taken_at, packed.contents, facts, warnings=[unsure, *warnings, *packed.warnings])
