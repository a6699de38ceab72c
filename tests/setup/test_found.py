"""What is recognised where, without a server; and a terminal that is asked."""

import os
import pty
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.settings import PostgresSource
from ops_pipelines.engines.sqlite.settings import SQLiteSource
from ops_pipelines.setup import compose, variables
from ops_pipelines.setup.document import Choice, Copies
from ops_pipelines.setup.found import Database, Folder, database_of
from ops_pipelines.setup.own import own
from ops_pipelines.setup.write import write

DEPLOY = Path(__file__).parents[2] / "deploy"


def found(values: dict[str, str]) -> dict[str, tuple[str, str, str]]:
    """What variables name: each source's kind, URL, and the variable that may stand in `ops.yaml`."""
    named = variables.named_by(values, "environment", directory=Path("/srv"), lasting=True)
    return {each.name: (each.kind, each.url, each.variable) for each in named}


def test_urls_and_parts_of_every_framework_are_recognised_and_others_are_not() -> None:
    assert found(
        {
            "CRM_DATABASE_URL": "postgresql+psycopg2://u:p%40@h:5433/crm?sslmode=require",
            "DATABASE_URL": "postgres://u@h/shop",
            "MONGODB_URI": "mongodb+srv://u:p@cluster/tickets",
            "LEGACY_DSN": "mysql2://u:p@h/legacy",
            "CELERY_BROKER_URL": "redis://h/0",
            "HOMEPAGE_URL": "https://example.com/x",
            "NO_NAME_URL": "mysql://u:p@h",
            "BROKEN_URL": "postgres://u:p@h:port/x",
        }
    ) == {
        "crm": ("postgres", "postgresql+psycopg2://u:p%40@h:5433/crm?sslmode=require", "CRM_DATABASE_URL"),
        "shop": ("postgres", "postgres://u@h/shop", "DATABASE_URL"),
        "tickets": ("mongodb", "mongodb+srv://u:p@cluster/tickets", "MONGODB_URI"),
        "legacy": ("mysql", "mysql2://u:p@h/legacy", "LEGACY_DSN"),
        "broken": ("postgres", "postgres://u:p@h:port/x", "BROKEN_URL"),
    }
    assert found({"PGHOST": "/run/pg", "PGPORT": "5433", "PGUSER": "me", "PGDATABASE": "a/b"}) == {
        "a_b": ("postgres", "postgresql://me@/a%2Fb?host=%2Frun%2Fpg&port=5433", "")
    }
    laravel = {"DB_CONNECTION": "mysql", "DB_HOST": "db", "DB_DATABASE": "app", "DB_USERNAME": "u", "DB_PASSWORD": "#?"}
    assert found(laravel) == {"app": ("mysql", "mysql://u:%23%3F@db/app", "")}
    assert found({"MYSQL_HOST": "db", "PGSSLMODE": "require"}) == {}


def test_a_compose_file_is_read_as_compose_reads_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    (tmp_path / ".env").write_text("PORT=5544\nDOLLAR=x\n")
    (tmp_path / "compose.yaml").write_text("""
services:
  db:
    image: registry.example.com:5000/bitnami/postgresql:16
    ports: [{target: 5432, published: "${PORT}"}]
    environment: {POSTGRES_PASSWORD_FILE: ./secret, POSTGRES_DB: "${NAME:-shop}"}
  forum:
    image: mariadb:11
    ports: ["127.0.0.1:3307:3306/tcp"]
    environment: [MARIADB_ROOT_PASSWORD=a$$b, MARIADB_DATABASE=forum]
  admin: {image: phpmyadmin, ports: ["80:80"]}
  app: {build: .}
""")
    assert [(each.name, each.url, each.problem) for each in compose.read(tmp_path, {}).databases] == [
        ("shop", "postgresql://postgres:from%20a%20file@127.0.0.1:5544/shop", ""),
        ("forum", "mysql://root:a%24b@127.0.0.1:3307/forum", ""),
    ]
    (tmp_path / "compose.yaml").write_text("services: [")
    assert compose.read(tmp_path, {}).databases == ()


def test_a_url_that_cannot_be_read_is_told_and_not_protected() -> None:
    [broken] = variables.named_by({"SHOP_URL": "postgres://u:canary@x?a=b@host/db"}, ".env", directory=Path())
    assert "more than one way" in broken.problem
    assert "canary" not in broken.problem


