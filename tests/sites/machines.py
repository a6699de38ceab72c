"""A centre and two sites: each a machine of its own in a network namespace, with a database that nobody else reaches.

Both databases have the same address, 127.0.0.1. All machines share the broker, a bucket, and PostgreSQL at the centre
for the ledger and for Dagster; the identity is at the centre alone, each database's password at its site.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import psutil
import pyrage
import pytest
from moto.server import ThreadedMotoServer

from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.connection import session
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.workspace import Workspace
from tests.conftest import DEBIAN, PASSWORD, TestServer, start_server
from tests.servers.brokers import Broker
from tests.sites.network import Network
from tests.stores.conftest import Bucket, new_bucket

_ROWS = "create table t as select i, md5(i::text) from generate_series(1, 20000) i"
_LONG = timedelta(minutes=10)
SITES = {"brno": "crm", "plzen": "erp"}
"""Each site's source."""
_DAGSTER = """
storage:
  postgres:
    postgres_db:
      {{hostname: "{host}", port: {port}, username: boss, password: {{env: SHARED_PASSWORD}}, db_name: dagster,
       scheme: postgresql+psycopg2}}
local_artifact_storage:
  module: dagster._core.storage.root
  class: LocalArtifactStorage
  config: {{base_dir: {{env: OPS_DAGSTER_DIR}}}}
compute_logs: {{module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}}
telemetry: {{enabled: false}}
concurrency: {{pools: {{default_limit: 1, granularity: op}}}}
"""


