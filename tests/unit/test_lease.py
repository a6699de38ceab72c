"""Leases vanish with their holder, however it ends, and what the dead owned is swept."""

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines import lease
from ops_pipelines.errors import Busy

NOT_AT_ALL = timedelta(0)


@contextmanager
def another(code: str, *words: str | Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has reached the line it prints."""
    source = (
        "import sys, time\nfrom datetime import timedelta\nfrom pathlib import Path\nfrom ops_pipelines import lease\n"
    )
    argv = [sys.executable, "-c", source + textwrap.dedent(code), *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


HOLD = """
with lease.exclusive(Path(sys.argv[1]), holder="dump by the other", wait=timedelta(0), what="x"):
    print("ready", flush=True)
    time.sleep(300)
"""
OWN = """
with lease.owned_directory(Path(sys.argv[1])) as directory:
    (directory / "half").write_text("decrypted")
    print("ready", flush=True)
    time.sleep(300)
"""
RELEASED = """
with lease.owned_directory(Path(sys.argv[1])) as directory:
    (directory / ".owner").unlink()
    print("ready", flush=True)
    time.sleep(300)
"""


def test_a_lock_that_is_held_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "crm.lock"
    busy = pytest.raises(Busy, match="source crm is busy: dump by the other")
    ours = lease.exclusive(path, holder="us", wait=NOT_AT_ALL, what="source crm")
    with another(HOLD, path), busy as caught, ours:
        pytest.fail("both hold it")
    assert "nothing was started" in caught.value.safe


def test_the_lock_of_a_killed_holder_is_free_at_once(tmp_path: Path) -> None:
    path = tmp_path / "crm.lock"
    with another(HOLD, path) as holder:
        holder.kill()
        holder.wait()
        with lease.exclusive(path, holder="us", wait=NOT_AT_ALL, what="source crm"):
            assert path.read_text(encoding="utf-8") == "us"


def test_a_lock_that_comes_free_is_taken_within_the_wait(tmp_path: Path) -> None:
    path = tmp_path / "crm.lock"
    brief = HOLD.replace("time.sleep(300)", "time.sleep(0.3)")
    with another(brief, path), lease.exclusive(path, holder="us", wait=timedelta(seconds=30), what="crm"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_an_owned_directory_is_private_and_gone_after_its_block(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lease.owned_directory(tmp_path / "a" / "b") as directory:
        assert directory.stat().st_mode & 0o777 == 0o700
        (directory / "x").touch()
        raise ZeroDivisionError
    assert not directory.exists()


def test_the_directory_of_a_killed_owner_is_swept_and_a_living_ones_is_not(tmp_path: Path) -> None:
    with another(OWN, tmp_path / "alive"):
        with another(OWN, tmp_path / "dead") as owner:
            assert lease.sweep(tmp_path) == []
            owner.kill()
            owner.wait()
        told: list[Path] = []
        assert lease.sweep(tmp_path, before_removal=told.append) == [tmp_path / "dead"] == told
        assert (tmp_path / "alive" / "half").exists()
        assert not (tmp_path / "dead").exists()


def test_a_directory_whose_mark_was_lost_when_its_owner_was_killed_is_swept(tmp_path: Path) -> None:
    with another(RELEASED, tmp_path / "dead") as owner:
        owner.kill()
        owner.wait()
    assert lease.sweep(tmp_path) == [tmp_path / "dead"]


def test_what_is_handed_over_is_no_longer_owned(tmp_path: Path) -> None:
    final = tmp_path / "published"
    with lease.owned_directory(tmp_path / "staging" / "x") as directory:
        (directory / "part").touch()
        lease.hand_over(directory, final)
    assert [path.name for path in final.iterdir()] == ["part"]
    assert lease.sweep(tmp_path / "staging") == []


def test_there_is_nothing_to_sweep_where_there_is_nothing(tmp_path: Path) -> None:
    assert lease.sweep(tmp_path / "nowhere") == []


def test_a_directory_that_is_to_outlive_its_block_is_left_to_the_next_sweep(tmp_path: Path) -> None:
    with lease.owned_directory(tmp_path / "a", outlives=lambda: True) as directory:
        (directory / "still served").touch()
    assert (directory / "still served").exists()
    assert lease.sweep(tmp_path) == [directory]


LATE = """
owned, late = Path(sys.argv[1]), []

def server(event, arguments):
    if event == "os.rmdir" and not late:  # Python's own word that it is about to remove the empty directory
        late.append(owned / "log")
        late[0].touch()

with lease.owned_directory(owned):
    sys.addaudithook(server)
assert late and not owned.exists()
print("ready", flush=True)
"""


def test_an_owned_directory_is_gone_although_a_server_that_ends_writes_there_at_the_last_moment(tmp_path: Path) -> None:
    with another(LATE, tmp_path / "scratch" / "one"):
        pass


def test_a_directory_that_is_somebody_elses_stays_when_its_name_is_taken(tmp_path: Path) -> None:
    with lease.owned_directory(tmp_path / "theirs") as theirs:
        (theirs / "rows").touch()
        with pytest.raises(FileExistsError), lease.owned_directory(tmp_path / "theirs"):
            pytest.fail("it has two owners")
        assert (theirs / "rows").exists()


def test_who_was_asked_about_holds_nothing_afterwards(tmp_path: Path) -> None:
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead" / ".owner").touch()
    for _ in range(2):
        assert lease.census(tmp_path, ours=re.compile("dead")) == [(tmp_path / "dead", "dead")]
    assert lease.sweep(tmp_path) == [tmp_path / "dead"]


def test_an_owned_directory_leaves_no_file_open(tmp_path: Path) -> None:
    """A daemon owns thousands of them in its life."""
    before = sorted(Path("/proc/self/fd").iterdir())
    with lease.owned_directory(tmp_path / "a"):
        pass
    with lease.exclusive(tmp_path / "crm.lock", holder="us", wait=NOT_AT_ALL, what="crm"):
        pass
    assert sorted(Path("/proc/self/fd").iterdir()) == before