def test_our_own_state_is_a_source_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(DEPLOY / "dagster.yaml", tmp_path / "dagster.yaml")
    environ = {
        "DAGSTER_PG_USER": "ops", "DAGSTER_PG_PASSWORD": "p/w", "DAGSTER_PG_DB": "dagster", "DAGSTER_PG_PORT": "5432",
        "LEDGER_URL": "postgresql+psycopg://ops:p%2Fw@db/ledger",
    }  # fmt: skip
    monkeypatch.setenv("LEDGER_URL", environ["LEDGER_URL"])
    ours = own(tmp_path, environ, ledger="LEDGER_URL")
    assert (ours.files, ours.unknown) == ([], [])
    write(tmp_path, Choice(own=ours, ledger="LEDGER_URL"), replace=False, environ=environ)
    config = load_config(tmp_path / "ops.yaml", environ=environ)
    servers = {name: each for name, each in config.sources.items() if isinstance(each, PostgresSource)}
    urls = {name: each.url.reveal(purpose="a test") for name, each in servers.items()}
    assert urls == {
        "ops_ledger": "postgresql+psycopg://ops:p%2Fw@db/ledger",
        "ops_dagster": "postgresql://ops:p%2Fw@/dagster?host=%2Fvar%2Frun%2Fpostgresql&port=5432",
    }
    assert config.ledger is not None and config.ledger.env == "LEDGER_URL"
    (tmp_path / "dagster.yaml").write_text("storage: {mysql: {mysql_url: x}}")
    assert "it is unclear where" in own(tmp_path, environ).unknown[0]


def test_whatever_is_chosen_ops_check_accepts_it(tmp_path: Path) -> None:
    odd = database_of("mysql://u:p@h/x", origin="a: 'quoted' # origin\nof two lines", name="Ünïcode 1")
    assert odd is not None and odd.name == "n_code_1"
    for number, copies in enumerate((None, Copies("/mnt/my nas: #1"), Copies("s3://bucket/a b", "https://s3.example"))):
        directory = tmp_path / str(number)
        folder = Folder("uploads", directory / "with: a space", 3, 10)
        left = Database(
            "postgres", "gone", "postgresql://h/gone", "GONE_URL", "GONE_URL", problem="no: {route}\nat all"
        )
        choice = Choice([odd], [folder], own(directory, {}), [left], copies, "Europe/Prague")
        assert write(directory, choice, replace=False, environ={}).written[0] == "ops.yaml"
        config = load_config(directory / "ops.yaml", environ={})
        assert list(config.sources) == ["n_code_1", "uploads", "ops"]
        assert isinstance(config.sources["ops"], SQLiteSource)
        assert config.group_of("n_code_1") == ["n_code_1", "uploads"]
        assert bool(config.sources["ops"].copies) == (copies is not None)


def test_on_a_terminal_each_thing_is_asked_for(tmp_path: Path) -> None:
    for name in ("uploads", "media"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("x")
    terminal, ours = pty.openpty()
    os.write(terminal, f"y\nn\n{tmp_path}/nas\n".encode())
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ops")), "init"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        stdin=ours,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(ours)
    os.close(terminal)
    assert done.returncode == 0, done.stdout + done.stderr
    config = load_config(tmp_path / "ops.yaml", environ={})
    assert (list(config.sources), config.defaults.copies) == (["uploads", "ops"], ("second",))
    assert "Keep a copy of it on another machine" in done.stdout


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("services: {a: {image: postgres, ports: 5432}}", id="one-port-by-itself"),
        pytest.param("services: {a: {image: mysql, environment: 3, env_file: 4}}", id="numbers-for-lists"),
        pytest.param("services: {a: {image: app, volumes: 3}}", id="number-for-volumes"),
        pytest.param('services: {a: {image: mysql, env_file: "a\\0b"}}', id="no-file-name"),
        pytest.param("services: {a: {image: 2001-99-99}}", id="no-day"),
        pytest.param("services: " + "[" * 2000, id="deep"),
        pytest.param("services: &a {a: *a}", id="contains-itself"),
        pytest.param("services:\n  a: &a [1,2,3,4,5,6,7,8,9]\n" + "".join(
            f"  {name}: &{name} [{','.join(9 * [f'*{before}'])}]\n" for before, name in pairwise("abcdefghijkl")),
            id="billions-of-values"),
    ],
)  # fmt: skip
def test_a_compose_file_that_compose_refuses_does_not_stop_ops_init(text: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(text, encoding="utf-8")
    compose.read(tmp_path, {})


def test_a_secret_that_is_no_text_is_no_password(tmp_path: Path) -> None:
    (tmp_path / "pw").write_bytes(b"\xff\xfe")
    (tmp_path / "compose.yaml").write_text(
        "services: {a: {image: postgres, ports: ['5432:5432'], environment: {POSTGRES_PASSWORD_FILE: pw}}}", "utf-8"
    )
    (found_there,) = compose.read(tmp_path, {}).databases
    assert found_there.url == "postgresql://postgres@127.0.0.1:5432/postgres"
