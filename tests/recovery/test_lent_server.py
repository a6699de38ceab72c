"""`verify.server`: proof on a server that was lent to us, which is no source's, and where nothing of ours stays."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.errors import SafetyRefusal
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sweeping import sweep
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace
from tests.conftest import Made, MakeWorkspace, TestServer, start_server
from tests.faults.conftest import wait_until
from tests.stops import stopped_at_each_line

ROWS = 200_000
EVERY = 1 if os.environ.get("OPS_LONG") else 5
"""Of the lines where a proof is stopped, each so many-th."""


@pytest.fixture(scope="module")
def lent(tmp_path_factory: pytest.TempPathFactory) -> TestServer:
    """A server that nobody minds."""
    folder = tmp_path_factory.mktemp("lent")
    folder.chmod(0o711)  # as the sockets of an installed server are: anybody may reach them
    with start_server(18, folder) as server:
        yield server  # type: ignore[misc]


def lend(made: Made, url: str) -> Workspace:
    """The same workspace, with a lent server."""
    config = made.path / "ops.yaml"
    document = json.loads(config.read_text(encoding="utf-8"))
    (made.path / "lent.url").touch(mode=0o600)
    (made.path / "lent.url").write_text(url, encoding="utf-8")
    document["sources"]["crm"]["verify"] = {"server": {"url": {"file": "lent.url"}, "disposable": True}}
    config.write_text(json.dumps(document), encoding="utf-8")
    return Workspace(load_config(config, environ={}))


def newest(workspace: Workspace) -> RestorePoint:
    point = workspace.catalogue("crm").newest
    assert point is not None
    return point


def verifying(server: TestServer) -> list[str]:
    return [name for (name,) in server.sql("select datname from pg_database where datname like 'verify%'")]


def backed_up(server: TestServer, make_workspace: MakeWorkspace, rows: int = 10) -> Made:
    name = server.new_database()
    server.sql("create table t (id int primary key, v text)", database=name)
    server.sql(f"insert into t select i, md5(i::text) from generate_series(1, {rows}) i", database=name)
    made = make_workspace(server.url(name))
    take_backup(made.workspace, "crm")
    return made


def test_a_backup_is_proved_there_and_nothing_stays(
    pg18: TestServer, lent: TestServer, make_workspace: MakeWorkspace
) -> None:
    workspace = lend(backed_up(pg18, make_workspace), lent.url("postgres"))
    lent.sql("create database verify_mine")
    verdict = verify(workspace, newest(workspace))
    assert (verdict.outcome, verdict.failed) == ("verified", []), verdict.failed
    assert verifying(lent) == ["verify_mine"]
    lent.sql("drop database verify_mine")


@pytest.mark.parametrize("spelled", ["127.0.0.1", "localhost", "127.1", "socket"])
def test_a_server_that_a_source_lives_on_is_refused_before_connecting(
    pg18: TestServer, make_workspace: MakeWorkspace, spelled: str
) -> None:
    made = backed_up(pg18, make_workspace)
    host = str(pg18.directory) if spelled == "socket" else spelled
    workspace = lend(made, pg18.url("postgres", host=host, user="nobody", password="wrong"))
    with pytest.raises(SafetyRefusal, match="is the server of source crm") as caught:
        verify(workspace, newest(workspace))
    assert (caught.value.exit_status, caught.value.safe) == (3, "nothing was connected to")
    assert newest(workspace).verdicts == ()


def test_what_a_killed_verification_left_is_dropped_by_the_next_start(
    pg18: TestServer, lent: TestServer, make_workspace: MakeWorkspace
) -> None:
    made = backed_up(pg18, make_workspace, ROWS)
    workspace = lend(made, lent.url("postgres"))
    lent.sql("create database verify_0123456789abcdef")  # looks like ours, and is not
    argv = [sys.executable, "-m", "tests.faults.worker", "verify", str(made.path / "ops.yaml")]
    with subprocess.Popen(argv, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL) as worker:
        wait_until(lambda: len(verifying(lent)) == 2)
        worker.send_signal(signal.SIGKILL)
    [note] = made.path.glob("base/scratch/*/lodging.json")
    assert "password" not in note.read_text() and str(lent.port) not in note.read_text()
    assert len(verifying(lent)) == 2
    sweep(workspace)
    assert verifying(lent) == ["verify_0123456789abcdef"]
    assert not list(made.path.glob("base/scratch/*/"))
    lent.sql("drop database verify_0123456789abcdef")


def test_a_proof_that_is_stopped_at_any_line_drops_its_database(
    pg18: TestServer, lent: TestServer, make_workspace: MakeWorkspace, tmp_path: Path
) -> None:
    workspace = lend(backed_up(pg18, make_workspace), lent.url("postgres"))
    files = ["engine.py", "verify_databases.py", "targets.py", "database.py"]
    assert stopped_at_each_line(open_scratch(workspace, tmp_path), files, lambda: verifying(lent), every=EVERY) > 30


def open_scratch(workspace: Workspace, directory: Path) -> Callable[[], None]:
    """What makes a database of a proof on the lent server, and drops it."""
    engine, facts = workspace.config.engine("crm"), newest(workspace).manifest.engine

    def make() -> None:
        with TemporaryDirectory(dir=directory) as scratch, engine.scratch(Path(scratch), facts):
            pass

    return make


def test_leftovers_are_kept_in_mind_while_the_server_is_away(
    pg18: TestServer, lent: TestServer, make_workspace: MakeWorkspace
) -> None:
    made = backed_up(pg18, make_workspace)
    workspace = lend(made, lent.url("postgres", port="1", host="127.0.0.1"))
    left = made.path / "base" / "scratch" / "postgres-0a0b0c0d"
    left.mkdir(parents=True)
    (left / "lodging.json").write_text('{"source": "crm", "database": "verify_00000000000000aa"}', encoding="utf-8")
    lent.sql("create database verify_00000000000000aa")
    assert any(each.problem and each.what.startswith("verify_00000000000000aa") for each in sweep(workspace))
    assert left.is_dir()
    sweep(lend(made, lent.url("postgres")))
    assert (verifying(lent), left.exists()) == ([], False)
