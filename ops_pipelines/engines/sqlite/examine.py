"""What this user may do with SQLite databases that other programs write to."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from ops_pipelines.engines.examiner import Lack
from ops_pipelines.engines.sqlite import databases
from ops_pipelines.engines.sqlite.settings import SQLiteSource


class SQLiteExaminer:
    """Questions about some SQLite databases; see `Examiner`."""

    def __init__(self, name: str, source: SQLiteSource) -> None:
        self._name, self._source = name, source

    def programs(self) -> str:
        """Python's own SQLite."""
        return f"SQLite {sqlite3.sqlite_version}, part of Python"

    def lacks(self) -> Sequence[Lack]:
        """None: each database was opened. Raises SourceError for one that this user cannot read, as a dump does."""
        databases.find(self._source.paths, source=self._name)
        return ()

    def clock(self) -> datetime | None:
        """This machine's: there is no other."""
        return None
