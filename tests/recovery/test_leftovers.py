"""What a killed restore made is listed and can be removed; what is anybody else's cannot."""

import json
import signal
import subprocess
from collections.abc import Callable

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import SafetyRefusal
from ops_pipelines.recovery.leftovers import leftovers, remove
from ops_pipelines.recovery.replace import replace_source
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace
from tests.conftest import Made, MakeWorkspace, TestServer
from tests.end_to_end.conftest import OPS
from tests.faults.conftest import wait_until

ROWS = 60_000


def ops(made: Made, *words: str) -> tuple[int, str]:
    """Run `ops` to its end; exit status and what it printed."""
    argv = [OPS, *words, "--config", str(made.path / "ops.yaml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=made.path)
    return done.returncode, done.stdout + done.stderr


def kill_restore(made: Made, to: str, begun: Callable[[], bool]) -> None:
    """Begin a restore from the command line and kill it as soon as its target is there."""
    argv = [OPS, "restore", "crm", "--to", to, "--unverified", "--config", str(made.path / "ops.yaml")]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=made.path) as restoring:
        wait_until(begun)
        assert leftovers(made.workspace.config, made.workspace.places) == [], "a restore that lives leaves nothing"
        restoring.send_signal(signal.SIGKILL)


def newest(workspace: Workspace) -> RestorePoint:
    point = workspace.catalogue("crm").newest
    assert point is not None
    return point


@pytest.fixture
def crm_made(pg18: TestServer, make_workspace: MakeWorkspace) -> Made:
    """A database with one backup."""
    name = pg18.new_database()
    pg18.sql("create table t (id int primary key, v text)", database=name)
    pg18.sql(f"insert into t select i, md5(i::text) from generate_series(1, {ROWS}) i", database=name)
    made = make_workspace(pg18.url(name), copies=[])
    take_backup(made.workspace, "crm")
    return made


def there(server: TestServer, name: str) -> bool:
    return bool(server.sql(f"select 1 from pg_database where datname = '{name}'"))


def filled(server: TestServer, name: str) -> bool:
    tables = "select 1 from pg_tables where schemaname = 'public'"
    return there(server, name) and bool(server.sql(tables, database=name))


def test_a_killed_restore_is_listed_and_removed_when_told_to(pg18: TestServer, crm_made: Made) -> None:
    mine = pg18.new_database("mine_restored")
    kill_restore(crm_made, "left", lambda: filled(pg18, "left"))
    [left] = leftovers(crm_made.workspace.config, crm_made.workspace.places)
    assert (left.source, left.to, left.purpose) == ("crm", "left", "restore")
    for note in (crm_made.path / "base" / "targets").iterdir():
        assert "password" not in note.read_text() and note.stat().st_mode & 0o077 == 0
    status, printed = ops(crm_made, "restore", "crm", "--to", "left", "--unverified")
    assert status == 3 and "ops leftovers left --apply" in printed, "the same words again say what is in the way"
    status, printed = ops(crm_made, "leftovers")
    assert (status, "a restore that did not finish" in printed, there(pg18, "left")) == (1, True, True)
    status, printed = ops(crm_made, "leftovers", "--apply", "--json")
    document = json.loads(printed)
    assert (status, document["leftovers"][0]["removed"]) == (0, True)
    assert (
        there(pg18, "left"),
        there(pg18, mine),
        leftovers(crm_made.workspace.config, crm_made.workspace.places),
    ) == (False, True, [])
    kill_restore(crm_made, "left", lambda: there(pg18, "left"))
    pg18.sql("drop table if exists t", database="left")
    assert restore_to(crm_made.workspace, newest(crm_made.workspace), "left").good
    assert leftovers(crm_made.workspace.config, crm_made.workspace.places) == [], (
        "what was restored to its end is its owner's"
    )
    assert ops(crm_made, "leftovers", "--apply")[0] == 0 and there(pg18, "left"), "it goes by its name alone"


def test_what_a_restore_brought_to_its_end_goes_when_it_is_named(pg18: TestServer, crm_made: Made) -> None:
    restore = ("restore", "crm", "--to", "crm_t", "--only", "public.t", "--unverified")
    assert ops(crm_made, *restore)[0] == 0
    status, printed = ops(crm_made, *restore)
    assert status == 3 and "it is what an earlier restore made: ops leftovers crm_t --apply, then again" in printed
    pg18.sql("create table mine (id int)", database="crm_t")
    status, printed = ops(crm_made, "leftovers", "crm_t", "--apply")
    assert status == 3 and "mine" in printed, "somebody works with it"
    pg18.sql("drop table mine", database="crm_t")
    assert ops(crm_made, "leftovers", "crm_t", "--apply")[0] == 0 and not there(pg18, "crm_t")
    status, printed = ops(crm_made, "leftovers")
    assert (status, printed.strip()) == (0, "there are no leftovers")


def test_what_somebody_works_with_by_now_or_was_there_before_is_left_alone(pg18: TestServer, crm_made: Made) -> None:
    workspace = crm_made.workspace
    kill_restore(crm_made, "used", lambda: filled(pg18, "used"))
    pg18.sql("create table orders (id int)", database="used")
    [left] = leftovers(workspace.config, workspace.places)
    with pytest.raises(SafetyRefusal, match="used was not removed") as caught:
        remove(workspace, left)
    assert "orders" in caught.value.why and "somebody works with it" in caught.value.why
    config = crm_made.path / "url"
    config.write_text(config.read_text().replace(str(newest(workspace).manifest.engine["database"]), "used"))
    with pytest.raises(SafetyRefusal, match="used is the source crm"):
        remove(workspace, left)
    assert ops(crm_made, "leftovers", "--apply")[0] == 3 and there(pg18, "used")
    pg18.sql("drop database used")
    assert leftovers(workspace.config, workspace.places) == [], "who drops it by hand need not tell us"
    # An empty database that was there before, filled by a restore that was killed.
    pg18.new_database("given")
    kill_restore(crm_made, "given", lambda: filled(pg18, "given"))
    assert leftovers(workspace.config, workspace.places) == []


def test_what_a_replacement_kept_is_listed_and_only_removed_by_its_name(pg18: TestServer, crm_made: Made) -> None:
    workspace = crm_made.workspace
    kept = replace_source(workspace, newest(workspace), take_safety=None).kept.removeprefix("database ")
    [left] = leftovers(workspace.config, workspace.places)
    assert (left.to, left.purpose) == (kept, "former")
    assert ops(crm_made, "leftovers", "--apply")[0] == 1 and there(pg18, kept)
    assert ops(crm_made, "leftovers", "nonsense", "--apply")[0] == 2
    assert ops(crm_made, "leftovers", kept, "--apply")[0] == 0 and not there(pg18, kept)
