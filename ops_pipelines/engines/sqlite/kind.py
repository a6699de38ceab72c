"""The kind `sqlite`."""

from collections.abc import Collection, Mapping, Sequence

from pydantic import JsonValue

from ops_pipelines.engines.kind import Kind
from ops_pipelines.engines.sqlite.settings import SQLiteSource


class SQLiteKind(Kind):
    """SQLite databases of this machine."""

    name = "sqlite"
    settings = SQLiteSource
    words = ("sqlite", "spatialite")
    on_disk = True
    to_install = "tar; nothing else"

    def by_hand(self, facts: Mapping[str, JsonValue], roles: Collection[str]) -> Sequence[str]:
        """See `Kind.by_hand`."""
        return [
            "mkdir restored && tar -xf dump.tar -C restored   # each database under its whole path",
            "sqlite3 restored/PATH 'pragma integrity_check'",
            "# stop what uses it; remove PATH-wal and PATH-shm beside the old one; then put the new one in its place",
        ]

    def load(self) -> None:
        """See `Kind.load`."""
        from ops_pipelines.engines.sqlite import engine, examine  # noqa: F401, PLC0415
