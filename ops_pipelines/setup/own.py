"""What we are ourselves: where our ledger and Dagster's storage are, so that they can be sources, too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops_pipelines.setup.files import yaml_of
from ops_pipelines.setup.found import Database, database_of, url_of

BASE = Path("var/backups")
DAGSTER = Path("var/dagster")
_LEDGER = BASE / "ledger.sqlite"


@dataclass
class Own:
    """Where our own state lies.

    Attributes:
        files: SQLite files and folders of them, relative to `ops.yaml` where they are below it.
        databases: those on a PostgreSQL server.
        unknown: what could not be told, in words.
    """

    files: list[Path] = field(default_factory=list)
    databases: list[Database] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def own(directory: Path, environ: Mapping[str, str], *, ledger: str = "") -> Own:
    """Our ledger and Dagster's storage, as `dagster.yaml` says or as it will be written.

    Args:
        ledger: the variable with the URL of a ledger on a server; a file below `base` unless given.
    """
    found = Own()
    if ledger:
        origin = f"{ledger} (the ledger)"
        each = database_of(environ.get(ledger, ""), origin=origin, variable=ledger, name="ops_ledger")
        if each is not None and not each.problem:
            found.databases.append(each)
        else:
            found.unknown.append(f"{ledger} holds no URL of a database: the ledger has no source")
    else:
        found.files.append(_LEDGER)
    path = directory / "dagster.yaml"
    if not path.is_file():
        found.files.append(DAGSTER)
        return found
    document = next(iter(yaml_of(path)), None)
    storage = (document.get("storage") if isinstance(document, dict) else None) or {}
    _add_storage(found, storage, environ)
    return found


def _add_storage(found: Own, storage: Any, environ: Mapping[str, str]) -> None:
    """Dagster's storage, as its configuration spells it; `{env: NAME}` may stand for any value."""

    def said(value: Any) -> str:
        return environ.get(str(value["env"]), "") if isinstance(value, dict) and "env" in value else str(value or "")

    module, settings = next(iter(storage.items())) if isinstance(storage, dict) and len(storage) == 1 else ("", {})
    settings = settings if isinstance(settings, dict) else {}
    if module == "sqlite" and (base := said(settings.get("base_dir"))):
        found.files.append(Path(base))
        return
    each = None
    if module == "postgres":
        parts = settings.get("postgres_db")
        url = said(settings.get("postgres_url"))
        if isinstance(parts, dict):
            host, port, user, password, name = (
                said(parts.get(key)) for key in ("hostname", "port", "username", "password", "db_name")
            )
            host = host or "/var/run/postgresql"
            url = url_of("postgres", host=host, port=port, user=user, password=password, database=name)
        each = database_of(url, origin="dagster.yaml", name="ops_dagster")
    if each is not None and not each.problem:
        found.databases.append(each)
    else:
        found.unknown.append("it is unclear where dagster.yaml keeps Dagster's storage: it has no source")
