"""The kinds of source. A new one is its own room and one line here."""

from collections.abc import Collection

from ops_pipelines.engines.files.kind import FilesKind
from ops_pipelines.engines.kind import Kind
from ops_pipelines.engines.mongodb.kind import MongoDBKind
from ops_pipelines.engines.mysql.kind import MySQLKind
from ops_pipelines.engines.postgres.kind import PostgresKind
from ops_pipelines.engines.sqlite.kind import SQLiteKind

_EVERY: tuple[Kind, ...] = (PostgresKind(), MySQLKind(), MongoDBKind(), SQLiteKind(), FilesKind())
KINDS = {each.name: each for each in _EVERY}
"""By name, as they are in `ops.yaml`, in manifests and in the ledger."""

CLUES = {each.name: each.clues for each in _EVERY if each.clues is not None}
"""By what `ops init` knows the kinds that have servers, by name."""


def kind_of(source: str) -> Kind:
    """A kind by its name. Raises KeyError: what was not written by us must be looked up in `KINDS`."""
    return KINDS[source]


def load(kinds: Collection[str]) -> None:
    """Import what these kinds of source need, before threads do: two that import a driver at once may break it."""
    for kind in kinds:
        KINDS[kind].load()
