"""`ops serve` as it is started, on a free port, on a ledger of either kind. Its sources cannot be reached at all."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ops_pipelines.config.load import load_config
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.verdict import Outcome
from ops_pipelines.workspace import Workspace
from tests.unit.vaults import RECIPIENT, publish, verdict
from tests.watch.conftest import ledger_url  # noqa: F401 - a fixture

OPS = str(Path(sys.executable).with_name("ops"))
CANARY = 'canary"password/of:the@source'


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The same, parsed."""
        return json.loads(self.text)


@dataclass
class Site:
    """A running `ops serve`."""

    url: str
    process: "subprocess.Popen[str]"
    log: list[str] = field(default_factory=list)

    def get(self, path: str = "", **headers: str) -> Answer:
        """Ask for a path."""
        request = urllib.request.Request(
            self.url + path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read().decode())

    def stop(self) -> int:
        """SIGTERM; returns its exit status. What it logged is in `log`, a line each."""
        self.process.send_signal(signal.SIGTERM)
        _out, err = self.process.communicate(timeout=30)
        self.log += err.splitlines()
        return self.process.returncode

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self.log]


@dataclass
class House:
    """A folder with an `ops.yaml`."""

    folder: Path
    workspace: Workspace

    def holds(self, source: str, outcome: Outcome | None, *, detail: str = "") -> str:
        """Give a source a backup in both stores, taken now and with a verdict; returns its id."""
        at = self.workspace.clock.now()
        backup_id = f"{at:%Y%m%dT%H%M%SZ}-0001"
        nas = self.workspace.stores["nas"]
        assert isinstance(nas, DirectoryStore)
        with self.workspace.ledger.activity("dump", source=source):
            manifest = publish(self.workspace.local, backup_id, source=source, at=at)
        nas.receive(manifest, self.workspace.local.directory(source, backup_id), lambda _size: None)
        if outcome is not None:
            found = verdict(backup_id, outcome, at=at, store="nas").model_copy(update={"source": source})
            if detail:
                found = found.model_copy(update={"checks": [found.checks[0].model_copy(update={"detail": detail})]})
            self.workspace.local.keep_verdict(found)
            with self.workspace.ledger.activity("verify", source=source, backup_id=backup_id) as entry:
                entry.meta = {"outcome": outcome}
                if outcome != "verified":
                    entry.fail(outcome)
        return backup_id

    @contextmanager
    def serving(self, *options: str, environ: dict[str, str] | None = None) -> Iterator[Site]:
        """`ops serve` on a free port, until the block ends."""
        argv = [OPS, "serve", "--port", "0", "--config", str(self.folder / "ops.yaml"), *options]
        started = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=_environment(environ))
        assert started.stderr is not None
        try:
            first = started.stderr.readline()
            found = re.search(r"http://[^ /\"]+/", first)
            assert found, first + started.stderr.read()
            yield Site(found[0], started, [first.strip()])
        finally:
            started.kill()
            started.communicate()

    def refused(self, *options: str, environ: dict[str, str] | None = None) -> tuple[int, str]:
        """`ops serve` that does not start: its exit status and what it said."""
        argv = [OPS, "serve", "--config", str(self.folder / "ops.yaml"), *options]
        done = subprocess.run(argv, capture_output=True, text=True, env=_environment(environ), timeout=60, check=False)
        return done.returncode, done.stderr


MakeHouse = Callable[..., House]


@pytest.fixture
def make_house(tmp_path: Path) -> MakeHouse:
    """Write an `ops.yaml`; the made function takes the names of sources, the ledger's URL, and top-level keys."""

    def make(*sources: str, ledger: str = "", **top: Any) -> House:
        (tmp_path / "url").write_text(f"postgresql://boss:{CANARY}@127.0.0.1:1/crm", encoding="utf-8")
        document: dict[str, Any] = {
            "base": "base",
            "defaults": {"encrypt": {"age": [RECIPIENT]}, "copies": ["nas"]},
            "stores": {"nas": {"kind": "directory", "path": "nas"}},
            "sources": {name: {"kind": "postgres", "url": {"file": "url"}} for name in sources or ("crm",)},
            **top,
        }
        if ledger:
            (tmp_path / "ledger.secret").write_text(ledger, encoding="utf-8")
            document["ledger"] = {"file": "ledger.secret"}
        (tmp_path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
        return House(tmp_path, Workspace(load_config(tmp_path / "ops.yaml", environ={})))

    return make


def _environment(more: dict[str, str] | None) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **(more or {})}
