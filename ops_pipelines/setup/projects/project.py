"""What a framework's project says of its databases. Each framework has a file here; nothing of it is ever run."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops_pipelines.engines.registry import CLUES
from ops_pipelines.setup.found import Database, Missing, database_of, sqlite_at, url_of
from ops_pipelines.setup.variables import kind_of


@dataclass(frozen=True)
class Project:
    """A project of some framework, and the databases that it names.

    Attributes:
        said: why none is named, where none is.
    """

    framework: str
    databases: tuple[Database, ...]
    said: str = ""

    @property
    def missing(self) -> Missing | None:
        """What is said where its database was not found."""
        return None if self.databases else Missing(f"the database of this {self.framework} project", self.said)


Find = Callable[[Path, Mapping[str, str]], Project | None]
"""Looks at one folder, with the variables that the application has; None where it is no such project."""


def of_settings(settings: Mapping[str, object], directory: Path, origin: str) -> Database | None:
    """A database as frameworks spell it in their settings; None where its name or its engine is not said.

    Args:
        settings: engine, host, port, user, password and name, in lower case.
        directory: what an SQLite file is relative to.
    """
    said = {key: str(value) for key, value in settings.items() if value not in (None, "")}
    kind, name = kind_of(said.get("engine", "")), said.get("name", "")
    if kind is None or not name or name == ":memory:":
        return None
    if kind not in CLUES:
        return sqlite_at(directory / name, origin=origin)
    host, password = said.get("host", ""), said.get("password", "")
    if not host and not password:
        host = CLUES[kind].sockets  # what libpq does without a host; the login is the system's own
    url = url_of(
        kind, host=host, port=said.get("port", ""), user=said.get("user", ""), password=password, database=name
    )
    return database_of(url, origin=origin)


def found(every: Iterable[Database | None]) -> tuple[Database, ...]:
    """Those that are."""
    return tuple(each for each in every if each is not None)
