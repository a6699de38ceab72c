"""Make the users and roles of a backup those of a database, as mongorestore does; and remove them again."""

import secrets
from collections.abc import Mapping
from typing import Any

from pymongo.database import Database
from pymongo.errors import OperationFailure

from ops_pipelines import redact, stopping
from ops_pipelines.engines.mongodb.accounts import Accounts, mechanisms, objects, read
from ops_pipelines.engines.mongodb.connection import Document, is_stand_in
from ops_pipelines.engines.mongodb.judge import Judge
from ops_pipelines.errors import Inconclusive

_UNAUTHORIZED = 13


def load_accounts(database: "Database[Document]", accounts: Accounts, *, disposable: bool) -> list[str]:
    """Make the users and roles of a backup those of the database, as far as the server permits.

    Args:
        accounts: already those of a database of this name. Of these, the ones the database has stay as they are.
        disposable: the server is a scratch server, where a user may get another password.
    Returns:
        Warnings.
    Raises:
        RestoreFailed: the backup is at fault.
        Inconclusive: the server is.
    """
    if not (accounts.users or accounts.roles):
        return []
    stand_in = is_stand_in(database)
    server = Judge(stand_in=stand_in)
    with server.judging("the database's users and roles"):
        there = _known(database)
        wanted = Accounts(
            [each for each in accounts.users if f"user {each['user']}" not in there],
            [each for each in accounts.roles if f"role {each['role']}" not in there],
        )
        warnings = _left_alone(objects(accounts), there)
    if not stand_in:
        with server.judging("the database's users and roles"):
            _merge(database, wanted)
    elif disposable:
        warnings += _imitate(database, wanted, server)
    else:
        return ["users and roles were not restored: SecantusDB, the target's server, takes no password hashes"]
    _check_made(database, wanted, server)
    return warnings


def drop_accounts(database: "Database[Document]") -> None:
    """Remove the users and roles of a database that was ours, which outlive it; where we may not, we made none."""
    for command in ("dropAllUsersFromDatabase", "dropAllRolesFromDatabase"):
        try:
            database.command(command)
        except OperationFailure as error:
            if error.code != _UNAUTHORIZED:
                raise


def _known(database: "Database[Document]") -> dict[str, str]:
    """The users and roles a database has, as `accounts.objects` describes them. Raises Inconclusive."""
    if (found := read(database)) is None:
        raise Inconclusive(
            "users and roles cannot be restored here",
            why="the user may not read those that are there",
            safe="the backup is not marked bad",
            next="give the user the roles backup and restore on admin, or restore without users and roles",
        )
    return objects(found)


def _left_alone(wanted: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    same = sorted(name for name in wanted if name in there)
    other = [name for name in same if wanted[name] != there[name]]
    if not same:
        return []
    more = f" ({', '.join(other)}: not as in the backup)" if other else ""
    return [f"there already, left as they are: {', '.join(same)}{more}"]


def _merge(database: "Database[Document]", accounts: Accounts) -> None:
    """What mongorestore does: nothing but this command puts a password's hash in its place."""
    admin, temporaries = database.client["admin"], {}

    def forget() -> None:
        for name in ("tempusers", "temproles"):
            admin[name].drop()

    with stopping.ending(forget):
        for kind, documents in (("Users", accounts.users), ("Roles", accounts.roles)):
            temporary = admin[f"temp{kind.lower()}"]
            temporary.drop()
            if documents:
                temporaries[f"temp{kind}Collection"] = f"admin.{temporary.name}"
                temporary.insert_many([dict(each) for each in documents])
        if temporaries:
            majority = {"w": "majority"}
            admin.command(
                {
                    "_mergeAuthzCollections": 1,
                    **temporaries,
                    "drop": False,
                    "writeConcern": majority,
                    "db": database.name,
                }
            )


def _imitate(database: "Database[Document]", accounts: Accounts, server: Judge) -> list[str]:
    """SecantusDB lets nobody write a password's hash: the user is made anew, and nobody knows its password."""
    for role in accounts.roles:
        with server.judging(f"the role {role['role']}"):
            more = {key: role[key] for key in ("authenticationRestrictions",) if key in role}
            database.command("createRole", role["role"], privileges=role["privileges"], roles=role["roles"], **more)
    for user in accounts.users:
        with server.judging(f"the user {user['user']}"):
            more = {key: user[key] for key in ("customData", "authenticationRestrictions") if key in user}
            password = redact.register(secrets.token_urlsafe(24))
            how: dict[str, Any] = {"pwd": password, "mechanisms": mechanisms(user)}
            database.command("createUser", user["user"], roles=user["roles"], **how, **more)
    if not accounts.users:
        return []
    return ["users and roles are proved, the users' passwords are not: SecantusDB takes no password hashes"]


def _check_made(database: "Database[Document]", accounts: Accounts, server: Judge) -> None:
    """A merge that fails for one of them is a line in the server's log, and no error."""
    with server.judging("the database's users and roles"):
        there = _known(database)
    for name, described in objects(accounts).items():
        if there.get(name) != described:
            server.refuse(f"the {name}", "what it made of it is not what the backup has")
