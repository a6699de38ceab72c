"""From an empty folder to verified backups, and from a kit and a store back to our own history."""

import json
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ops_pipelines.config.load import load_config
from ops_pipelines.workspace import Workspace
from tests.conftest import PASSWORD, TestServer
from tests.engines.mongodb.conftest import PASSWORD as MONGO_PASSWORD
from tests.engines.mongodb.conftest import USER as MONGO_USER
from tests.engines.mongodb.conftest import TestServer as MongoServer
from tests.engines.mysql.conftest import CANARY
from tests.engines.mysql.conftest import TestServer as MySQLServer
from tests.sample import files_holding

OPS = str(Path(sys.executable).with_name("ops"))
SECRETS = (PASSWORD, CANARY, MONGO_PASSWORD)


@dataclass
class Home:
    """A folder of an application, and the variables that are set where `ops` is typed."""

    folder: Path
    variables: dict[str, str]

    def ops(self, *words: str, expect: int = 0) -> Any:
        """Type a command with `--json`; returns what it printed."""
        done = subprocess.run(
            [OPS, *words, "--json"], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == expect, done.stdout + done.stderr
        for secret in SECRETS:
            assert secret not in done.stdout + done.stderr
        return json.loads(done.stdout)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing but a PATH, a home and the variables."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TZ": "Europe/Prague", **self.variables}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, pg18: TestServer, mariadb: MySQLServer, mongo: MongoServer) -> Home:
    """An application with PostgreSQL in a compose file, MariaDB in `.env`, MongoDB in the environment, and uploads."""
    folder = tmp_path_factory.mktemp("application")
    shop, forum, tickets = pg18.new_database("shop"), mariadb.new_database("forum"), mongo.new_database()
    pg18.sql("create table orders (id int primary key)", "insert into orders values (1), (2)", database=shop)
    mariadb.sql("create table posts (id int primary key)", "insert into posts values (1)", database=forum)
    tickets["open"].insert_many([{"n": 1}, {"n": 2}])
    (folder / ".env").write_text(f'PG_PASSWORD="{PASSWORD}"\nFORUM_DATABASE_URL={mariadb.url(forum)}\n')
    services = {
        "db": {
            "image": "docker.io/library/postgres:18-alpine",
            "ports": [f"127.0.0.1:{pg18.port}:5432"],
            "environment": ["POSTGRES_USER=boss", "POSTGRES_PASSWORD=${PG_PASSWORD}", f"POSTGRES_DB={shop}"],
        },
        "hidden": {"image": "mariadb:11", "environment": {"MARIADB_DATABASE": "hidden", "MARIADB_USER": "app"}},
        "exporter": {"image": "prometheuscommunity/postgres-exporter", "ports": ["9187:9187"]},
    }
    (folder / "compose.yaml").write_text(json.dumps({"services": services}))
    (folder / "public/uploads").mkdir(parents=True)
    (folder / "public/uploads/a.jpg").write_bytes(b"picture")
    variables = {
        "MONGO_HOST": "127.0.0.1", "MONGO_PORT": str(mongo.port), "MONGO_USER": MONGO_USER,
        "MONGO_PASSWORD": MONGO_PASSWORD, "MONGO_DATABASE": tickets.name,
    }  # fmt: skip
    return Home(folder, variables)


@pytest.fixture(scope="module")
def begun(home: Home) -> Any:
    """What `ops init` said."""
    return home.ops("init", "--yes", "--store", str(home.folder.parent / "nas"), expect=1)


def test_init_finds_what_is_there_asks_whether_it_answers_and_writes_no_secret(home: Home, begun: Any) -> None:
    found = {each["name"]: (each["kind"], each["protected"]) for each in begun["databases"]}
    tickets = home.variables["MONGO_DATABASE"]
    assert found == {
        "shop": ("postgres", True), "forum": ("mysql", True), tickets: ("mongodb", True), "hidden": ("mysql", True),
    }  # fmt: skip
    assert "publishes no port" in {each["name"]: each["problem"] for each in begun["databases"]}["hidden"]
    assert [(each["name"], each["files"]) for each in begun["folders"]] == [("public_uploads", 1)]
    assert begun["next"] == ["ops doctor"]
    keys = sorted((home.folder / "keys").iterdir())
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home.folder / "keys", *keys)} == {
        "keys": 0o700, "age.key": 0o600, "restic.password": 0o600, "shop.url": 0o600, "forum.url": 0o600,
        f"{tickets}.url": 0o600, "hidden.url": 0o600,
    }  # fmt: skip
    held = {path.relative_to(home.folder).parts[0] for path in files_holding(home.folder, *SECRETS, "canary-pw%2Fwith")}
    assert held <= {".env", "keys"}
    config = load_config(home.folder / "ops.yaml", environ={})
    assert (list(config.sources)[-1], config.timezone) == ("ops", "Europe/Prague")
    assert "NOT REACHED YET: the service publishes no port" in (home.folder / "ops.yaml").read_text()


