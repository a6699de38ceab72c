"""Which isolation a proof gets where the best cannot be had, and what is said of it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.doctor import sources
from ops_pipelines.doctor.shared import Shared
from ops_pipelines.process import Limits, Running, running
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sandbox import account, isolation
from ops_pipelines.sandbox.isolation import Isolation, Standing
from ops_pipelines.sandbox.orphans import without_orphans
from ops_pipelines.vault.verdict import Verdict
from tests.conftest import Made, MakeWorkspace, TestServer
from tests.faults.conftest import wait_until
from tests.stops import stopped_at_each_line

LIMITS = Limits(timedelta(minutes=1), timedelta(minutes=1), grace=timedelta(seconds=1))
CURE = "apt-get install bubblewrap"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch to another account")


@pytest.fixture
def backed_up(pg18: TestServer, make_workspace: MakeWorkspace) -> Made:
    database = pg18.new_database()
    pg18.sql("create table t (id int primary key)", "insert into t values (1)", database=database)
    made = make_workspace(pg18.url(database))
    take_backup(made.workspace, "crm")
    return made


@pytest.fixture(autouse=True)
def _account_found_anew() -> Iterator[None]:
    yield
    account.sandbox_uid.cache_clear()


def without(monkeypatch: pytest.MonkeyPatch, best: Isolation) -> None:
    """On this machine nothing better than this can be had."""
    monkeypatch.setattr(isolation, "standing", lambda: Standing(best, "bubblewrap is not installed", CURE))


def proved(made: Made) -> Verdict:
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    return verify(made.workspace, point)


def asked(made: Made) -> sources.Answer:
    (question,) = [
        each
        for each in sources.questions(Shared(made.workspace, made.path / "ops.yaml"), "crm")
        if each.name == "isolation"
    ]
    return question.ask()


def test_where_nothing_can_be_had_nothing_is_proved(backed_up: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "none")
    verdict = proved(backed_up)
    assert verdict.outcome == "inconclusive"
    assert "bubblewrap is not installed" in verdict.reason
    answer = asked(backed_up)
    assert answer.state == "FAILED"
    assert CURE in answer.fix[0]


@AS_ROOT
def test_what_keeps_the_account_out_is_named(backed_up: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "account")
    backed_up.path.chmod(0o700)
    verdict = proved(backed_up)
    assert verdict.outcome == "inconclusive"
    assert f"user {account.sandbox_uid()} cannot get to" in verdict.reason


@AS_ROOT
def test_another_account_is_the_next_best(backed_up: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "account")
    base = backed_up.workspace.config.base
    for each in (base, *base.parents):
        if each.stat().st_uid == os.geteuid() and each != Path.home():
            each.chmod(each.stat().st_mode | 0o001)  # as the message says, which is the other test's
    assert asked(backed_up).state == "ATTENTION"
    if not account.named():
        monkeypatch.setattr(account, "NAME", "nobody")
        account.sandbox_uid.cache_clear()
    if any(account.cannot(each, write=False) for each in (Path(sys.executable), account.PACKAGE)):
        pytest.skip("it cannot get to this Python, or to this checkout")
    verdict = proved(backed_up)
    assert verdict.outcome == "verified", verdict.reason
    (told,) = [check for check in verdict.notable if check.name == "isolation"]
    assert f"user {account.sandbox_uid()}" in told.detail


@AS_ROOT
def test_what_the_other_account_starts_and_lets_go_of_ends_with_it(tmp_path: Path) -> None:
    # It left its group and its session, has another folder, and nothing in its environment tells of us.
    leaving = "setsid env -i sh -c 'cd /; setsid sleep 1234.5 & sleep 1234.5' & disown; echo left; sleep 60"
    argv = [*account.dropping(), "bash", "-c", leaving]
    with without_orphans(running(argv, limits=LIMITS, cwd=Path("/"))) as program:
        assert program.read() == b"left\n"
        wait_until(lambda: len(called("sleep 1234.5")) == 2)
    assert called("sleep 1234.5") == []


@AS_ROOT
def test_what_is_let_go_of_before_the_start_is_over_ends_as_well() -> None:
    @contextmanager
    def slowly() -> Iterator[Running]:
        leaving = "setsid env -i sh -c 'cd /; setsid sleep 2345.6 & sleep 2345.6' >/dev/null 2>&1 & disown"
        argv = [*account.dropping(), "bash", "-c", f"{leaving}; echo left; sleep 60"]
        with running(argv, limits=LIMITS, cwd=Path("/")) as program:
            assert program.read() == b"left\n"
            wait_until(lambda: len(called("sleep 2345.6")) == 2)
            yield program

    def work() -> None:
        with without_orphans(slowly()):
            pass

    every = 1 if os.environ.get("OPS_LONG") else 4
    assert stopped_at_each_line(work, ["orphans.py"], lambda: called("sleep 2345.6"), every=every) > 20
    assert called("sleep 2345.6") == []


def called(words: str) -> list[int]:
    """Processes with this command line."""
    return [each.pid for each in psutil.process_iter(["cmdline"]) if " ".join(each.info["cmdline"] or ()) == words]


def test_an_interpreter_that_was_typed_from_a_folder_beside_it_proves(
    backed_up: Made, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path_factory.mktemp("beside")
    monkeypatch.setattr(sys, "executable", f"{beside}{'/..' * (len(beside.parts) - 1)}{sys.executable}")
    assert proved(backed_up).outcome == "verified"


def test_a_sandbox_is_said_to_be_well(backed_up: Made) -> None:
    if isolation.standing().best == "sandbox":
        assert asked(backed_up).said == "proofs run in a sandbox"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's proofs run as somebody else")
def test_a_program_that_was_installed_for_its_owner_alone_is_named_with_its_cure(tmp_path: Path) -> None:
    library = tmp_path / "lib"
    shutil.copytree(account.PACKAGE, library / "ops_pipelines", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["chmod", "-R", "go-rwx", library], check=True)

    def asks() -> subprocess.CompletedProcess[str]:
        program = "from ops_pipelines.sandbox.isolation import chosen; print(chosen('account'))"
        given = {**os.environ, "PYTHONPATH": str(library)}
        return subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, env=given, capture_output=True, text=True, check=False
        )

    refused = asks().stderr
    found = re.search(r"next: (chmod -R o\+rX .+)$", refused, re.MULTILINE)
    assert found is not None and "cannot read the program" in refused, refused
    subprocess.run(found[1].split(), check=True)
    assert asks().stdout == "sandbox\n"
