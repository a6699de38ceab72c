"""The accounts of a server as SQL: by the dump client where it can, else as the server shows them."""

from datetime import timedelta

from ops_pipelines import process
from ops_pipelines.engines.mysql.clients import Program
from ops_pipelines.engines.mysql.connection import Server, identifier, options_for_programs, session
from ops_pipelines.errors import SourceError

_OURS = ("mysql.session", "mysql.sys", "mysql.infoschema", "mariadb.sys")


def dump(server: Server, program: Program, limit: timedelta) -> bytes:
    """CREATE USER and GRANT of every account, password hashes included.

    Raises:
        SourceError, CommandFailed: the source's account may not read them.
    """
    if not program.has("system"):
        return _shown(server, limit)
    with options_for_programs(server) as options:
        printed = process.run([program.path, options, "--system=users"], limits=process.Limits(limit, limit))
    if b"\n-- Dump completed" not in printed.stdout[-200:]:
        raise SourceError("the dump of the accounts is incomplete", why="its trailer is missing")
    return printed.stdout


def _shown(server: Server, limit: timedelta) -> bytes:
    statements = []
    with session(server.at(""), limit=limit) as opened:
        for user, host in opened.rows("select user, host from mysql.user order by user, host"):
            if user not in _OURS:
                account = f"{identifier(user)}@{identifier(host)}"
                statements += [row[0] for row in opened.rows(f"show create user {account}")]
                statements += [row[0] for row in opened.rows(f"show grants for {account}")]
    return "".join(f"{each};\n" for each in statements).encode()
