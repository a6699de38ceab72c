"""The accounts of a server as SQL: all of them, then what each was granted, in the server's own words."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

from ops_pipelines.engines.mysql import database
from ops_pipelines.engines.mysql.clients import MARIADB
from ops_pipelines.engines.mysql.connection import QueryFailed, Server, Session, identifier, session

_OURS = ("mysql.session", "mysql.sys", "mysql.infoschema", "mariadb.sys")
# Whatever the server that reads it is set to: names and strings are quoted as they were written.
_HEAD = "/*!40101 SET SESSION SQL_MODE = '' */"
_DEFAULT_ROLE = re.compile(r" DEFAULT ROLE ((?:`(?:[^`]|``)*`@`(?:[^`]|``)*`,?)+) ")
_EVERYBODY = "PUBLIC"
# The server has a row of it and passes over it: `skip_name_resolve`, and an account of a host by its name.
_UNKNOWN = (1133, 1141, 1396)


def dump(server: Server, limit: timedelta) -> bytes:
    """CREATE USER, CREATE ROLE and GRANT of every account, password hashes included.

    Raises:
        SourceError: the source's account may not read them.
    """
    with session(server.at(""), limit=limit) as opened:
        roles = [name for name in _roles(opened) if name != _EVERYBODY]
        statements = [_HEAD, *(f"CREATE ROLE IF NOT EXISTS {identifier(name)}" for name in roles)]
        statements += _created_and_granted(opened, roles)
    return "".join(f"{each};\n" for each in statements).encode()


def _roles(opened: Session) -> Sequence[str]:
    """The roles of MariaDB; to MySQL they are accounts like others."""
    if database.product_of(opened) != MARIADB:
        return []
    return [row[0] for row in opened.rows("select user from mysql.user where is_role = 'Y' order by user")]


def _created_and_granted(opened: Session, roles: Sequence[str]) -> Iterator[str]:
    """Every account before any grant: a role may be granted to an account whose name comes before its own."""
    if opened.variables("print_identified_with_as_hex"):
        opened.rows("set session print_identified_with_as_hex = 1")  # a hash is bytes, not text
    everybody = opened.rows("select 1 from mysql.user where user = %s and host = ''", [_EVERYBODY])
    granted = [grant for role in roles for grant in _grants(opened, identifier(role))]
    granted += _grants(opened, _EVERYBODY) if everybody else []
    default_roles = []
    for user, host in opened.rows("select user, host from mysql.user order by user, host"):
        account = f"{identifier(user)}@{identifier(host)}"
        if user in _OURS or (not host and user in (*roles, _EVERYBODY)):
            continue
        try:
            text = str(opened.value(f"show create user {account}"))
            granted += _grants(opened, account)
        except QueryFailed as error:
            if error.code in _UNKNOWN:
                continue
            raise
        if found := _DEFAULT_ROLE.search(text):
            text = text.replace(found[0], " ")
            default_roles.append(f"ALTER USER {account} DEFAULT ROLE {found[1]}")
        yield text.replace("CREATE USER ", "CREATE USER IF NOT EXISTS ", 1)
    # What is revoked in part was granted as a whole before.
    yield from sorted(dict.fromkeys(granted), key=lambda each: each.startswith("REVOKE "))
    yield from default_roles


def _grants(opened: Session, account: str) -> list[str]:
    return [str(row[0]) for row in opened.rows(f"show grants for {account}")]
