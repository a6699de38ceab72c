"""Every restic from 0.14 on: a backup goes all its way, and each way to fail is told apart."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from ops_pipelines.engines.files.restic import Restic, ResticFailed
from ops_pipelines.process import Limits
from ops_pipelines.repository import Repository
from tests.engines.files.conftest import MakeHouse
from tests.servers import newer

_LIMITS = Limits(stall=timedelta(minutes=1), total=timedelta(minutes=2))


@pytest.fixture(params=["restic-old", "restic"])
def bin_dir(request: pytest.FixtureRequest) -> Path:
    """The folder of restic 0.14, and that of the newest."""
    return newer.bin_dirs(request.param, "restic")[0]


@pytest.fixture
def tool(bin_dir: Path, tmp_path: Path) -> Restic:
    """restic on a repository that is there."""
    made = restic(bin_dir, tmp_path / "repository")
    made.run("init")
    return made


def restic(bin_dir: Path, repository: Path, password: str = "a canary") -> Restic:
    return Restic(program=bin_dir / "restic", repository=Repository(str(repository)), password=password, limits=_LIMITS)


def kind_of(tool: Restic, *words: str) -> str:
    with pytest.raises(ResticFailed) as failed:
        tool.run(*words)
    return failed.value.kind


def test_folders_are_backed_up_copied_verified_and_forgotten(bin_dir: Path, make_house: MakeHouse) -> None:
    house = make_house(bin_dirs=[str(bin_dir)])
    (house.uploads / "logo.png").write_bytes(b"logo" * 5000)
    first = house.backup()
    house.copy()
    assert house.verify("nas").outcome == "verified"
    (house.uploads / "second.txt").write_text("second", encoding="utf-8")
    second = house.backup()
    house.engine.forget([first.engine], house.workspace.stores["local"].repository("files"))
    assert house.verify("local", second.id).outcome == "verified"
    gone = house.verify("local", first.id)
    assert (gone.outcome, gone.failed[0].name) == ("bad", "snapshot")


def test_a_missing_repository_a_wrong_password_and_a_missing_snapshot_are_told_apart(
    bin_dir: Path, tool: Restic, tmp_path: Path
) -> None:
    missing = "0" * 64
    assert kind_of(restic(bin_dir, tmp_path / "nowhere"), "snapshots", "--json") == "missing"
    assert kind_of(restic(bin_dir, tmp_path / "repository", "another"), "snapshots", "--json") == "password"
    assert kind_of(tool, "restore", missing, "--target", str(tmp_path / "restored")) == "snapshot"


def test_copying_a_snapshot_that_is_not_there_fails(bin_dir: Path, tool: Restic, tmp_path: Path) -> None:
    other = restic(bin_dir, tmp_path / "other")
    other.run("init")
    origin = {"RESTIC_FROM_REPOSITORY": tool.repository.address, "RESTIC_FROM_PASSWORD": tool.password}
    with pytest.raises(ResticFailed) as failed:
        other.run("copy", "0" * 64, env=origin)
    assert failed.value.kind == "snapshot"


def test_the_lock_of_a_living_process_is_told(tool: Restic) -> None:
    with holding(tool):
        assert kind_of(tool, "prune") == "locked"


def test_an_interrupt_is_told(tool: Restic, tmp_path: Path) -> None:
    failures: list[ResticFailed] = []

    def back_up() -> None:
        try:
            tool.backup(["--limit-upload", "1", "--", str(tmp_path / "pipe.d")], lambda *_: None)
        except ResticFailed as error:
            failures.append(error)

    folder = tmp_path / "pipe.d"
    folder.mkdir()
    with (folder / "random").open("wb") as out, Path("/dev/urandom").open("rb") as noise:
        out.write(noise.read(8_000_000))
    thread = threading.Thread(target=back_up)
    thread.start()
    wait_for_lock(tool)
    for process in psutil.Process().children(recursive=True):
        if process.name() == "restic":
            process.send_signal(signal.SIGINT)
    thread.join()
    assert [failure.kind for failure in failures] == ["interrupted"]


@contextmanager
def holding(tool: Restic) -> Iterator[None]:
    """A restic that waits for its input, and holds a lock while it does."""
    environ = {"RESTIC_REPOSITORY": tool.repository.address, "RESTIC_PASSWORD": tool.password, "PATH": "/usr/bin:/bin"}
    argv = [tool.program, "--no-cache", "backup", "--stdin"]
    with subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        wait_for_lock(tool)
        yield
        process.stdin.close()


def wait_for_lock(tool: Restic) -> None:
    locks = Path(tool.repository.address) / "locks"
    deadline = time.monotonic() + 60
    while not any(locks.iterdir()):
        assert time.monotonic() < deadline, "restic took no lock"
        time.sleep(0.02)
