"""What was found on this machine that may be worth protecting. Plain facts; nothing here looks for anything."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from ops_pipelines.engines.address import family, parse, split_host
from ops_pipelines.engines.registry import CLUES, kind_of
from ops_pipelines.errors import SourceError
from ops_pipelines.redact import register
from ops_pipelines.settings.values import sqlite_file

_MADE_PLAIN = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Database:
    """A database, as some place names it.

    Attributes:
        name: what the source may be called.
        url: as our engines take it.
        origin: where it was found, in words.
        variable: the environment variable that holds exactly this URL; empty when none does.
        problem: why it cannot be reached; empty when it answered, or was not asked.
        server: what it said it is, with its version; empty when it was not reached.
        assumed: its host was named nowhere, and this machine is a guess.
        declined: whoever was asked does not want it protected.
    """

    kind: str
    name: str
    url: str = field(repr=False)
    origin: str
    variable: str = ""
    problem: str = ""
    server: str = ""
    size_bytes: int = 0
    assumed: bool = False
    declined: bool = False

    @property
    def path(self) -> Path:
        """The file of an SQLite database."""
        return Path(sqlite_file(self.url))

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The same for two spellings of one database."""
        if kind_of(self.kind).on_disk:
            return self.kind, str(self.path), "", ""
        try:
            address = parse(self.url, self.kind)
        except SourceError:
            return self.kind, self.origin, "", ""
        host, port = split_host(address.hosts[0]) if address.hosts else ("", "")
        host = "127.0.0.1" if host in ("localhost", "::1") else host
        return self.kind, host, port or str(CLUES[self.kind].port), address.database


@dataclass(frozen=True)
class Missing:
    """A database that must be there, by the look of a place, and that nobody found.

    Attributes:
        what: whose it is: `the database of this Django project`.
        why: where it was looked for, and what was met there.
    """

    what: str
    why: str


@dataclass(frozen=True)
class Folder:
    """A folder with what users have uploaded, by the look of it."""

    name: str
    path: Path
    files: int
    size_bytes: int
    problem: str = ""


def database_of(
    url: str, *, origin: str, variable: str = "", name: str = "", directory: Path | None = None
) -> Database | None:
    """A URL in any spelling as a database of ours; None when it is another kind of URL, or names no database.

    One that cannot be read has a problem.

    Args:
        name: what to call it; its database's own name unless given.
        directory: what the path of an SQLite file is relative to; here unless given.
    """
    kind = family(url)
    if "://" not in url or kind is None:
        return None
    if kind_of(kind).on_disk:
        return _sqlite_of(url, origin, name, directory or Path())
    try:
        address = parse(url, kind)
    except SourceError as error:
        # What follows may be half a password: nothing of it is used.
        return Database(kind, plain_name(name or kind), url.strip(), origin, variable, problem=_sentence(error))
    if not address.database:
        return None
    return Database(kind, plain_name(name or address.database), url.strip(), origin, variable)


def _sqlite_of(url: str, origin: str, name: str, directory: Path) -> Database | None:
    try:
        return sqlite_at(directory / sqlite_file(url), origin=origin, name=name)
    except ValueError:
        return None  # a database in memory


def sqlite_at(path: Path, *, origin: str, name: str = "") -> Database:
    """An SQLite database by its file."""
    return Database("sqlite", plain_name(name or path.stem), f"sqlite:///{path.absolute()}", origin)


def _sentence(error: SourceError) -> str:
    return f"{error.what}: {error.why}"


def url_of(kind: str, *, host: str, port: str, user: str, password: str, database: str) -> str:
    """A URL of parts that come from anywhere; a host that begins with / is the directory of a socket."""
    clues = CLUES[kind]
    login = quote(user, safe="") + (f":{quote(register(password), safe='')}" if password else "")
    at = f"{login}@" if login else ""
    where = f":{port}" if port else ""
    name, options = quote(database, safe=""), clues.login_options if user else ""
    if host.startswith("/") and clues.at_socket is not None:
        return clues.at_socket(at, quote(host, safe=""), port, name)
    host = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
    return f"{clues.scheme}://{at}{host or '127.0.0.1'}{where}/{name}{options}"


def with_login(url: str, user: str, password: str) -> str:
    """A URL with a login, where it has none of its own."""
    kind = family(url)
    try:
        if not user or kind is None or parse(url, kind).user:
            return url
    except SourceError:
        return url
    login = quote(user, safe="") + (f":{quote(register(password), safe='')}" if password else "")
    return url.replace("://", f"://{login}@", 1)


def plain_name(text: str) -> str:
    """A text as the name of a source: lower case, digits and underscores, a letter first."""
    name = _MADE_PLAIN.sub("_", text.lower()).strip("_")[:50]
    return name if name[:1].isalpha() else f"db_{name}".rstrip("_")
