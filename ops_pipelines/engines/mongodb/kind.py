"""The kind `mongodb`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import JsonValue

from ops_pipelines.engines.kind import Kind, Measure, ScriptLogin
from ops_pipelines.engines.mongodb.clues import CLUES
from ops_pipelines.engines.mongodb.settings import MongoDBSource
from ops_pipelines.extras import needed
from ops_pipelines.text import shell

_CONNECT, _STALL = timedelta(seconds=10), timedelta(minutes=1)


class MongoDBKind(Kind):
    """MongoDB and what speaks its protocol."""

    name = "mongodb"
    settings = MongoDBSource
    clues = CLUES
    words = ("mongo",)
    speaks_sql = False
    programs = ("mongod", "secantusd-py")
    clients = ("mongorestore",)
    to_install = "MongoDB Database Tools (`mongorestore`)"
    kit_options = ("-i opened/keys", "--login login.cnf")
    log_hint = "systemctl status 'mongo*'; journalctl -n 50 -u 'mongo*'"
    dump_heads = (b"\x6d\xe2\x99\x81",)

    def by_hand(self, facts: Mapping[str, JsonValue], roles: Collection[str]) -> Sequence[str]:
        """See `Kind.by_hand`."""
        from ops_pipelines.engines.mongodb.layout import ROOT  # noqa: PLC0415

        name = str(facts["database"])
        every = shell(f"{name}.*")
        # Documents may be older than the validator of their collection: without this they are lost in silence.
        load = "mongorestore --uri=URL --bypassDocumentValidation"
        commands = ["tar -xf dump.tar", f"{load} --nsInclude={every} {ROOT}"]
        if not name.isprintable():
            return commands  # a name with a line break would end a comment
        commands.append(f"# under another name: --nsFrom={every} --nsTo='NEW.*'")
        if facts.get("oplog"):
            commands.append(f"# with what happened while the dump ran: {load} --oplogReplay {ROOT}")
        if facts.get("accounts"):
            wanted = f"--db={shell(name)} {shell(f'{ROOT}/{name}')}"
            commands.append(f"# with users and roles: --restoreDbUsersAndRoles {wanted}")
        return commands

    def load(self) -> None:
        """See `Kind.load`."""
        with needed("mongodb"):
            from ops_pipelines.engines.mongodb import engine, examine, measure  # noqa: F401, PLC0415

    def kit_target(self, password_variable: str) -> Iterator[str]:
        """See `Kind.kit_target`."""
        yield "(umask 077; printf 'uri: mongodb://USER:PASSWORD@NEW_SERVER:27017/\\n' > login.cnf)"

    def script_login(self, target: str, home: Path) -> ScriptLogin:
        """See `Kind.script_login`."""
        with needed("mongodb"):
            from ops_pipelines.engines.mongodb.connection import Server  # noqa: PLC0415

        login = home / "mongorestore.yml"
        login.touch(mode=0o600)
        server = Server(target, connect=_CONNECT, stall=_STALL)
        login.write_text(f"uri: {server.url(database=False)}\n", encoding="utf-8")
        return ScriptLogin(("--login", str(login)), local="%2F" in target)

    def at(self, target: str, database: str) -> str:
        """See `Kind.at`."""
        with needed("mongodb"):
            from ops_pipelines.engines.mongodb.connection import Server  # noqa: PLC0415

        return Server(target, connect=_CONNECT, stall=_STALL).at(database).url()

    def loopback_port(self, target: str) -> int | None:
        """Some of its servers have no sockets."""
        where = urlsplit(target)
        return where.port if where.hostname == "127.0.0.1" else None

    def is_legacy_folder(self, folder: Path) -> bool:
        """What mongodump wrote into a folder."""
        patterns = ("*/*.bson", "*/*.bson.gz", "*.bson", "*.bson.gz")
        return folder.is_dir() and any(next(folder.glob(pattern), None) is not None for pattern in patterns)

    def measure(self) -> Measure:
        """See `Kind.measure`."""
        with needed("mongodb"):
            from ops_pipelines.engines.mongodb.measure import measure  # noqa: PLC0415

        return measure
