"""Which schema a ledger has, asked without opening it as ours: that would bring it to the newest."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from ops_pipelines.ledger.ledger import LedgerError, with_driver
from ops_pipelines.redact import redact

_VERSIONS = Path(__file__).with_name("migrations") / "versions"


def schema_of(url: str) -> str | None:
    """The number of its schema; none where there is no ledger yet. Changes nothing. Raises LedgerError."""
    parsed = with_driver(url)
    if parsed.get_backend_name() == "sqlite":
        file = Path(parsed.database or "")
        if not file.is_file():
            return None
        parsed = parsed.set(database=f"file:{file}", query={"mode": "ro", "uri": "true"})
    try:
        engine = create_engine(parsed)
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return str(connection.execute(text("select version_num from alembic_version")).scalar())
    except (SQLAlchemyError, ImportError) as error:
        raise LedgerError(
            "the ledger cannot be read",
            why=redact(str(error.__cause__ or error)).splitlines()[0],
            safe="nothing was changed",
            next="ops doctor",
        ) from None


def steps_from(found: str | None) -> Sequence[str]:
    """What would be done to a ledger, by name, in order; from the beginning where there is none."""
    return sorted(path.stem for path in _VERSIONS.glob("[0-9]*.py") if found is None or path.stem[:4] > found)
