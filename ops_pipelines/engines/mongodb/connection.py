"""Talk to a MongoDB server: URLs and their secrets, clients with limits, who a server is. Reads no collections."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote, urlencode

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    InvalidURI,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from ops_pipelines import limits
from ops_pipelines.engines import gone
from ops_pipelines.engines.address import shown
from ops_pipelines.engines.mongodb.address import read
from ops_pipelines.engines.places import Place, place
from ops_pipelines.errors import SourceError

Document = dict[str, Any]
Client = MongoClient[Document]

_MESSAGE_KEPT = 300
_UNAUTHORIZED, _AUTHENTICATION_FAILED = 13, 18
# Of a database's name, MongoDB's own rule; a name that breaks it would reach another database, or none.
_NAME = re.compile(r'[^/\\. "$*<>:|?\0]{1,63}')

# The second where the limit was over before the first attempt to connect was.
_NO_ANSWER = ("timed out", "No servers found yet")


class Server:
    """One database on one server or replica set, as named by a MongoDB URL.

    Args:
        url: `mongodb://` or `mongodb+srv://`, with the database as its path; it may hold a password. A + in it is a
            plus, as it is to every driver but Python's.
        connect: time allowed connecting to the server.
        stall: time allowed without a byte from it.
    Raises:
        SourceError: the URL cannot be read, names no database, or asks for something that is not understood.
    """

    def __init__(self, url: str, *, connect: timedelta, stall: timedelta) -> None:
        address, self._options = read(url)
        self._scheme, self.hosts, self.user = address.scheme, ",".join(address.hosts), address.user
        self.database = address.database
        if not is_name(self.database):
            raise _unreadable("its path is no name of a database" if self.database else "it names no database")
        self._connect, self._stall = connect, stall
        self._userinfo = quote(address.user, safe="")
        if address.password is not None:
            self._userinfo += f":{quote(address.password, safe='')}"
            # Credentials are looked up in the database of the path unless told otherwise.
            if not any(key.lower() == "authsource" for key, _value in self._options):
                self._options.append(("authSource", self.database if self._scheme == "mongodb" else "admin"))

    @property
    def encrypted(self) -> bool:
        """Whether the URL asks for TLS; of `mongodb+srv` it is usual."""
        options = {key.lower(): value.lower() for key, value in self._options}
        return options.get("tls", options.get("ssl", str(self._scheme == "mongodb+srv").lower())) == "true"

    def at(self, database: str) -> "Server":
        """Another database of the same server, with the same credentials. Raises SourceError for a bad name."""
        if not is_name(database):
            raise _unreadable(f"{shown(database)} is no name of a database")
        other = object.__new__(Server)
        other.__dict__.update(self.__dict__)
        other.database = database
        return other

    def url(self, *, database: bool = True) -> str:
        """The whole URL, secrets included. Never print it.

        Args:
            database: false leaves the database out, for a program that is told of it otherwise.
        """
        user = f"{self._userinfo}@" if self._userinfo else ""
        query = f"?{urlencode(self._options, quote_via=quote)}" if self._options else ""
        return f"{self._scheme}://{user}{self.hosts}/{quote(self.database) if database else ''}{query}"

    def open(self, *, stall: timedelta | None = None) -> Client:
        """A client that waits for nothing longer than the limits; the caller closes it.

        Raises:
            SourceError: an option of the URL is not one.
        """
        try:
            return MongoClient(
                self.url(),
                appname="ops_pipelines",
                serverSelectionTimeoutMS=_milliseconds(self._connect),
                connectTimeoutMS=_milliseconds(self._connect),
                socketTimeoutMS=_milliseconds(stall or self._stall),
                retryReads=False,  # trying again would double the time a frozen server can hold us
                tz_aware=True,
                datetime_conversion=DatetimeConversion.DATETIME_AUTO,  # BSON has years that Python has not
            )
        except (InvalidURI, ConfigurationError, ValueError, TypeError) as error:
            raise _unreadable(str(error)) from None
        except PyMongoError as error:  # the look-up of mongodb+srv
            raise translated(error, f"MongoDB database {self}", self, stall=stall) from None

    def reached(self, error: PyMongoError, stall: timedelta | None = None) -> timedelta | None:
        """The limit that the driver ran into; None when it was no limit."""
        if isinstance(error, ServerSelectionTimeoutError):
            # It tries until the limit is over, also where it is refused each time: then that is the reason.
            said = str(error).split("(configured timeouts", 1)[0]
            return self._connect if any(each in said for each in _NO_ANSWER) else None
        return (stall or self._stall) if isinstance(error, NetworkTimeout) else None

    def __str__(self) -> str:
        return f"{self.database} on {self.hosts}"


def is_name(text: str) -> bool:
    """Whether a database can be called so."""
    return _NAME.fullmatch(text) is not None


def with_credentials(host: str, port: int, database: str, user: str, password: str) -> str:
    """The URL of a server of our own, which is asked alone, whatever replica set it says it is in."""
    return (
        f"mongodb://{quote(user, safe='')}:{quote(password, safe='')}@{host}:{port}/{quote(database, safe='')}"
        "?authSource=admin&directConnection=true"
    )


@contextmanager
def connected(server: Server, *, stall: timedelta | None = None) -> Iterator["Database[Document]"]:
    """The server's database, reached and ready, for the length of the block.

    Args:
        stall: wait this long without a byte, instead of the server's own limit.
    Raises:
        SourceError: the server cannot be reached or refuses us; or an error of it left the block.
    """
    client = server.open(stall=stall)
    try:
        client.admin.command("hello")
        database = client[server.database]
        # Says whether our credentials are good before anything else does.
        database.command("listCollections", nameOnly=True, authorizedCollections=True)
    except PyMongoError as error:
        client.close()
        raise translated(error, f"MongoDB database {server} cannot be opened", server, stall=stall) from None
    try:
        yield database
    except PyMongoError as error:
        raise translated(error, f"reading {server} failed", server, stall=stall) from None
    finally:
        client.close()


def translated(error: PyMongoError, what: str, server: Server, *, stall: timedelta | None = None) -> SourceError:
    """The same error for a human, without the driver's picture of the topology.

    Args:
        stall: the limit without a byte, where it was another than the server's own.
    """
    limit = server.reached(error, stall)
    return SourceError(
        what,
        why=f"no answer within {limits.describe(limit)}" if limit is not None else reason(error),
        safe="nothing was changed; existing backups are untouched",
        next=(limits.advice(limit) if limit is not None else "") or _advice(error),
    )


def reason(error: PyMongoError) -> str:
    """Why the driver or the server failed, in one line."""
    if isinstance(error, NetworkTimeout):
        return f"the server sent nothing: {_short(error)}"
    if isinstance(error, OperationFailure) and error.details:
        return f"{error.details.get('errmsg') or _short(error)} (code {error.code})"
    return _short(error)


def _short(error: PyMongoError) -> str:
    text = re.sub(r",? \(?(Timeout: [\d.]+s, )?Topology Description: .*", "", str(error), flags=re.DOTALL)
    return text if len(text) <= _MESSAGE_KEPT else f"{text[:_MESSAGE_KEPT]}…"


def _advice(error: PyMongoError) -> str:
    code = error.code if isinstance(error, OperationFailure) else None
    if code == _AUTHENTICATION_FAILED or "uthentication failed" in str(error):
        return "check user, password and authSource in the source's url, then: ops backup"
    if code == _UNAUTHORIZED:
        return "give the user the role read on its database (backup, for users and the oplog), then: ops backup"
    if isinstance(error, (ServerSelectionTimeoutError, NetworkTimeout)):
        return "check that the server runs and can be reached from here, then: ops backup"
    return gone.NEXT if isinstance(error, AutoReconnect) else "correct the cause, then: ops backup"


def _unreadable(why: str) -> SourceError:
    return SourceError(
        "the MongoDB URL cannot be read", why=why, next="write it like mongodb://user:password@host:27017/database"
    )


def _milliseconds(span: timedelta) -> int:
    return max(1, int(span.total_seconds() * 1000))


def is_stand_in(database: "Database[Document]") -> bool:
    """Whether the server is SecantusDB, which speaks MongoDB's protocol but is not MongoDB."""
    return "secantusVersion" in database.client.admin.command("buildInfo")


