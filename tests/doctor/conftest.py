"""A house in which all is well: a database, folders, a NAS, a bucket that locks, a webhook, a kit."""

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.clock import Clock, SystemClock
from ops_pipelines.config.load import load_config
from ops_pipelines.doctor.ask import ask_all
from ops_pipelines.doctor.question import Found, State
from ops_pipelines.doctor.questions import all_questions
from ops_pipelines.doctor.shared import Shared
from ops_pipelines.recovery.kit.kit import Sealing, make_kit
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.workspace import Workspace
from tests.conftest import TestServer
from tests.stores.conftest import Bucket, moto, new_bucket  # noqa: F401 - a fixture
from tests.watch.receivers import Webhook, webhook

Line = tuple[str, str]
"""A question: what it is about, and its name."""


@dataclass(frozen=True)
class Ahead:
    """A clock that is wrong by so much."""

    by: timedelta

    def now(self) -> datetime:
        return SystemClock().now() + self.by


@dataclass
class House:
    """An `ops.yaml` with everything that belongs to it."""

    path: Path
    server: TestServer
    database: str
    role: str
    bucket: Bucket
    hook: Webhook
    failing: set[Line] = field(default_factory=set)
    """Every line that was made to fail on purpose, and did."""

    @property
    def config(self) -> Path:
        return self.path / "ops.yaml"

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.config.read_text(encoding="utf-8"))
        return found

    def workspace(self, clock: Clock | None = None) -> Workspace:
        """It, opened anew."""
        return Workspace(load_config(self.config, environ={}), clock or SystemClock())

    def asked(self, *lines: Line, clock: Clock | None = None, sending: bool = False) -> dict[Line, Found]:
        """Ask these questions, or all."""
        questions = all_questions(Shared(self.workspace(clock), self.config), sending=sending)
        wanted = [each for each in questions if not lines or (each.subject, each.name) in lines]
        assert len(wanted) == len(lines) or not lines, [(each.subject, each.name) for each in questions]
        return {(each.subject, each.name): each for each in ask_all(wanted)}

    def says(self, state: State, subject: str, name: str, *words: str, **how: Any) -> Found:
        """One question, whose answer must be this; returns it."""
        found = self.asked((subject, name), **how)[subject, name]
        assert found.answer.state == state, found.answer
        assert all(word in found.answer.said for word in words), found.answer.said
        if state != "OK":
            assert found.answer.fix, "it says what to do"
            self.failing.add((subject, name))
        return found

    @contextmanager
    def changed(self, change: Callable[[dict[str, Any]], object]) -> Iterator[None]:
        """Another `ops.yaml` for the length of the block."""
        before, document = self.config.read_bytes(), self.document
        change(document)
        self.config.write_text(json.dumps(document), encoding="utf-8")
        try:
            yield
        finally:
            self.config.write_bytes(before)

    @contextmanager
    def replaced(self, path: Path, content: bytes | None) -> Iterator[None]:
        """A file with other content, or without the file, for the length of the block."""
        before = path.read_bytes()
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        try:
            yield
        finally:
            path.write_bytes(before)
            path.chmod(0o600)


@pytest.fixture(scope="module")
def house(pg18: TestServer, moto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:  # noqa: F811
    """Backed up, copied, proved; with a kit. Every line but those of Dagster, the watch and the drill is OK."""
    path = tmp_path_factory.mktemp("house")
    path.chmod(0o700)
    bucket = new_bucket(moto, "moto-access", secrets.token_hex(16), lock=True)
    database, role, password = pg18.new_database(), f"least_{secrets.token_hex(4)}", secrets.token_hex(12)
    pg18.sql(
        "create schema sales",
        "create table sales.orders as select i, md5(i::text) v from generate_series(1, 500) i",
        "create table people (id serial primary key, name text)",
        f"create role {role} login password '{password}'",
        f"grant pg_read_all_data to {role}",
        database=database,
    )
    identities = [pyrage.x25519.Identity.generate() for _ in range(2)]
    (path / "docs").mkdir()
    (path / "docs" / "letter.txt").write_text(secrets.token_hex(100), encoding="utf-8")
    with ExitStack() as stack:
        hook = stack.enter_context(webhook())
        files = {
            "age.key": str(identities[0]),
            "second.key": str(identities[1]),
            "crm.url": pg18.url(database, host="127.0.0.1", user=role, password=password),
            "restic.key": secrets.token_hex(16),
            "slack.url": hook.url,
            "kit.pass": secrets.token_hex(16),
        }
        for name, content in files.items():
            (path / name).touch(mode=0o600)
            (path / name).write_text(content, encoding="utf-8")
        document = {
            "base": "base",
            "defaults": {
                "encrypt": {"age": [str(each.to_public()) for each in identities], "identity": {"file": "age.key"}},
                "copies": ["nas", "far"],
                "limits": {"connect": "2s", "lock": "5s"},
            },
            "stores": {
                "nas": {"kind": "directory", "path": "nas", "medium": "nas"},
                "far": bucket.settings(object_lock="1d").model_dump(
                    mode="json", include={"kind", "bucket", "endpoint", "prefix", "retries"}
                )
                | {
                    "credentials": {"access_key": bucket.access_key, "secret_key": bucket.secret_key},
                    "object_lock": "1d",
                    "timeout": "20s",
                },
            },
            "sources": {
                "crm": {"kind": "postgres", "url": {"file": "crm.url"}},
                "docs": {"kind": "files", "paths": ["docs"], "password": {"file": "restic.key"}, "copies": ["far"]},
            },
            "alerts": {"channels": {"slack": {"file": "slack.url"}}},
            "sentry": {"dsn": {"env": "DOCTOR_DSN"}},
            "drills": {"kit": {"directory": "kit", "passphrase": {"file": "kit.pass"}}},
        }
        (path / "ops.yaml").touch(mode=0o600)
        (path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
        os.environ["DOCTOR_DSN"] = f"https://{secrets.token_hex(16)}@sentry.example/42"
        stack.callback(os.environ.pop, "DOCTOR_DSN")
        found = House(path, pg18, database, role, bucket, hook)
        back_up(found.workspace())
        make_kit(found.workspace(), found.config, path / "kit", Sealing(files["kit.pass"]), new_identity=False)
        yield found


def back_up(workspace: Workspace) -> None:
    """Take, copy and prove one backup of every source."""
    for name in workspace.config.sources:
        manifest = take_backup(workspace, name)
        for store in workspace.config.source(name).copies:
            copy_to(workspace, point_of(workspace, manifest), store)
        verdict = verify(workspace, point_of(workspace, manifest))
        assert verdict.outcome == "verified", verdict.reason


def point_of(workspace: Workspace, manifest: Manifest) -> RestorePoint:
    """A restore point, with every copy there is by now."""
    point = workspace.catalogue(manifest.source).find(manifest.id)
    assert point is not None
    return point
