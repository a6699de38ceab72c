"""What attackers aim at outside of a sandbox, and a look at what they left behind."""

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.engines.files.conftest import house as folders  # noqa: F401 - a fixture
from tests.engines.files.conftest import make_house  # noqa: F401 - a fixture
from tests.engines.mongodb.conftest import mongo  # noqa: F401 - a fixture
from tests.engines.mysql.conftest import mariadb, mysqld, protect  # noqa: F401 - fixtures
from tests.engines.sqlite.conftest import house as databases  # noqa: F401 - a fixture


@dataclass
class Canary:
    """A folder that everybody may write to, a secret that everybody may read, and somebody who counts callers."""

    folder: Path
    secret: Path
    port: int
    called: list[object] = field(default_factory=list)

    def filled(self, text: str) -> str:
        """A text of an attack with what it aims at in it."""
        for name, value in (("{canary}", self.folder), ("{secret}", self.secret), ("{port}", self.port)):
            text = text.replace(name, str(value))
        return text

    def assert_unharmed(self) -> None:
        """Nothing was written, and nobody called."""
        assert sorted(path.name for path in self.folder.iterdir()) == []
        assert self.called == []


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    for each in (tmp_path, *tmp_path.parents):
        if each.stat().st_uid == os.geteuid() and each != Path("/"):
            each.chmod(each.stat().st_mode | 0o011)
    folder, secret = tmp_path / "canary", tmp_path / "secret"
    folder.mkdir()
    folder.chmod(0o777)
    secret.write_text("AGE-SECRET-KEY", encoding="utf-8")
    secret.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Canary(folder, secret, listener.getsockname()[1])

        def answer() -> None:
            while True:
                try:
                    client, address = listener.accept()
                except OSError:
                    return
                found.called.append(address)
                client.close()

        threading.Thread(target=answer, daemon=True).start()
        yield found
        listener.shutdown(socket.SHUT_RDWR)


def left_in(scratch_root: Path) -> list[str]:
    """Directories that proofs left there, and processes that have one as theirs or on their command line."""
    found = [str(path) for path in scratch_root.glob("*") if path.is_dir()]
    for process in psutil.process_iter(["cwd", "cmdline"]):
        words = [process.info["cwd"] or "", *(process.info["cmdline"] or ())]
        if any(str(scratch_root) in word for word in words):
            found.append(" ".join(words))
    return found
