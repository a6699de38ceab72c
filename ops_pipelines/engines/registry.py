"""The engine of each kind of source. A new engine is its own file and one line here."""

from pathlib import Path

from ops_pipelines.config.models import Source
from ops_pipelines.engines.base import Engine


def engine_for(name: str, source: Source) -> Engine:
    """The engine that protects this source."""
    # Imported here: a driver is only loaded by who talks to that kind of server.
    from ops_pipelines.engines.postgres.engine import PostgresEngine  # noqa: PLC0415

    engines = {"postgres": PostgresEngine}
    return engines[source.kind](name, source)


def reap(kind: str, directory: Path) -> None:
    """Take back what a killed scratch server of this kind holds outside its directory."""
    from ops_pipelines.engines.postgres.engine import PostgresEngine  # noqa: PLC0415

    reapers = {"postgres": PostgresEngine.reap}
    if kind in reapers:
        reapers[kind](directory)