RAW_SAFE: CodecOptions[Document] = CodecOptions(tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""How documents are decoded where we must: no value of BSON is out of range."""


@dataclass(frozen=True)
class Identity:
    """Who answered: what tells one server or replica set from another, however it was addressed."""

    process: str
    replica_set: str
    members: frozenset[str]
    cluster: str
    database: str

    def named(self) -> dict[str, str]:
        """What of it stays the same when the server is started again."""
        found = {"replica_set": self.replica_set, "cluster": self.cluster, "members": ", ".join(sorted(self.members))}
        return {"database": self.database, **{name: value for name, value in found.items() if value}}

    def same(self, other: "Identity") -> bool:
        """Whether both are one database. Members of a replica set are asked for by their own names."""
        if self.database.lower() != other.database.lower():
            return False  # names that differ in case only cannot both exist
        if self.process and self.process == other.process:
            return True
        if self.cluster and self.cluster == other.cluster:
            return True
        return bool(self.replica_set) and self.replica_set == other.replica_set and bool(self.members & other.members)


def identity(server: Server) -> Identity:
    """Ask a server who it is. Raises SourceError when it does not answer."""
    with connected(server) as database:
        hello = database.client.admin.command("hello")
        cluster = ""
        if hello.get("msg") == "isdbgrid":  # one router of a sharded cluster knows the cluster by its id
            version = database.client["config"]["version"].find_one() or {}
            cluster = str(version.get("clusterId", ""))
    members = {*hello.get("hosts", ()), *hello.get("passives", ()), *hello.get("arbiters", ())}
    return Identity(
        process=str(hello.get("topologyVersion", {}).get("processId", "")),
        replica_set=str(hello.get("setName", "")),
        members=frozenset(member.lower() for member in members),
        cluster=cluster,
        database=server.database,
    )


def place_of(server: Server) -> Place:
    """Where a database lies by its spelling: every host of the URL."""
    hosts, sockets = [], []
    for part in server.hosts.split(","):
        name = unquote(part)
        if name.startswith("/"):
            number = re.search(r"(\d+)\.sock$", name)
            sockets.append((name, int(number[1]) if number else 0))
        else:
            host, _, port = name.rpartition(":") if re.search(r":\d+$", name) else (name, "", "27017")
            hosts.append((host, int(port)))
    # Names that differ in case only cannot both exist.
    return place("mongodb", server.database.lower(), hosts=hosts, sockets=sockets)


def same_database(one: Server, other: Server) -> bool:
    """Whether two URLs lead to the same database; compared as addresses where one of them does not answer."""
    try:
        first, second = identity(one), identity(other)
    except SourceError:
        return one.database.lower() == other.database.lower() and bool(_addresses(one) & _addresses(other))
    if not (first.process or first.replica_set or first.cluster):  # too old to say who it is
        return one.database.lower() == other.database.lower() and bool(_addresses(one) & _addresses(other))
    return first.same(second)


def _addresses(server: Server) -> set[tuple[str, int]]:
    """Every address that a URL's hosts resolve to; loopback by any name is one."""
    found = set()
    for part in server.hosts.split(","):
        name, _, port = part.rpartition(":") if re.search(r":\d+$", part) else (part, "", "27017")
        try:
            resolved = {str(info[4][0]) for info in socket.getaddrinfo(name.strip("[]"), None)}
        except OSError:
            resolved = {name.lower()}
        found |= {("loopback" if each.startswith("127.") or each == "::1" else each, int(port)) for each in resolved}
    return found
