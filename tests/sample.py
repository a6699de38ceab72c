"""A small CRM on a private PostgreSQL server, and an `ops.yaml` that protects it. For tests above the engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pyrage

from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.engines.postgres.server import scratch_server
from ops_pipelines.ledger.since import watched_since
from ops_pipelines.workspace import Workspace

MAJOR = 18
_CRM = """
create table companies (id serial primary key, name text not null);
create table contacts (
  id bigint generated always as identity primary key,
  company_id int references companies, name text, created_at timestamptz default now());
insert into companies (name) select 'company ' || i from generate_series(1, 50) i;
insert into contacts (company_id, name) select 1 + i % 50, md5(i::text) from generate_series(1, 2000) i;
create view customers as select c.name, count(*) from companies c join contacts p on p.company_id = c.id group by 1;
"""


@contextmanager
def crm_server(directory: Path) -> Iterator[Server]:
    """A server with the database `crm`, gone after the block."""
    directory.mkdir(mode=0o700)
    with scratch_server(clients.for_server(MAJOR), directory) as server:
        execute(server, "create database crm")
        crm = server.at(dbname="crm")
        execute(crm, _CRM)
        yield crm


def execute(server: Server, sql: str) -> None:
    """Run statements on a source."""
    with session(server, limit=timedelta(seconds=60), settings=False) as opened:
        opened.rows(sql)


def files_holding(folder: Path, *secrets: str, ignoring: str = "") -> list[Path]:
    """Files below a folder that show one of the secrets; a file that is gone when it is read shows nothing.

    Args:
        ignoring: the name of files that are allowed to, because they are where the secret is kept.
    """
    found = []
    for path in folder.rglob("*"):
        try:
            held = path.read_bytes() if path.is_file() and path.name != ignoring else b""
        except FileNotFoundError:  # SQLite takes its write-ahead log away when the last connection is closed
            continue
        if any(secret.encode().lower() in held.lower() for secret in secrets):
            found.append(path)
    return found


class StoppedClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Always the same."""
        return self.at


def watched_for_long(workspace: Workspace) -> None:
    """Every source has been watched for a week: what never happened was due."""
    sources = workspace.config.sources
    watched_since(workspace.ledger, sources, workspace.clock.now() - timedelta(days=7))


def write_config(directory: Path, server: Server, *, source: str = "", top: str = "", copies: str = "[nas]") -> Path:
    """An `ops.yaml` in `directory` for the CRM, with an age key and a second store.

    Args:
        source: more lines of the source `crm`, indented by four.
        top: more top-level lines.
    """
    identity = pyrage.x25519.Identity.generate()
    for name, secret in (("age.key", str(identity)), ("crm.url", server.url())):
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(secret, encoding="utf-8")
    config = directory / "ops.yaml"
    config.write_text(
        f"""{top}
base: base
defaults:
  encrypt: {{age: ["{identity.to_public()}"], identity: {{file: age.key}}}}
  copies: {copies}
stores:
  nas: {{kind: directory, path: nas, medium: nas, offsite: true}}
  usb: {{kind: directory, path: usb, medium: usb}}
sources:
  crm:
    kind: postgres
    url: {{file: crm.url}}
    checks:
      - {{name: companies, sql: "select count(*) from companies", min: 1}}
{source}
""",
        encoding="utf-8",
    )
    return config


def flip_byte(path: Path) -> None:
    """Damage one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