@dataclass
class Machine:
    """A machine: its own folder, its own environment; a worker, if it has one."""

    name: str
    folder: Path
    environment: Mapping[str, str]
    before: list[str] = field(default_factory=list)
    worker: "subprocess.Popen[bytes] | None" = None

    def start_worker(self, *words: str) -> None:
        """`ops worker`, until it is stopped or killed."""
        log = (self.folder / "worker.log").open("ab")
        self.worker = subprocess.Popen(
            [*self.before, sys.executable, "-m", "ops_pipelines", "worker", *words],
            cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip

    def kill_worker(self) -> None:
        """Kill it and everything it has started, at once: the power is gone."""
        assert self.worker is not None
        for process in [*psutil.Process(self.worker.pid).children(recursive=True), psutil.Process(self.worker.pid)]:
            process.kill()
        self.worker.wait()
        self.worker = None

    def stop_worker(self) -> None:
        """Stop it as systemd would."""
        if self.worker is not None:
            self.worker.send_signal(signal.SIGTERM)
            try:
                self.worker.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.kill_worker()
            self.worker = None

    def ops(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Type a command there."""
        return subprocess.run(
            [*self.before, sys.executable, "-m", "ops_pipelines", *words],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    @property
    def log(self) -> str:
        """What its workers have said."""
        path = self.folder / "worker.log"
        return path.read_text(errors="replace") if path.exists() else ""


@dataclass
class Machines:
    """The centre, the sites, and what they share."""

    network: Network
    broker: Broker
    shared: TestServer
    bucket: Bucket
    centre: Machine
    sites: Mapping[str, Machine]
    databases: Mapping[str, TestServer]
    instance: dg.DagsterInstance

    @property
    def everybody(self) -> list[Machine]:
        """Every machine that has a worker."""
        return [self.centre, *self.sites.values()]

    def workspace(self) -> Workspace:
        """What the centre sees."""
        return Workspace(load_config(self.centre.folder / "ops.yaml", environ=self.centre.environment))

    def launch(self, *sources: str, log: str = "run.log") -> "subprocess.Popen[bytes]":
        """A run of every step of these sources, in a process of the centre's, as Dagster's launcher makes it."""
        keys = " or ".join(f'key:"{name}/*"' for name in sources)
        today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
        return self._materialize(log, "--select", f"({keys}) and not key:*/drill", "--partition", today)

    def prune(self) -> "subprocess.Popen[bytes]":
        """A run of retention, at the centre and at every site."""
        return self._materialize("run.log", "--select", "key:retention*")

    def _materialize(self, log: str, *words: str) -> "subprocess.Popen[bytes]":
        written = (self.centre.folder / log).open("ab")
        return subprocess.Popen(
            [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "ops_pipelines.definitions", *words],
            cwd=self.centre.folder, env=self.centre.environment, stdout=written, stderr=written,
        )  # fmt: skip

    def ended(self, run: "subprocess.Popen[bytes]") -> None:
        """Wait for a run, which is to go well."""
        wait_until(lambda: run.poll() is not None, self.logs)
        assert run.returncode == 0, self.logs()

    @contextmanager
    def holding(self, source: str) -> Iterator[None]:
        """Nobody reads the table of a source in the block: its dump waits."""
        (site,) = (site for site, name in SITES.items() if name == source)
        with session(self.databases[site].superuser.at(dbname=source), limit=_LONG, settings=False) as opened:
            opened.rows("begin")
            opened.rows("lock table t in access exclusive mode")
            yield

    def materialized(self, source: str) -> int:
        """How many dumps of a source Dagster knows of."""
        return len(self.instance.fetch_materializations(dg.AssetKey([source, "dump"]), limit=100).records)

    def dumps(self, source: str) -> list[Any]:
        """Attempts to dump a source, oldest first."""
        return [*reversed(self.workspace().ledger.recent(source=source, kind="dump"))]

    def logs(self) -> str:
        """What everybody has said, for who asks why."""
        runs = "".join(path.read_text(errors="replace") for path in self.centre.folder.glob("run*.log"))
        return "\n".join([runs, *(f"--- {each.name}\n{each.log}" for each in self.everybody)])


def wait_until(condition: Callable[[], object], said: Callable[[], str] = str, *, seconds: float = 120) -> None:
    """Wait for something that happens by itself."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, said()
        time.sleep(0.1)


@contextmanager
def machines(directory: Path, network: Network, broker: Broker, **execution: str) -> Iterator[Machines]:
    """All of them, with workers that are not started yet.

    Args:
        execution: more keys of `execution:`.
    """
    with ExitStack() as undo:
        shared = undo.enter_context(_database(directory / "shared", {"listen_addresses": network.centre}))
        for name in ("ledger", "dagster"):
            shared.new_database(name)
        bucket = undo.enter_context(_bucket(network.centre))
        identity = pyrage.x25519.Identity.generate()
        document = _document(bucket, str(identity.to_public()), execution)
        common = _environment(shared, network.centre, broker, bucket)
        centre = _machine(directory, "centre", document, {**common, "OPS_IDENTITY": str(identity)})
        (centre.folder / "dagster.yaml").write_text(_DAGSTER.format(host=network.centre, port=shared.port), "utf-8")
        databases, sites = {}, {}
        for site, source in SITES.items():
            inside = network.inside(site)
            server = undo.enter_context(_database(directory / f"db-{site}", {"port": "5432"}, before=inside))
            server.sql(_ROWS, database=server.new_database(source))
            databases[site] = server
            own = {f"{source.upper()}_URL": server.url(source, host="127.0.0.1")}
            sites[site] = _machine(directory, site, document, {**common, **own}, before=inside)
        here = undo.enter_context(pytest.MonkeyPatch.context())  # who looks at them stands at the centre
        for name in set(centre.environment) - {"PATH", "HOME", "OPS_CONFIG"}:
            here.setenv(name, centre.environment[name])
        instance = undo.enter_context(dg.DagsterInstance.from_config(str(centre.folder)))
        _share_key(centre, sites.values())
        made = Machines(network, broker, shared, bucket, centre, sites, databases, instance)
        for each in made.everybody:
            undo.callback(each.stop_worker)
        yield made


@contextmanager
def _database(directory: Path, settings: Mapping[str, str], before: Sequence[str] = ()) -> Iterator[TestServer]:
    """A server that lets in whoever reaches it and knows the password."""
    directory.mkdir()
    access = directory / "pg_hba.conf"
    access.write_text("local all all scram-sha-256\nhost all all 0.0.0.0/0 scram-sha-256\n", "ascii")
    for path in (directory, access):
        path.chmod(0o755)
    with start_server(DEBIAN, directory, {**settings, "hba_file": str(access)}, before=before) as server:
        yield server


@contextmanager
def _bucket(host: str) -> Iterator[Bucket]:
    server = ThreadedMotoServer(ip_address=host, port=0, verbose=False)
    server.start()
    try:
        yield new_bucket(f"http://{host}:{server.get_host_and_port()[1]}", "moto-access", "moto-secret")
    finally:
        server.stop()


def _document(bucket: Bucket, recipient: str, execution: Mapping[str, str]) -> dict[str, Any]:
    """The `ops.yaml` of every machine: what differs between them is in their environment."""
    return {
        "base": "${OPS_BASE}",
        "ledger": {"env": "OPS_LEDGER_URL"},
        "execution": {
            "kind": "celery", "broker": {"env": "OPS_BROKER_URL"}, "here": "${OPS_SITE:-centre}", "verify_at": "centre",
            **execution,
        },
        "defaults": {
            "encrypt": {"age": [recipient], "identity": {"env": "OPS_IDENTITY"}},
            "copies": ["far"],
            "keep": {"last": 1, "daily": 0, "weekly": 0, "monthly": 0, "min_verified": 2},
        },
        "stores": {
            "far": {
                "kind": "s3", "bucket": bucket.name, "endpoint": bucket.endpoint, "offsite": True,
                "credentials": {"env": "FAR"},
            },
        },
        "sources": {
            source: {"kind": "postgres", "url": {"env": f"{source.upper()}_URL"}, "site": site}
            for site, source in SITES.items()
        },
    }  # fmt: skip


def _environment(shared: TestServer, host: str, broker: Broker, bucket: Bucket) -> dict[str, str]:
    """What every machine has: the way to all that is shared."""
    return {
        "PATH": os.environ["PATH"],
        "OPS_LEDGER_URL": f"postgresql://boss:{quote(PASSWORD, safe='')}@{host}:{shared.port}/ledger",
        "SHARED_PASSWORD": PASSWORD,
        "OPS_BROKER_URL": broker.url,
        "FAR_ACCESS_KEY_ID": bucket.access_key,
        "FAR_SECRET_ACCESS_KEY": bucket.secret_key,
        "PYTHONUNBUFFERED": "1",
    }


def _machine(
    directory: Path,
    name: str,
    document: Mapping[str, Any],
    environment: Mapping[str, str],
    before: list[str] | None = None,
) -> Machine:
    folder = directory / name
    folder.mkdir(mode=0o700)
    (folder / "ops.yaml").write_text(json.dumps(document, indent=1), "utf-8")  # JSON is YAML
    own = {
        "OPS_SITE": name, "OPS_BASE": str(folder / "base"), "OPS_CONFIG": str(folder / "ops.yaml"),
        "OPS_DAGSTER_DIR": str(folder / "dagster"), "DAGSTER_HOME": str(folder), "HOME": str(folder),
    }  # fmt: skip
    return Machine(name, folder, {**environment, **own}, before or [])


def _share_key(centre: Machine, others: Iterable[Machine]) -> None:
    """Make the installation's key at the centre, and bring it to the other machines."""
    keys = Keys(centre.folder / "base" / "keys")
    keys.signer(datetime.now(timezone.utc))
    for each in others:
        shutil.copytree(keys.directory, each.folder / "base" / "keys")
