"""By what `ops init` knows a database of one kind, and how its address is spelled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Value(Protocol):
    """The environment of a compose service."""

    def __call__(self, *names: str) -> str:
        """The first of some variables that is set, or the content of the file that it names; empty when none is."""
        ...


@dataclass(frozen=True)
class InService:
    """What a compose service's environment says: user and password, and the database it makes."""

    user: str
    password: str
    database: str


class Names(Protocol):
    """Asks a server which databases it has. Raises SourceError."""

    def __call__(self, url: str, /) -> Sequence[str]:
        """The databases that a login sees, the server's own left out.

        Args:
            url: with the login, of any database.
        """
        ...


@dataclass(frozen=True)
class Clues:
    """What tells a kind.

    Attributes:
        scheme: of its URLs.
        port: where its servers listen.
        other_ports: where something listens that speaks for it.
        images: parts of the names of its container images.
        variables: sets of variables that name one: host, port, user, password, database; of each the first that is set.
        database_of_user: a database is called like its user where nothing says otherwise.
        sockets: the directory of its socket, where it is what clients take without a host.
        own_database: the one that every server has.
        login_options: what its URL needs when it has a login.
        login: reads a compose service's environment.
        at_socket: spells an address by a socket: login with its @, directory of the socket, port and database, quoted.
        databases: asks a server; None where nobody does.
    """

    scheme: str
    port: int
    login: Callable[[Value], InService]
    other_ports: Sequence[int] = ()
    images: Sequence[str] = ()
    variables: Sequence[Sequence[Sequence[str]]] = ()
    database_of_user: bool = False
    sockets: str = ""
    own_database: str = ""
    login_options: str = ""
    at_socket: Callable[[str, str, str, str], str] | None = None
    databases: Names | None = None
