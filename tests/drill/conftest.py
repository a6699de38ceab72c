"""A CRM with its uploads, backed up twice into a bucket at a Ceph gateway, a recovery kit, and a channel for alerts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.recovery.kit.kit import Sealing, make_kit
from ops_pipelines.recovery.verify import verify
from ops_pipelines.workspace import Workspace
from tests.conftest import TestServer
from tests.servers.ceph import Ceph
from tests.watch.receivers import Webhook, webhook

PASSPHRASE = "correct horse 'battery' $taple"
_SERVE = (
    "import http.server, os, psycopg\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "  def do_GET(self):\n"
    "    with psycopg.connect(os.environ['CRM_DATABASE_URL']) as c:\n"
    "      n = c.execute('select count(*) from companies').fetchone()[0]\n"
    "    self.send_response(200); self.end_headers(); self.wfile.write(f'{n} companies'.encode())\n"
    "http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()\n"
)


class House:
    """An `ops.yaml` and what belongs to it."""

    def __init__(self, path: Path, server: TestServer, database: str) -> None:
        self.path, self.server, self.database = path, server, database

    def workspace(self) -> Workspace:
        """It, opened anew."""
        return Workspace(load_config(self.path / "ops.yaml", environ={}))

    def change(self, **top: Any) -> None:
        """Change top-level keys of `ops.yaml`."""
        document = json.loads((self.path / "ops.yaml").read_text("utf-8"))
        (self.path / "ops.yaml").write_text(json.dumps({**document, **top}), encoding="utf-8")

    def back_up(self) -> None:
        """A verified backup of both sources, in every store."""
        workspace = self.workspace()
        for name in ("crm", "uploads"):
            taken = take_backup(workspace, name)
            point = workspace.catalogue(name).find(taken.id)
            assert point is not None
            copy_to(workspace, point, "far")
            assert verify(workspace, point, store="far").outcome == "verified"

    def leftovers(self) -> list[str]:
        """Directories of scratch servers, and anything of a drill that is unfinished."""
        return [str(path) for path in (self.path / "base" / "scratch").glob("*") if path.is_dir()]


@pytest.fixture
def channel() -> Iterator[Webhook]:
    """A webhook that takes alerts."""
    with webhook() as found:
        yield found


def build(
    path: Path, server: TestServer, channel_url: str, store: dict[str, Any], python: str, *, backups: int = 2
) -> House:
    """Write everything, and back it up twice, unless told otherwise; the second time the CRM has three rows more."""
    key = pyrage.x25519.Identity.generate()
    database = server.new_database()
    server.sql(
        "create table companies (id serial primary key, name text)",
        "insert into companies (name) select 'c' || i from generate_series(1, 40) i",
        "create table attachments (path text)",
        "insert into attachments values ('offer.txt')",
        database=database,
    )
    uploads = path / "files"
    uploads.mkdir()
    (uploads / "offer.txt").write_text("an offer", encoding="utf-8")
    (path / "serve.py").write_text(_SERVE, encoding="utf-8")
    secrets = {
        "age.key": str(key),
        "url": server.url(database),
        "restic": "rest 'ic",
        "pass": PASSPHRASE,
        "hook": channel_url,
    }
    for name, secret in secrets.items():
        (path / name).touch(mode=0o600)
        (path / name).write_text(secret, encoding="utf-8")
    checks = [
        {
            "name": "selftest",
            "command": ["sh", "-c", 'test -f "$UPLOADS_FOLDER$0/offer.txt" && echo found', str(uploads)],
        },
        {"name": "web", "start": [python, str(path / "serve.py")], "contains": "companies"},
        {"name": "many", "source": "crm", "sql": "select count(*) from companies", "min": 40},
    ]
    document: dict[str, Any] = {
        "base": "base",
        "defaults": {"encrypt": {"age": [str(key.to_public())], "identity": {"file": "age.key"}}, "copies": ["far"]},
        "stores": {"far": store},
        "sources": {
            "crm": {"kind": "postgres", "url": {"file": "url"}},
            "uploads": {
                "kind": "files", "paths": [str(uploads)], "password": {"file": "restic"}, "with": "crm",
                "references": {"sql": "select path from attachments", "below": str(uploads)},
            },
        },
        "alerts": {"channels": {"slack": {"file": "hook"}}},
        "drills": {
            "kit": {"directory": "kit", "passphrase": {"file": "pass"}},
            "applications": {"crm": {"sources": ["crm", "uploads"], "checks": checks}},
        },
    }  # fmt: skip
    (path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    house = House(path, server, database)
    sealing = Sealing(PASSPHRASE)
    second = make_kit(house.workspace(), path / "ops.yaml", path / "kit", sealing, new_identity=True).index.second
    document["defaults"]["encrypt"]["age"].append(second)
    (path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    make_kit(house.workspace(), path / "ops.yaml", path / "kit", sealing, new_identity=False)
    house.back_up()
    if backups > 1:
        server.sql("insert into companies (name) select 'n' || i from generate_series(1, 3) i", database=database)
        house.back_up()
    return house


def bucket_of(ceph: Ceph, name: str) -> dict[str, Any]:
    """A new bucket as a store."""
    import boto3

    client = boto3.client(
        "s3", endpoint_url=ceph.endpoint, region_name="us-east-1",
        aws_access_key_id=ceph.access_key, aws_secret_access_key=ceph.secret_key,
    )  # fmt: skip
    client.create_bucket(Bucket=name)
    credentials = {"access_key": ceph.access_key, "secret_key": ceph.secret_key}
    return {"kind": "s3", "bucket": name, "endpoint": ceph.endpoint, "credentials": credentials}
