"""What other machines have: no bubblewrap, an account for proofs, programs in places of their own."""

import os
import shutil
import site
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import Inconclusive
from ops_pipelines.process import CommandFailed, Limits
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sandbox import account, isolation, jail, mounts, owners
from ops_pipelines.sandbox.last import wait_for_last_process
from tests.engines.files.conftest import House as Folders
from tests.engines.sqlite.conftest import House as Databases

LIMITS = Limits(timedelta(minutes=1), timedelta(minutes=1), grace=timedelta(seconds=1))
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch to another account")


@pytest.fixture(autouse=True)
def _found_anew() -> Iterator[None]:
    """What is remembered of this machine is not what a test makes of it."""
    remembered = (isolation.standing, account.sandbox_uid, mounts.python, mounts._libraries)
    for each in remembered:
        each.cache_clear()
    yield
    for each in remembered:
        each.cache_clear()


def only(folder: Path, monkeypatch: pytest.MonkeyPatch, **programs: str) -> None:
    """PATH has these programs alone: a script each, or the machine's own."""
    folder.mkdir()
    for name, script in programs.items():
        if script:
            (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (folder / name).chmod(0o755)
        else:
            (folder / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(folder))


@AS_ROOT
@pytest.mark.parametrize(
    ("programs", "user", "best", "why", "cure"),
    [
        ({}, "nobody", "none", "bubblewrap is not installed", "apt-get install bubblewrap"),
        ({"setpriv": ""}, "nobody", "account", "bubblewrap is not installed", "apt-get install bubblewrap"),
        ({"setpriv": ""}, "no-such-user", "none", "bubblewrap is not installed", "or make another account: useradd"),
        (
            {"setpriv": "", "bwrap": "echo no namespaces >&2; exit 1"},
            "nobody", "account", "bwrap exited with status 1: no namespaces", "allow user namespaces",
        ),
    ],
    ids=["nothing", "no bubblewrap", "no account", "no namespaces"],
)  # fmt: skip
def test_the_best_isolation_is_found_by_trying_it(
    programs: dict[str, str], user: str, best: str, why: str, cure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "NAME", user)
    only(tmp_path / "bin", monkeypatch, **programs)
    found = isolation.standing()
    assert (found.best, found.why) == (best, why) and cure in found.cure
    assert isolation.chosen("none") == "none" and "with the rights of this user" in isolation.warning("none")
    with pytest.raises(Inconclusive, match="cannot be isolated") as refused:
        isolation.chosen("sandbox")
    assert f"verify: {{isolation: {best}}}" in refused.value.next
    if best == "account":
        assert isolation.chosen("account") == "account"
        uid = account.sandbox_uid()
        assert (
            uid == 65534
            and f"verified as user {uid}" in isolation.warning("account")
            and why in isolation.warning(best)
        )
    assert isolation.warning("sandbox") == ""


@AS_ROOT
def test_the_account_is_the_one_of_that_name_else_a_number_of_nobody_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "NAME", "no-such-user")
    assert 61184 <= account.sandbox_uid() <= 65519 and not account.named()
    monkeypatch.setattr(account, "NAME", "root")
    assert not account.named()


def test_programs_bring_along_what_belongs_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked = tmp_path / "mysql" / "usr" / "sbin"
    own = tmp_path / "pg" / "bin"
    alone = tmp_path / "tools"
    for each in (unpacked, own, alone):
        each.mkdir(parents=True)
    # One that is linked to libraries elsewhere, one that is no program at all.
    (alone / "restic").write_text("no program", encoding="utf-8")
    shutil.copy("/bin/true", own / "postgres")
    found = mounts.programs([unpacked, own, alone, tmp_path / "nowhere"])
    assert {unpacked.parents[1], own.parent, alone} <= set(found)
    ours = mounts.programs([own], [own.parent / "base"])
    assert own in ours and own.parent not in ours, "an installation that holds what is ours is left out"
    assert list(mounts._installation(Path("/opt/bin"))) == []
    mounts._libraries.cache_clear()
    only(tmp_path / "bin", monkeypatch, ldd="exit 2")
    assert mounts._libraries(own) == ()
    mounts._libraries.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert mounts._libraries(own) == ()


def test_the_system_of_any_distribution_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "_TOP", ("etc", "bin", "no-such-folder"))
    words = mounts.system()
    assert words[words.index("/etc") - 1] == "--ro-bind", "where /usr is not merged, /bin is a folder"
    assert "/no-such-folder" not in words
    monkeypatch.setattr(site, "ENABLE_USER_SITE", True)
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(tmp_path / "of the user"))
    assert tmp_path / "of the user" in mounts.python()
    monkeypatch.setattr(owners, "_CALLS", {})
    assert owners.program() == b"", "a machine that we do not know has no filter"


def test_a_sandbox_that_cannot_begin_is_an_error_and_nothing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandFailed, match="bwrap"), jail.Jail(tmp_path).running(["true"], limits=LIMITS) as program:
        program.finish()
    with wait_for_last_process() as tells:
        os.write(tells, b'{"child-pid": 4194304}')  # no process has such a number
    with wait_for_last_process() as tells:
        os.write(tells, b"{}")


def test_a_proof_whose_program_cannot_be_started_says_so(
    folders: Folders, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases.database("app.sqlite", "create table t (v text)")
    workspace = databases.configure()
    take_backup(workspace, "app")
    point = workspace.catalogue("app").newest
    assert point is not None
    folders.backup()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    for verdict in (folders.verify(), verify(workspace, point)):
        assert verdict.outcome == "inconclusive"
        assert "the sandbox of the proof ended" in verdict.reason and "no-python" in verdict.reason
