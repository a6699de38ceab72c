"""What client programs keep in a home: `.pgpass` and `.my.cnf`. They name databases, or only who may log in where."""

import configparser
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ops_pipelines.engines.address import parse, split_host
from ops_pipelines.engines.registry import CLUES
from ops_pipelines.errors import SourceError
from ops_pipelines.redact import register
from ops_pipelines.setup.files import text_of
from ops_pipelines.setup.found import Database, database_of, url_of, with_login

_CNF_SECTIONS = ("client", "client-mariadb", "mysql", "mysqldump", "mariadb-dump")
_FIELDS = 5
_ANY = "*"


@dataclass(frozen=True)
class Login:
    """Who may log in where. A star, or nothing, stands for any."""

    kind: str
    origin: str
    host: str
    port: str
    database: str
    user: str
    password: str = field(repr=False)

    @property
    def names_a_database(self) -> bool:
        """Whether it says enough to reach one database."""
        return self.database not in ("", _ANY, "replication") and self.user not in ("", _ANY) and self.host != _ANY

    def url(self, database: str) -> str:
        """The address of a database, with this login."""
        host = "" if self.host in (_ANY, "localhost") else self.host
        port = "" if self.port == _ANY else self.port
        return url_of(self.kind, host=host, port=port, user=self.user, password=self.password, database=database)

    def fits(self, host: str, port: str, database: str, user: str) -> bool:
        """Whether it is meant for a connection."""
        local = ("", "localhost", "127.0.0.1", "::1")
        pairs = ((self.port, port), (self.database, database), (self.user, user))
        same_host = self.host in (_ANY, host) or (self.host in local and host in local)
        return same_host and all(mine in (_ANY, "", theirs) for mine, theirs in pairs)


def logins(home: Path, environ: Mapping[str, str]) -> list[Login]:
    """Every login of a home, in the order of the files."""
    return [
        *_of_pgpass(Path(environ.get("PGPASSFILE") or home / ".pgpass")),
        *_of_my_cnf(home / ".my.cnf"),
    ]


def databases(every: Sequence[Login]) -> Iterator[Database]:
    """The databases that logins name."""
    for each in every:
        if each.names_a_database:
            found = database_of(each.url(each.database), origin=each.origin)
            assert found is not None, "it has a name"
            yield found


def completed(database: Database, every: Sequence[Login]) -> Database:
    """The same, with the login that a client program would find for it, where its address has no password.

    A service has another home than whoever sets it up: the login goes where the address goes.
    """
    if database.kind not in CLUES or database.problem:
        return database
    try:
        address = parse(database.url, database.kind)
    except SourceError:
        return database
    if address.password is not None or not address.hosts:
        return database
    host, port = split_host(address.hosts[0])
    port = port or str(CLUES[database.kind].port)
    for each in every:
        if each.kind == database.kind and each.fits(host, port, address.database, address.user or each.user):
            bare = re.sub(r"://[^/?@]*@", "://", database.url, count=1)
            return replace(database, url=with_login(bare, address.user or each.user, each.password), variable="")
    return database


def _of_pgpass(path: Path) -> Iterator[Login]:
    for line in text_of(path).splitlines():
        if line.startswith("#"):
            continue
        words = [re.sub(r"\\(.)", r"\1", word) for word in re.split(r"(?<!\\):", line)]
        if len(words) == _FIELDS:
            host, port, database, user, password = words
            yield Login("postgres", str(path), host, port, database, user, register(password))


def _of_my_cnf(path: Path) -> Iterator[Login]:
    parser = configparser.RawConfigParser(allow_no_value=True, strict=False, delimiters=("=",))
    lines = (line for line in text_of(path).splitlines() if not line.lstrip().startswith("!"))
    try:
        parser.read_string("\n".join(lines))
    except configparser.Error:
        return
    said: dict[str, str] = {}
    for section in _CNF_SECTIONS:
        if parser.has_section(section):
            said = {key.replace("_", "-"): (value or "").strip("'\"") for key, value in parser.items(section)} | said
    if said.get("user") or said.get("password"):
        host = said.get("socket") or said.get("host", "")
        words = (host, said.get("port", ""), said.get("database", ""), said.get("user", ""))
        yield Login("mysql", str(path), *words, register(said.get("password", "")))
