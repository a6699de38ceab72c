"""SQLite databases in `ops.yaml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ops_pipelines.engines.base import Engine
from ops_pipelines.engines.examiner import Examiner
from ops_pipelines.engines.source import Source
from ops_pipelines.settings.checks import SqlCheck
from ops_pipelines.settings.values import sqlite_file


class SQLiteSource(Source):
    """SQLite databases of this machine: single files, or every one in some folders."""

    kind: Literal["sqlite"]
    paths: tuple[Annotated[Path, BeforeValidator(sqlite_file)], ...] = Field(
        min_length=1,
        description="database files (sqlite:///… as well), or folders: every SQLite database below them",
        examples=[["/srv/app/app.sqlite3"]],
    )
    checks: tuple[SqlCheck, ...] = Field((), description="asked of a source that is one database")

    def placed_here(self) -> Mapping[str, Any]:
        """See `Source.placed_here`."""
        return {**super().placed_here(), "paths": self.paths}

    def engine(self, name: str) -> Engine:
        """See `Source.engine`."""
        from ops_pipelines.engines.sqlite.engine import SQLiteEngine  # noqa: PLC0415

        return SQLiteEngine(name, self)

    def examiner(self, name: str) -> Examiner:
        """See `Source.examiner`."""
        from ops_pipelines.engines.sqlite.examine import SQLiteExaminer  # noqa: PLC0415

        return SQLiteExaminer(name, self)
