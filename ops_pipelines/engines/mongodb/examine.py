"""What MongoDB lets the source's user do, and with which programs it is dumped and proved."""

from collections.abc import Sequence
from datetime import datetime

from pymongo.database import Database
from pymongo.errors import OperationFailure

from ops_pipelines.clock import UTC
from ops_pipelines.engines.examiner import Lack
from ops_pipelines.engines.mongodb import dumper, server, settled, tools
from ops_pipelines.engines.mongodb.connection import Document, Server, connected
from ops_pipelines.engines.mongodb.settings import MongoDBSource

_NAMED = 3
_FORBIDDEN = 13


class MongoDBExaminer:
    """Questions about one MongoDB database; see `Examiner`."""

    def __init__(self, name: str, source: MongoDBSource) -> None:
        self._name, self._source = name, source

    def programs(self) -> str:
        """mongodump where it is asked for, and a scratch server unless one is lent to us."""
        with connected(self._server()) as database:
            version = str(dumper.describe_server(database)["server_version"])
        dump = "built-in dumper"
        if self._source.tool == "mongodump":
            dump = str(tools.require("mongodump", self._source.bin_dirs))
        if self._source.verify.server is not None:
            given = self._source.verify.server.url.reveal(purpose=f"source {self._name}, verify.server.url")
            with connected(self._at(given)) as database:
                proved = f"verify.server {dumper.describe_server(database)['server_version']}"
        else:
            program = server.choose(version, self._source.bin_dirs)
            proved = f"scratch server {f'mongod {program.major}' if program.major else 'SecantusDB (a stand-in)'}"
        return f"{dump}, {proved}"

    def lacks(self) -> Sequence[Lack]:
        """Collections the user cannot read, and its users and roles where they are wanted."""
        source = self._server()
        with connected(source) as database:
            user = self._user(database.command("connectionStatus"))
            try:
                unread = [each.name for each in settled.existing(database) if not _readable(database, each.data)]
            except OperationFailure as error:
                if error.code != _FORBIDDEN:
                    raise
                unread = ["any collection"]
            found = []
            if unread:
                more = f" and {len(unread) - _NAMED} more" if len(unread) > _NAMED else ""
                what = f"cannot read {', '.join(unread[:_NAMED])}{more}"
                found.append(Lack(what, _grant(user, "read", source.database)))
            if self._source.accounts:
                try:
                    database.command("usersInfo", 1)
                except OperationFailure:
                    found.append(
                        Lack("accounts: true reads the users", _grant(user, "userAdmin", source.database), needed=False)
                    )
        return found

    def clock(self) -> datetime | None:
        """The server's, as far as it says."""
        with connected(self._server()) as database:
            now = database.command("hello").get("localTime")
        return now.replace(tzinfo=UTC) if isinstance(now, datetime) else None

    @staticmethod
    def _user(status: dict[str, object]) -> tuple[str, str]:
        info = status.get("authInfo")
        users = info.get("authenticatedUsers") if isinstance(info, dict) else None
        first = users[0] if users else {}
        return str(first.get("user", "USER")), str(first.get("db", "admin"))

    def _server(self) -> Server:
        return self._at(self._source.url.reveal(purpose=f"source {self._name}, url"))

    def _at(self, url: str) -> Server:
        return Server(url, connect=self._source.limits.connect, stall=self._source.limits.connect)


def _readable(database: "Database[Document]", name: str | None) -> bool:
    if name is None:
        return True  # a view: its definition is all that is dumped
    try:
        database[name].find_one({}, {"_id": 1})
    except OperationFailure as error:
        if error.code == _FORBIDDEN:
            return False
        raise
    return True


def _grant(user: tuple[str, str], role: str, database: str) -> str:
    name, home = user
    return f'db.getSiblingDB("{home}").grantRolesToUser("{name}", [{{role: "{role}", db: "{database}"}}])'
