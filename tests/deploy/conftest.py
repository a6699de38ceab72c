"""One machine as `deploy/compose.yaml` describes it, on loopback: a real PostgreSQL, and a real Caddy before it all."""

import base64
import json
import os
import secrets
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import TestServer
from tests.deploy.parts import DEPLOY, PARTS, House, compose, free_port, until
from tests.sample import write_config

LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "ops_pipelines"}


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes


@dataclass
class Machine:
    """The house from outside: one address, and logins."""

    house: House
    url: str
    token: str
    bucket: Any
    database: str
    _tls: ssl.SSLContext

    def get(
        self, path: str, *, user: str = "", data: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Ask for a path, as nobody or with the password that `secrets.sh` made for a user."""
        request = urllib.request.Request(self.url + path, data, headers or {})
        if user:
            password = (self.house.directory / f"secrets/{user}s.password").read_text(encoding="utf-8")
            login = base64.b64encode(f"{user}:{password}".encode()).decode()
            request.add_header("Authorization", f"Basic {login}")
        try:
            with urllib.request.urlopen(request, timeout=60, context=self._tls) as answer:
                return Answer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read())

    def ask(self, query: str, *, user: str = "operator", **variables: object) -> Any:
        """A GraphQL query's data, through the door."""
        where = "/operate/graphql" if user == "operator" else "/graph/graphql"
        body = json.dumps({"query": query, "variables": variables}).encode()
        answer = self.get(where, user=user, data=body, headers={"Content-Type": "application/json"})
        assert answer.status == 200, answer
        return json.loads(answer.body)["data"]

    def runs(self, user: str = "viewer") -> dict[str, str]:
        """How every run stands, by its id."""
        found = self.ask("{ runsOrError { ... on Runs { results { runId status } } } }", user=user)["runsOrError"]
        return {run["runId"]: run["status"] for run in found["results"]}

    def ended(self, run_id: str) -> str:
        """Wait for the end of a run; returns how it ended."""

        def status() -> str | None:
            found = self.runs()[run_id]
            return found if found in ("SUCCESS", "FAILURE", "CANCELED") else None

        return until(status, f"the run does not end\n{self.house.log('daemon')}\n{self.house.log('code-server')}")


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """The bucket `logs` on an S3 server."""
    import boto3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    login = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    opened = boto3.resource("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **login).Bucket("logs")
    opened.create()
    yield opened
    server.stop()


@pytest.fixture(scope="module")
def machine(pg18: TestServer, bucket: Any) -> Iterator[Machine]:
    """Everything installed and started, every part healthy."""
    with TemporaryDirectory(prefix="ops-") as name:  # sockets want a short path
        directory = Path(name)
        for folder in ("etc", "run", "var/dagster", "logs"):
            (directory / folder).mkdir(parents=True)
        ports = {name: free_port() for name in ("status", "viewer", "operator", "proxy", "http")}
        house = House(
            directory,
            {
                "/run/ops_pipelines": f"{name}/run", "/run/secrets": f"{name}/secrets",
                "/etc/ops_pipelines": f"{name}/etc", "/var/lib/ops_logs": f"{name}/logs",
                "/var/lib/ops_pipelines": f"{name}/var",
                "/etc/caddy/Caddyfile": str(DEPLOY / "Caddyfile"), "0.0.0.0": "127.0.0.1",
                "status:8700": f"127.0.0.1:{ports['status']}", "8700": str(ports["status"]),
                "viewer:3000": f"127.0.0.1:{ports['viewer']}", "3000": str(ports["viewer"]),
                "operator:3001": f"127.0.0.1:{ports['operator']}", "3001": str(ports["operator"]),
                "localhost": f"localhost:{ports['proxy']}", "443": str(ports["proxy"]),
                "postgres": "127.0.0.1", "5432": str(pg18.port),
            },
        )  # fmt: skip
        for part in ("migrate", *PARTS):
            house.services[part]["environment"] |= {
                "OPS_HTTP_PORT": str(ports["http"]), "OPS_LOGS_BUCKET": "logs", "OPS_LOGS_PREFIX": "ops",
                "OPS_LOGS_ENDPOINT": bucket.meta.client.meta.endpoint_url, "OPS_LOGS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
            }  # fmt: skip
        database = install(directory, pg18, house)
        try:
            house.run("migrate", *compose()["services"]["migrate"]["command"])
            house.start(*PARTS)
            for part in ("code-server", "viewer", "operator", "status", "proxy"):
                house.healthy(part)
            tls = ssl.create_default_context(cafile=str(directory / "caddy/pki/authorities/local/root.crt"))
            token = (directory / "secrets/web_token").read_text(encoding="utf-8")
            yield Machine(house, f"https://localhost:{ports['proxy']}", token, bucket, database, tls)
        finally:
            house.stop()


def install(directory: Path, server: TestServer, house: House) -> str:
    """What an administrator does before the first start. Returns the database that is protected."""
    subprocess.run([DEPLOY / "secrets.sh", directory / "secrets"], check=True, stdout=subprocess.DEVNULL)
    url = directory / "secrets/ledger_url"
    url.write_text(url.read_text(encoding="utf-8").replace("postgres:5432", f"127.0.0.1:{server.port}"), "utf-8")
    login = server.superuser.environment()
    subprocess.run(
        [DEPLOY / "postgres/10-databases.sh"],
        env={
            **os.environ, **login, "PGHOST": "127.0.0.1", "PGPORT": str(server.port), "POSTGRES_USER": "boss",
            "PATH": f"{server.programs.path('psql').parent}:{os.environ['PATH']}",
            "OPS_SECRETS": str(directory / "secrets"),
        },
        check=True,
    )  # fmt: skip
    shutil.copy(DEPLOY / "dagster-s3.yaml", directory / "etc/dagster.yaml")
    shutil.copy(DEPLOY / "workspace.yaml", directory / "etc/workspace.yaml")
    crm = server.new_database(f"crm_{secrets.token_hex(3)}")
    server.sql("create table companies as select i as id from generate_series(1, 500) i", database=crm)
    top = f"ledger: {{file: {directory}/secrets/ledger_url}}\nweb: {{token: {{file: {directory}/secrets/web_token}}}}"
    write_config(directory / "etc", server.superuser.at(dbname=crm), top=top)
    return crm
