"""mongodump and mongorestore, where they are wanted: what they are told, and what is made of what they leave.

The programs here are recorders of our own: what they are given is written down, what they leave is made up.
"""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import bson
import pytest

from ops_pipelines.engines.mongodb.tools import find
from ops_pipelines.errors import OpsError
from ops_pipelines.process import CommandTimedOut, Limits, run
from tests.engines.mongodb.archives import write_folder
from tests.engines.mongodb.conftest import Mongo, Protect, TestServer
from tests.engines.mongodb.unpacked import unpack

# A recorder writes where it is told to, which it could not in a sandbox.
HERE = {"isolation": "none"}
DOCUMENTS = [{"_id": i, "v": "x" * i} for i in range(20)]
_RECORDER = """#!{python}
import json, os, shutil, signal, sys
from pathlib import Path
options = dict(word[2:].split("=", 1) for word in sys.argv[1:] if word.startswith("--") and "=" in word)
config = Path(options["config"])
Path({record!r}).write_text(json.dumps({{
    "argv": sys.argv, "config": config.read_text(), "mode": oct(config.stat().st_mode & 0o777), "env": dict(os.environ),
    "folder": sorted(str(path) for path in Path(sys.argv[-1]).rglob("*")) if "out" not in options else [],
}}))
{then}
"""


@pytest.fixture
def database(mongo: TestServer) -> Mongo:
    """A small database."""
    made = mongo.new_database()
    made["a"].insert_many(DOCUMENTS)
    return made


class Recorder:
    """A program that writes down what it is told."""

    def __init__(self, directory: Path, name: str, then: str = "") -> None:
        self._record = directory / f"{name}.told"
        program = directory / name
        program.write_text(_RECORDER.format(python=sys.executable, record=str(self._record), then=then))
        program.chmod(0o700)

    @property
    def told(self) -> dict[str, object]:
        """What it was told."""
        found: dict[str, object] = json.loads(self._record.read_text())
        return found


def leaving(folder: Path) -> str:
    """What a mongodump does that leaves a copy of `folder`."""
    return f"shutil.copytree({str(folder)!r}, options['out'])"


def test_mongodump_is_told_the_password_in_a_private_file_only(
    mongo: TestServer, database: Mongo, protect: Protect, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "left", {"a": ({}, DOCUMENTS)}, database=database.name)
    recorder = Recorder(tmp_path, "mongodump", leaving(folder))
    backups = protect(mongo.url(database.name), tool="mongodump", verify=HERE, bin_dirs=[str(tmp_path)], jobs=3)
    manifest = backups.take()
    told = recorder.told
    assert "canary" not in json.dumps([told["argv"], told["env"]])
    assert "canary-pw" in str(told["config"])
    assert told["mode"] == "0o600"
    assert "--numParallelCollections=3" in str(told["argv"])
    assert (manifest.engine["tool"], manifest.contents.rows) == ("mongodump", 20)
    packed = unpack(backups, tmp_path) / "dump" / database.name / "a.bson"
    assert packed.read_bytes() == b"".join(map(bson.encode, DOCUMENTS))
    assert list(backups.made.path.rglob("mongo-tools.yaml")) == []
    assert backups.verify().outcome == "verified"


