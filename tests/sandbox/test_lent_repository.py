"""What a hostile program in a sandbox can do to the repository that is lent to its proof: read, and lock for itself."""

import http.client
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from ops_pipelines.recovery.enclosed.repository import lent
from ops_pipelines.vault.stores.objects import DirectoryObjects, damaged

THEIRS, OURS = sha256(b"theirs").hexdigest(), sha256(b"ours").hexdigest()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository in which another process holds a lock."""
    for kind in ("data", "index", "keys", "locks", "snapshots"):
        (tmp_path / kind).mkdir()
    (tmp_path / "locks" / THEIRS).write_bytes(b"theirs")
    return tmp_path


@contextmanager
def asked(repository: Path, note: Callable[[str], None] = lambda _lock: None) -> Iterator[http.client.HTTPConnection]:
    """Somebody who asks, as long as the proof lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener, lent(listener, DirectoryObjects(repository), note):
        yield http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=10)


def status(asking: http.client.HTTPConnection, method: str, path: str, body: bytes = b"") -> int:
    """What a request ends with."""
    asking.request(method, path, body or None)
    answer = asking.getresponse()
    answer.read()
    return answer.status


def test_the_lock_of_another_process_is_neither_removed_nor_replaced(repository: Path) -> None:
    with asked(repository) as asking:
        assert status(asking, "DELETE", f"/locks/{THEIRS}") == 403
        assert status(asking, "POST", f"/locks/{THEIRS}", b"mine now") == 409
    assert (repository / "locks" / THEIRS).read_bytes() == b"theirs"


def test_its_own_locks_go_by_its_word_or_with_it(repository: Path) -> None:
    other = sha256(b"other").hexdigest()
    with asked(repository) as asking:
        for name in (OURS, other):
            assert status(asking, "POST", f"/locks/{name}", b"ours") == 200
        assert status(asking, "DELETE", f"/locks/{OURS}") == 200
        assert sorted(path.name for path in (repository / "locks").iterdir()) == sorted([THEIRS, other])
    assert [path.name for path in (repository / "locks").iterdir()] == [THEIRS]


def test_whoever_is_still_connected_when_the_proof_is_over_makes_no_lock(repository: Path) -> None:
    """A stop ends the proof first, and restic a moment later: its lock and the note of it were left."""
    noted: list[str] = []
    with asked(repository, noted.append) as asking:
        assert status(asking, "GET", "/locks/") == 200
    assert status(asking, "POST", f"/locks/{OURS}", b"ours") == 403
    assert noted == []
    assert [path.name for path in (repository / "locks").iterdir()] == [THEIRS]


def test_a_lock_is_noted_before_it_is_there(repository: Path) -> None:
    def note(lock: str) -> None:
        assert not (repository / "locks" / lock).exists()
        noted.append(lock)

    noted: list[str] = []
    with asked(repository, note) as asking:
        assert status(asking, "POST", f"/locks/{OURS}", b"ours") == 200
    assert noted == [OURS]


@pytest.mark.parametrize("kind", ["data", "index", "keys", "snapshots"])
def test_nothing_else_is_written(repository: Path, kind: str) -> None:
    with asked(repository) as asking:
        assert status(asking, "POST", f"/{kind}/{OURS}", b"planted") == 403
    assert list((repository / kind).iterdir()) == []


def test_an_object_of_any_size_is_looked_at_in_pieces(repository: Path) -> None:
    class Counted(DirectoryObjects):
        def read(self, kind: str, name: str, offset: int, length: int) -> bytes:
            assert length <= 4 * 1024 * 1024
            return super().read(kind, name, offset, length)

    large = b"x" * (9 * 1024 * 1024)
    name = sha256(large).hexdigest()
    (repository / "index" / name).write_bytes(large)
    objects = Counted(repository)
    assert damaged(objects, [("index", name, len(large))], lambda _done: None) == []
    assert damaged(objects, [("index", name, len(large) + 1)], lambda _done: None) == []
    (repository / "index" / name).write_bytes(large[:-1])
    assert damaged(objects, [("index", name, len(large))], lambda _done: None) == [("index", name)]
