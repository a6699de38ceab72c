"""What this user may do with SQLite databases that other programs write to."""

import os
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
        """Databases this user cannot read."""
        found = databases.find(self._source.paths, source=self._name)
        unread = [str(path) for path in found if not os.access(path, os.R_OK, effective_ids=True)]
        if not unread:
            return []
        return [Lack(f"cannot read {', '.join(unread)}", f"setfacl -m u:{os.geteuid()}:r {' '.join(unread)}")]

    def clock(self) -> datetime | None:
        """This machine's: there is no other."""
        return None
