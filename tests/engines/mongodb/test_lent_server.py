"""`verify.server` for MongoDB: proof on a lent server, and a killed proof or restore that is found again."""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.mongodb.connection import with_credentials
from ops_pipelines.engines.mongodb.server import private_secantus
from ops_pipelines.errors import SafetyRefusal
from ops_pipelines.recovery.leftovers import leftovers, remove
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sweeping import sweep
from tests.engines.mongodb.conftest import PASSWORD, Protect, TestServer
from tests.faults.conftest import wait_until
from tests.recovery.test_leftovers import kill_restore
from tests.recovery.test_lent_server import lend
from tests.stops import stopped_at_each_line

ROOT = Path(__file__).parents[3]
ROWS = 20_000


@pytest.fixture(scope="module")
def lent(mongo: TestServer) -> Iterator[TestServer]:
    """A server that nobody minds."""
    directory = Path(tempfile.mkdtemp(prefix="ops-lent-"))
    try:
        with private_secantus(directory, user="lent", password=PASSWORD) as port:
            url = with_credentials("127.0.0.1", port, "admin", "lent", PASSWORD)
            with MongoClient[dict[str, Any]](url) as client:
                yield TestServer(directory, port, client)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def verifying(server: TestServer) -> set[str]:
    return {name for name in server.client.list_database_names() if name.startswith("verify")}


def test_a_lent_server_proves_and_a_killed_proof_or_restore_leaves_nothing_for_long(
    mongo: TestServer, lent: TestServer, protect: Protect
) -> None:
    database = mongo.new_database()
    database["many"].insert_many({"i": i, "v": str(i) * 10} for i in range(ROWS))
    backups = protect(mongo.url(database.name), copies=[])
    made = backups.made
    take_backup(made.workspace, "crm")
    with pytest.raises(SafetyRefusal, match="is the server of source crm"):
        verify(lend(made, mongo.url("lent")), backups.newest())
    url = with_credentials("127.0.0.1", lent.port, "admin", "lent", PASSWORD)
    workspace = lend(made, url)
    lent.client["verify_0123456789abcdef"]["mine"].insert_one({})  # looks like ours, and is not
    others = {"verify_0123456789abcdef"}
    verdict = verify(workspace, backups.newest())
    assert (verdict.outcome, verdict.failed, verifying(lent)) == ("verified", [], others)

    argv = [sys.executable, "-m", "tests.faults.worker", "verify", str(made.path / "ops.yaml")]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL) as worker:
        wait_until(lambda: len(verifying(lent)) == 2)
        worker.send_signal(signal.SIGKILL)
    assert len(verifying(lent)) == 2
    sweep(workspace)
    assert verifying(lent) == others

    to = f"{database.name}_left"
    kill_restore(made, to, lambda: to in mongo.client.list_database_names())
    [left] = leftovers(workspace.config, workspace.places)
    mongo.client[to]["orders"].insert_one({})
    with pytest.raises(SafetyRefusal, match="was not removed"):
        remove(workspace, left)
    mongo.client[to]["orders"].drop()
    remove(workspace, left)
    assert to not in mongo.client.list_database_names()
    assert database["many"].count_documents({}) == ROWS


def test_a_proof_that_is_stopped_at_any_line_drops_its_database(
    mongo: TestServer, lent: TestServer, protect: Protect, tmp_path: Path
) -> None:
    database = mongo.new_database()
    database["one"].insert_one({})
    made = protect(mongo.url(database.name), copies=[]).made
    take_backup(made.workspace, "crm")
    workspace = lend(made, with_credentials("127.0.0.1", lent.port, "admin", "lent", PASSWORD))
    engine, before = workspace.config.engine("crm"), verifying(lent)

    def prove() -> None:
        with (
            tempfile.TemporaryDirectory(dir=tmp_path) as scratch,
            engine.scratch(Path(scratch), {}) as url,
            MongoClient[dict[str, Any]](url) as client,
        ):
            client.get_default_database()["t"].insert_one({})

    files = ["engine.py", "verify_databases.py"]
    assert stopped_at_each_line(prove, files, lambda: verifying(lent) - before) > 20
