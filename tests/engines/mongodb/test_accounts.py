"""Users and roles of a database come back with it where they are wanted and permitted; what is not proved is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import bson
import pytest

from ops_pipelines.engines.base import RestoreFailed
from ops_pipelines.engines.mongodb.accounts import Accounts, objects
from ops_pipelines.engines.mongodb.accounts_loader import load_accounts
from ops_pipelines.engines.mongodb.connection import Server, connected
from ops_pipelines.engines.mongodb.engine import MongoDBEngine
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.compare import compare
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import fingerprint_of
from ops_pipelines.vault.reader import Copy
from tests.engines.mongodb.archives import write_folder
from tests.engines.mongodb.conftest import Backups, Mongo, Protect, TestServer
from tests.engines.mongodb.test_tools import Recorder, leaving
from tests.engines.mongodb.unpacked import unpack
from tests.engines.mongodb.wire import Script, serving


@pytest.fixture
def database(mongo: TestServer) -> Mongo:
    """A database with users and roles of its own."""
    made = mongo.new_database()
    made["a"].insert_one({"_id": 1})
    made["a"].create_index("seen", expireAfterSeconds=10**9)
    resource = {"db": made.name, "collection": "a"}
    made.command("createRole", "base", privileges=[{"resource": resource, "actions": ["find", "insert"]}], roles=[])
    made.command("createRole", "desk", privileges=[], roles=["base", "read"])
    mechanisms = ["SCRAM-SHA-1", "SCRAM-SHA-256"]
    made.command("createUser", "clerk", pwd="canary-secret", roles=["desk", "dbAdmin"], mechanisms=mechanisms)
    made.command("createUser", "with space", pwd="canary-secret", roles=[])
    return made


def users_of(database: Mongo) -> list[str]:
    return sorted(each["user"] for each in database.command("usersInfo", 1)["users"])


def test_users_and_roles_are_restored_and_compared(mongo: TestServer, database: Mongo, protect: Protect) -> None:
    backups = protect(mongo.url(database.name), accounts=True)
    backups.take()
    verdict = backups.verify()
    assert verdict.outcome == "verified", verdict.reason
    [schema] = [check for check in verdict.checks if check.name == "schema"]
    assert schema.detail == "6 objects unchanged"  # a collection, an index, two users, two roles
    assert any("passwords are not" in warning for warning in verdict.warnings)


def test_a_fingerprint_has_no_credentials(mongo: TestServer, database: Mongo, protect: Protect) -> None:
    held = _held(_taken(protect(mongo.url(database.name), accounts=True)))
    assert {"user clerk", "user with space", "role base", "role desk"} < held.objects.keys()
    database.command("updateUser", "clerk", pwd="canary-other")
    again = _held(_taken(protect(mongo.url(database.name), accounts=True, directory="again")))
    assert again.objects == held.objects


DIFFERENCES: dict[str, tuple[Callable[[Mongo], object], str]] = {
    "dropped user": (lambda db: db.command("dropUser", "clerk"), "user clerk is missing"),
    "another role": (lambda db: db.command("updateUser", "clerk", roles=["read"]), "user clerk is defined differently"),
    "extra user": (lambda db: db.command("createUser", "x", pwd="x", roles=[]), "user x was not in the source"),
    "dropped role": (lambda db: db.command("dropRole", "base"), "role base is missing"),
    "another privilege": (
        lambda db: db.command("updateRole", "base", privileges=[]), "role base is defined differently",
    ),
    "another inherited role": (
        lambda db: db.command("updateRole", "desk", roles=["base"]), "role desk is defined differently",
    ),
}  # fmt: skip


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_what_became_of_users_and_roles_is_named(
    difference: str, mongo: TestServer, database: Mongo, protect: Protect, tmp_path: Path
) -> None:
    mutate, told = DIFFERENCES[difference]
    backups = _taken(protect(mongo.url(database.name), accounts=True))
    held = _held(backups)
    with _on_scratch(backups, tmp_path) as (engine, url):
        assert all(each.passed for each in compare(held, engine.contents(url, "full")))
        with connected(_server(url)) as found:
            mutate(found)
        failed = {each.name: each.detail for each in compare(held, engine.contents(url, "full")) if not each.passed}
    assert told in failed["schema"]


def test_a_target_gets_them_only_when_asked(mongo: TestServer, database: Mongo, protect: Protect) -> None:
    backups = _taken(protect(mongo.url(database.name), accounts=True))
    target = f"{database.name}_restored"
    recovered = restore_to(backups.made.workspace, backups.newest(), target)
    assert recovered.good, recovered.checks
    assert any("--globals restores them" in warning for warning in recovered.warnings)
    assert any("4 (user, role) not compared" in check.detail for check in recovered.checks)
    assert users_of(mongo.client[target]) == []


def test_no_user_with_an_unknown_password_is_made_in_a_target(
    mongo: TestServer, database: Mongo, protect: Protect
) -> None:
    backups = _taken(protect(mongo.url(database.name), accounts=True))
    target = f"{database.name}_restored"
    recovered = restore_to(backups.made.workspace, backups.newest(), target, globals_too=True)
    assert recovered.good, recovered.checks
    assert any("takes no password hashes" in warning for warning in recovered.warnings)
    assert users_of(mongo.client[target]) == []


def test_a_target_has_its_expiring_indexes_whatever_was_asked(
    mongo: TestServer, database: Mongo, protect: Protect
) -> None:
    backups = _taken(protect(mongo.url(database.name)))
    target = f"{database.name}_restored"
    restore_to(backups.made.workspace, backups.newest(), target, globals_too=True)
    assert mongo.client[target]["a"].index_information()["seen_1"]["expireAfterSeconds"] == 10**9


def test_a_lent_server_gets_no_users(mongo: TestServer, database: Mongo, protect: Protect) -> None:
    # The verb refuses the server of a source; the engine knows a database of a proof by its name.
    backups = _taken(protect(mongo.url(database.name), accounts=True))
    engine = _engine(backups)
    target = mongo.url("verify_0123456789abcdef")
    restored = engine.restore(
        _copy(backups), backups.newest().manifest.engine, target, work=_work(backups), globals_too=True
    )
    assert any("lent" in warning for warning in restored.warnings)
    assert users_of(mongo.client["verify_0123456789abcdef"]) == []
    assert all(each.passed for each in compare(_held(backups), engine.contents(target, "full")))
    engine.discard("verify_0123456789abcdef")


def test_what_was_restored_beside_takes_its_users_with_it(mongo: TestServer, database: Mongo, protect: Protect) -> None:
    engine = _engine(protect(mongo.url(database.name)))
    beside = mongo.client[f"{database.name}_beside"]
    beside["a"].insert_one({})
    beside.command("createRole", "r", privileges=[], roles=[])
    beside.command("createUser", "u", pwd="x", roles=["r"])
    engine.discard(beside.name)
    assert users_of(beside) == []
    assert beside.command("rolesInfo", 1)["roles"] == []
    assert users_of(database) == ["clerk", "with space"]


def test_mongodump_leaves_users_out_and_the_backup_does_not(
    mongo: TestServer, database: Mongo, protect: Protect, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "left", {"a": ({}, [{"_id": 1}])}, database=database.name)
    Recorder(tmp_path, "mongodump", leaving(folder))
    backups = protect(mongo.url(database.name), tool="mongodump", bin_dirs=[str(tmp_path)], accounts=True)
    assert backups.take().engine["accounts"] is True
    assert (unpack(backups, tmp_path) / "dump" / database.name / "$admin.system.users.bson").is_file()
    assert "user clerk" in _held(backups).objects


# -- what MongoDB itself would be told ------------------------------------------------------------------

HASH = {"iterationCount": 15000, "salt": "c2FsdA==", "storedKey": "canary-hash", "serverKey": "canary-hash"}
KEPT = {
    "system.users": [
        {"_id": "crm.clerk", "userId": bson.Binary(b"0" * 16, 4), "user": "clerk", "db": "crm",
         "credentials": {"SCRAM-SHA-1": HASH, "SCRAM-SHA-256": HASH}, "customData": {"desk": 7},
         "roles": [{"role": "desk", "db": "crm"}, {"role": "clusterMonitor", "db": "admin"}],
         "authenticationRestrictions": [{"clientSource": ["10.0.0.0/8"]}]},
        {"_id": "other.x", "user": "x", "db": "other", "credentials": {}, "roles": []},
    ],
    "system.roles": [
        {"_id": "crm.desk", "role": "desk", "db": "crm", "roles": [],
         "privileges": [{"resource": {"db": "crm", "collection": "a"}, "actions": ["find"]}]},
    ],
}  # fmt: skip


def accounts_of(**more: Any) -> Accounts:
    """The accounts of `crm`."""
    [user, _other], roles = KEPT["system.users"], KEPT["system.roles"]
    return Accounts([{**user, **more}], roles)


def test_where_a_user_may_log_in_from_is_in_the_backup(protect: Protect, tmp_path: Path) -> None:
    with serving(Script({"a": [{"_id": 1}]}, accounts=KEPT)) as url:  # type: ignore[arg-type]
        backups = protect(url, accounts=True)
        backups.take()
    content = (unpack(backups, tmp_path) / "dump" / "crm" / "$admin.system.users.bson").read_bytes()
    assert bson.decode_all(content) == KEPT["system.users"][:1]


def test_mongodb_gets_the_hashes_as_mongorestore_gives_them() -> None:
    played = Script({})
    with serving(played) as url, connected(_server(url)) as database:
        assert load_accounts(database, accounts_of(), disposable=False) == []
    assert played.accounts == {"system.users": KEPT["system.users"][:1], "system.roles": KEPT["system.roles"]}
    assert played.collections == {}  # nothing is left in the temporary collections
    [merge] = [each for each in played.heard if "_mergeAuthzCollections" in each]
    assert (merge["drop"], merge["db"]) == (False, "crm")


def test_users_that_are_there_stay_as_they_are() -> None:
    there = {**KEPT["system.users"][0], "roles": [], "credentials": {"SCRAM-SHA-1": "theirs"}}
    played = Script({}, accounts={"system.users": [there], "system.roles": []})
    with serving(played) as url, connected(_server(url)) as database:
        [warning] = load_accounts(database, accounts_of(), disposable=False)
    assert warning == "there already, left as they are: user clerk (user clerk: not as in the backup)"
    assert played.accounts["system.users"] == [there]
    assert played.accounts["system.roles"] == KEPT["system.roles"]


def test_a_merge_that_silently_loses_a_user_is_not_believed() -> None:
    played = Script({}, forgets=frozenset({"clerk"}))
    with (
        serving(played) as url,
        connected(_server(url)) as database,
        pytest.raises(RestoreFailed, match="refused the user clerk") as caught,
    ):
        load_accounts(database, accounts_of(), disposable=False)
    assert "canary" not in str(caught.value)


def test_one_who_may_not_write_users_is_told_what_is_missing() -> None:
    refused = {"code": 13, "errmsg": "not authorized"}
    with (
        serving(Script({}, fails={"find system.users": refused})) as url,
        connected(_server(url)) as database,
        pytest.raises(OpsError) as caught,
    ):
        load_accounts(database, accounts_of(), disposable=False)
    assert "roles backup and restore" in caught.value.next


def test_a_database_of_another_name_has_its_own_users() -> None:
    moved = accounts_of().moved("crm", "crm_restored")
    assert moved.users[0]["_id"] == "crm_restored.clerk"
    assert moved.users[0]["roles"] == [
        {"role": "desk", "db": "crm_restored"},
        {"role": "clusterMonitor", "db": "admin"},
    ]
    assert moved.users[0]["userId"] != KEPT["system.users"][0]["userId"]
    assert moved.roles[0]["privileges"][0]["resource"]["db"] == "crm_restored"
    assert objects(moved) == objects(accounts_of())
    assert "canary" not in repr(moved)


@pytest.mark.parametrize("what", ["customData", "authenticationRestrictions", "roles", "credentials"])
def test_everything_a_user_is_is_compared(what: str) -> None:
    assert objects(accounts_of(**{what: []})) != objects(accounts_of())


def _taken(backups: Backups) -> Backups:
    backups.take()
    return backups


def _copy(backups: Backups) -> Copy:
    workspace = backups.made.workspace
    return Copy(workspace.local, backups.newest().manifest, lambda: workspace.identities("crm"))


def _held(backups: Backups) -> Any:
    return fingerprint_of(_copy(backups))


def _engine(backups: Backups) -> MongoDBEngine:
    engine = backups.made.workspace.config.engine("crm")
    assert isinstance(engine, MongoDBEngine)
    return engine


def _work(backups: Backups) -> Path:
    work = backups.made.path / "work"
    work.mkdir()
    return work


@contextmanager
def _on_scratch(backups: Backups, directory: Path) -> Iterator[tuple[MongoDBEngine, str]]:
    """The newest backup, restored into a scratch server."""
    engine, facts = _engine(backups), backups.newest().manifest.engine
    where = directory / "scratch"
    where.mkdir()
    with engine.scratch(where, facts) as url:
        engine.restore(_copy(backups), facts, url, work=_work(backups), globals_too=True)
        yield engine, url


def _server(url: str) -> Server:
    second = timedelta(seconds=10)
    return Server(url, connect=second, stall=second)