def test_init_overwrites_nothing_unasked_and_never_a_key(home: Home, begun: Any) -> None:
    assert "ops.yaml" in begun["written"]
    before = {path: path.read_bytes() for path in home.folder.rglob("*") if path.is_file()}
    refused = home.ops("init", "--yes", expect=3)
    assert "exists already" in refused["what"]
    assert "no terminal" in home.ops("init", "--force", expect=2)["what"]
    assert {path: path.read_bytes() for path in before} == before
    key = (home.folder / "keys/age.key").read_bytes()
    (home.folder / "dagster.yaml").write_text("# mine\n" + (home.folder / "dagster.yaml").read_text())
    again = home.ops("init", "--yes", "--force", "--store", str(home.folder.parent / "nas"), expect=1)
    assert {"keys/age.key", "keys/restic.password", "dagster.yaml"} <= set(again["kept"])
    assert ((home.folder / "keys/age.key").read_bytes(), again["recipient"]) == (key, begun["recipient"])
    unset = home.ops("init", str(home.folder / "other"), "--yes", "--database-url-env", "NOT_SET", expect=2)
    assert ("NOT_SET is not set" in unset["what"], (home.folder / "other").exists()) == (True, False)


def test_what_init_wrote_is_backed_up_verified_and_brings_our_own_history_back(home: Home, begun: Any) -> None:
    assert begun["written"]
    composed = json.loads((home.folder / "compose.yaml").read_text())
    del composed["services"]["hidden"]  # it answers nobody here, and its backups would fail
    (home.folder / "compose.yaml").write_text(json.dumps(composed))
    home.ops("init", "--yes", "--force", "--store", str(home.folder.parent / "nas"))
    runs = home.ops("backup")["runs"]
    assert {run["source"]: run["verdict"] for run in runs} == dict.fromkeys(
        ["shop", "forum", home.variables["MONGO_DATABASE"], "public_uploads", "ops"], "verified"
    )
    shop = next(run for run in runs if run["source"] == "shop")
    # The machine is lost: what is left is the store, and the kit with its passphrase.
    (home.folder / "passphrase").write_text("correct horse battery staple")
    home.ops("kit", "--to", str(home.folder.parent / "kit"), "--passphrase-file", "passphrase")
    for name in ("var", "keys", "ops.yaml", "dagster.yaml"):
        lost = home.folder / name
        lost.rename(home.folder.parent / f"lost-{name}")
    clean = Home(home.folder.parent / "clean", {})
    clean.folder.mkdir()
    runbook = f"""set -eu
        sh ../kit/recover.sh open opened --passphrase-file PASSPHRASE
        mkdir -m 700 keys && cp opened/ops.yaml . && cp opened/keys/*.key keys/age.key
        {OPS} key import opened/signing
        {OPS} restore ops --to ./restored --from second || [ $? = 1 ]
        rm -f var/backups/ledger.sqlite*
        mkdir -p var/backups && cp -a restored{home.folder}/var/. var/
        cp {home.folder}/workspace.yaml .
    """
    runbook = runbook.replace("PASSPHRASE", str(home.folder / "passphrase"))
    done = subprocess.run(
        ["sh", "-c", runbook], cwd=clean.folder, env=clean.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copy(home.folder.parent / "lost-dagster.yaml", clean.folder / "dagster.yaml")
    shutil.copy(home.folder.parent / "lost-keys/restic.password", clean.folder / "keys")
    # Nothing is on this machine's own disk yet, and what is advised brings it back.
    lost = {each["source"]: each["next"] for each in clean.ops("status", expect=1)["sources"]}
    # Our own history is as it was before its own backup, which it does not know.
    assert lost.pop("ops") == ""
    assert lost == {name: f"ops copy {name} --to local" for name in lost}
    for advised in lost.values():
        clean.ops(*advised.split()[1:])
    known = {each["source"]: each for each in clean.ops("status")["sources"]}
    assert {name: each["state"] for name, each in known.items()} == dict.fromkeys(known, "OK")
    assert known["shop"]["recovery_point"] == shop["backup_id"]
    workspace = Workspace(load_config(clean.folder / "ops.yaml", environ={}))
    told = {(row.source, row.kind, row.status) for row in workspace.ledger.recent(limit=500)}
    assert {("shop", "dump", "succeeded"), ("shop", "verify", "succeeded"), ("forum", "copy", "succeeded")} <= told
    before = Path.cwd()
    os.chdir(clean.folder)
    try:
        with dg.DagsterInstance.from_config(str(clean.folder)) as instance:
            record = instance.get_run_by_id(shop["run_id"])
            assert record is not None and record.status is dg.DagsterRunStatus.SUCCESS
            assert instance.all_logs(shop["run_id"], of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    finally:
        os.chdir(before)
