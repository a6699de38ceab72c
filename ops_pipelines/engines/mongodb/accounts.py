"""Users and roles of one database: read from a server or from mongodump's files, described, given another database.

They do not lie in their database but in `admin`; a backup has those that belong to its database, and only where
`accounts` asks for them. Putting them back is the loader's.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bson
from bson.binary import Binary
from bson.errors import BSONError
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps
from pymongo.database import Database
from pymongo.errors import OperationFailure

from ops_pipelines.engines import definition
from ops_pipelines.engines.mongodb.connection import RAW_SAFE, Document, is_stand_in
from ops_pipelines.engines.mongodb.documents import TornDocument

KINDS = ("user", "role")
"""How they begin in `Contents.objects`."""

PREFIX = "$admin.system."
"""What the names of their files begin with."""

_NOT_PERMITTED = (13, 8000)  # Unauthorized; what Atlas says instead
_OF_A_ROLE = ("_id", "role", "db", "privileges", "roles", "authenticationRestrictions")
_SCHEMA = {"_id": "authSchema", "currentVersion": 5}  # SCRAM-SHA-1 and -256: every MongoDB since 3.0


@dataclass(frozen=True)
class Accounts:
    """Users, password hashes included, and roles, as the server keeps them. Never print it."""

    users: Sequence[Document] = ()
    roles: Sequence[Document] = ()

    def __repr__(self) -> str:
        return f"Accounts({len(self.users)} users, {len(self.roles)} roles)"

    def moved(self, origin: str, to: str) -> "Accounts":
        """The same for a database of another name: what was granted on the old one is granted on the new one."""
        if origin == to:
            return self
        users = [_moved(user, origin, to) | _fresh_id(user) for user in self.users]
        return Accounts(users, [_moved(role, origin, to) for role in self.roles])

    def files(self) -> dict[str, bytes]:
        """Their documents by file stem, as `mongodump --dumpDbUsersAndRoles` files them."""
        kinds = {"users": self.users, "roles": self.roles, "version": [_SCHEMA]}
        return {f"{PREFIX}{kind}": b"".join(map(bson.encode, documents)) for kind, documents in kinds.items()}

    @staticmethod
    def of_files(files: Mapping[str, bytes]) -> "Accounts":
        """What files say, by stem. Raises TornDocument when they cannot be read."""
        try:
            users, roles = (
                [dict(each) for each in bson.decode_all(files.get(f"{PREFIX}{kind}", b""), RAW_SAFE)]
                for kind in ("users", "roles")
            )
            read = Accounts(users, roles)
            objects(read)  # nothing that breaks off later, in the middle of a restore
        except BSONError as error:
            raise TornDocument("the users and roles cannot be read", why=str(error)) from None
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
            why = f"an account is not what a server writes ({type(error).__name__}: {error})"
            raise TornDocument("the users and roles cannot be read", why=why) from None
        return read


def read(database: "Database[Document]") -> Accounts | None:
    """The users and roles that belong to a database; None where we may not read them.

    Raises:
        pymongo.errors.PyMongoError: the server failed.
    """
    try:
        if is_stand_in(database):  # it keeps password hashes out of collections
            users = database.command("usersInfo", 1, showCredentials=True)["users"]
            roles = database.command("rolesInfo", 1, showPrivileges=True)["roles"]
        else:  # usersInfo of all users leaves out from where they may log in
            admin = database.client.get_database("admin", codec_options=RAW_SAFE)
            users, roles = (list(admin[f"system.{kind}"].find({"db": database.name})) for kind in ("users", "roles"))
    except OperationFailure as error:
        if error.code in _NOT_PERMITTED:
            return None
        raise
    return Accounts(
        [{key: value for key, value in user.items() if key != "mechanisms"} for user in users],
        [
            {"_id": f"{database.name}.{role['role']}", **{key: role[key] for key in _OF_A_ROLE if key in role}}
            for role in roles
        ],
    )


def objects(accounts: Accounts) -> dict[str, str]:
    """A digest of every user and role for `Contents.objects`: what they may do and how they log in, never a secret."""
    return {
        **{f"user {user['user']}": _digest(user, mechanisms=sorted(mechanisms(user))) for user in accounts.users},
        **{f"role {role['role']}": _digest(role) for role in accounts.roles},
    }


def mechanisms(user: Document) -> list[str]:
    """The ways in which a user can log in."""
    return [str(each) for each in user.get("credentials") or ()]


def _digest(account: Document, **more: object) -> str:
    """Granted in any order, on a database of any name, it is the same."""
    here = _moved(account, str(account["db"]), "")
    roles = sorted(_text(each) for each in here.get("roles") or ())
    privileges = sorted(
        _text({"resource": each.get("resource"), "actions": sorted(each.get("actions") or ())})
        for each in here.get("privileges") or ()
    )
    rest = _text({key: here[key] for key in ("customData", "authenticationRestrictions") if here.get(key)})
    granted = [("roles", roles), ("privileges", privileges), ("rest", rest)]
    return definition.written([*granted, *sorted(more.items())])


def _text(value: Document) -> str:
    return dumps(dict(sorted(value.items())), json_options=CANONICAL_JSON_OPTIONS)


def _moved(account: Document, origin: str, to: str) -> Document:
    def renamed(where: Any) -> Any:
        return {**where, "db": to} if isinstance(where, Mapping) and where.get("db") == origin else where

    name = account.get("user", account.get("role"))
    found = {**account, "_id": f"{to}.{name}", "db": to}
    found["roles"] = [renamed(each) for each in account.get("roles") or ()]
    if "privileges" in account:
        found["privileges"] = [{**each, "resource": renamed(each.get("resource"))} for each in account["privileges"]]
    return found


def _fresh_id(user: Document) -> Document:
    """Who a user is to the server: no two may be one."""
    return {"userId": Binary(uuid.uuid4().bytes, 4)} if "userId" in user else {}
