"""The engine of each kind of source. A new engine is its own room and one line here."""

from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from ops_pipelines.config.sources import Source
from ops_pipelines.engines.base import Engine
from ops_pipelines.engines.examiner import Examiner

# Imported when first needed: a driver is only loaded by who talks to that kind of server.
_ENGINES = {
    "postgres": ("ops_pipelines.engines.postgres.engine", "PostgresEngine"),
    "mysql": ("ops_pipelines.engines.mysql.engine", "MySQLEngine"),
    "mongodb": ("ops_pipelines.engines.mongodb.engine", "MongoDBEngine"),
    "sqlite": ("ops_pipelines.engines.sqlite.engine", "SQLiteEngine"),
    "files": ("ops_pipelines.engines.files.engine", "FilesEngine"),
}
_EXAMINERS = {
    "postgres": ("ops_pipelines.engines.postgres.examine", "PostgresExaminer"),
    "mysql": ("ops_pipelines.engines.mysql.examine", "MySQLExaminer"),
    "mongodb": ("ops_pipelines.engines.mongodb.examine", "MongoDBExaminer"),
    "sqlite": ("ops_pipelines.engines.sqlite.examine", "SQLiteExaminer"),
    "files": ("ops_pipelines.engines.files.examine", "FilesExaminer"),
}


def engine_for(name: str, source: Source) -> Engine:
    """The engine that protects this source."""
    engine: Engine = _class_of(source.kind)(name, source)
    return engine


def examiner_for(name: str, source: Source) -> Examiner:
    """Who answers questions about this source."""
    module, of_kind = _EXAMINERS[source.kind]
    examiner: Examiner = getattr(import_module(module), of_kind)(name, source)
    return examiner


def load(kinds: Collection[str]) -> None:
    """Import what these kinds of source need, before threads do: two that import a driver at once may break it."""
    for kind in kinds:
        _class_of(kind)
        import_module(_EXAMINERS[kind][0])


def by_hand(kind: str, facts: Mapping[str, JsonValue], roles: Collection[str]) -> Sequence[str]:
    """The commands that restore the plain parts of a source of this kind; see `Engine.by_hand`."""
    commands: Sequence[str] = _class_of(kind).by_hand(facts, roles)
    return commands


def reap(kind: str, directory: Path) -> None:
    """Take back what a killed scratch server of this kind holds outside its directory."""
    if kind in _ENGINES:
        _class_of(kind).reap(directory)


def _class_of(kind: str) -> Any:
    module, name = _ENGINES[kind]
    return getattr(import_module(module), name)