LIES = {
    "it wrote nothing": "",
    "it lost a collection": "os.makedirs(options['out'] + '/{db}')",
    "it failed after all": "{leaving}; sys.exit(1)",
    "it was killed": "{leaving}; os.kill(os.getpid(), signal.SIGKILL)",
    "it broke off": "{leaving}; p = Path(options['out']) / '{db}' / 'a.bson'; p.write_bytes(p.read_bytes()[:-3])",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_mongodump_that_lies_is_not_believed(
    lie: str, mongo: TestServer, database: Mongo, protect: Protect, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "left", {"a": ({}, DOCUMENTS)}, database=database.name)
    Recorder(tmp_path, "mongodump", LIES[lie].replace("{leaving}", leaving(folder)).replace("{db}", database.name))
    backups = protect(mongo.url(database.name), tool="mongodump", verify=HERE, bin_dirs=[str(tmp_path)])
    with pytest.raises(OpsError, match="backup of crm failed"):
        backups.take()
    assert backups.made.workspace.catalogue("crm").points == ()
    assert list(backups.made.path.rglob("*.bson")) == []


def test_a_stuck_mongodump_that_ignores_sigterm_is_killed(
    mongo: TestServer, database: Mongo, protect: Protect, tmp_path: Path
) -> None:
    Recorder(tmp_path, "mongodump", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()")
    with pytest.raises(CommandTimedOut):
        program, record = tmp_path / "mongodump", tmp_path / "config"
        record.touch()
        second = timedelta(seconds=1)
        run([program, f"--config={record}", "--out=x"], limits=Limits(second, second, grace=timedelta(seconds=0.2)))
    assert subprocess.run(["pgrep", "-f", str(tmp_path / "mongodump")], check=False, capture_output=True).stdout == b""


def test_a_missing_mongodump_is_told(mongo: TestServer, database: Mongo, protect: Protect) -> None:
    if find("mongodump", ()):
        pytest.skip("mongodump is installed here")
    with pytest.raises(OpsError, match="mongodump is not installed") as caught:
        protect(mongo.url(database.name), tool="mongodump").take()
    assert "built-in dumper" in caught.value.next


def test_mongorestore_is_told_where_to_and_reads_the_unpacked_folder(
    mongo: TestServer, database: Mongo, protect: Protect, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "left", {"a": ({}, DOCUMENTS)}, database=database.name)
    Recorder(tmp_path, "mongodump", leaving(folder))
    recorder = Recorder(tmp_path, "mongorestore")
    backups = protect(mongo.url(database.name), tool="mongodump", verify=HERE, bin_dirs=[str(tmp_path)])
    backups.take()
    verdict = backups.verify()
    told = recorder.told
    assert told["mode"] == "0o600"
    name = database.name
    assert f"--nsFrom={name}.*" in told["argv"]  # type: ignore[operator]
    assert f"--nsTo={name}.*" in told["argv"]  # type: ignore[operator]
    assert any(each.endswith(f"dump/{name}/a.bson") for each in told["folder"])  # type: ignore[attr-defined]
    assert f"/{name}?" not in str(told["config"])  # a database there would change what the folder means
    assert verdict.outcome == "bad"  # the recorder restored nothing: the comparison notices
    assert "collection a is missing" in verdict.reason


def test_a_mongorestore_that_refuses_the_data_condemns_the_backup(
    mongo: TestServer, database: Mongo, protect: Protect, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "left", {"a": ({}, DOCUMENTS)}, database=database.name)
    Recorder(tmp_path, "mongodump", leaving(folder))
    refusal = "print('error restoring from a.bson: E11000 duplicate key', file=sys.stderr); sys.exit(1)"
    backups = protect(mongo.url(database.name), tool="mongodump", verify=HERE, bin_dirs=[str(tmp_path)])
    backups.take()
    Recorder(tmp_path, "mongorestore", refusal)
    assert (backups.verify().outcome, "E11000" in backups.verify().reason) == ("bad", True)
    Recorder(tmp_path, "mongorestore", "print('could not connect to server', file=sys.stderr); sys.exit(1)")
    assert backups.verify().outcome == "inconclusive"


def test_users_and_roles_are_filed_as_mongodump_files_them(mongo: TestServer, protect: Protect, tmp_path: Path) -> None:
    database = mongo.new_database()
    database["a"].insert_one({})
    database.command("createUser", "clerk", pwd="irrelevant", roles=[{"role": "readWrite", "db": database.name}])
    database.command("createRole", "reader", privileges=[], roles=["read"])
    backups = protect(mongo.url(database.name), accounts=True)
    manifest = backups.take()
    folder = unpack(backups, tmp_path) / "dump" / database.name
    [user] = bson.decode_all((folder / "$admin.system.users.bson").read_bytes())
    assert (user["_id"], user["user"]) == (f"{database.name}.clerk", "clerk")
    assert "SCRAM-SHA-256" in user["credentials"]
    [role] = bson.decode_all((folder / "$admin.system.roles.bson").read_bytes())
    assert role["_id"] == f"{database.name}.reader"
    assert any("--restoreDbUsersAndRoles" in line for line in manifest.restore_by_hand)
    verdict = backups.verify()
    assert verdict.outcome == "verified"
    assert any("users and roles" in warning for warning in verdict.warnings)
