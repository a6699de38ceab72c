"""Dumps that were made before us, whatever the engine: is this one of the source it is offered for?"""

from ops_pipelines.engines.base import Legacy
from ops_pipelines.errors import SourceError


def refuse_other(legacy: Legacy, found: str, *, source: str, database: str) -> None:
    """A dump of another database comes in only when that is said.

    Args:
        found: the database that the dump names.
        source: the source's name.
        database: the source's own database.
    Raises:
        SourceError: they differ, and nobody said that it is meant.
    """
    if found != database and not legacy.other_database:
        raise SourceError(
            f"{legacy.name} is a dump of the database {found}",
            why=f"the source {source} is the database {database}",
            safe="it was not adopted",
            next="when it is meant for this source all the same: ops adopt … --other-database",
        )
