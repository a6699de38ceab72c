"""What `ops init` finds in the projects of frameworks, and what it says where it finds nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ops_pipelines.config.load import load_config
from ops_pipelines.engines.sqlite.settings import SQLiteSource
from ops_pipelines.setup import clients, compose, units, variables
from ops_pipelines.setup.found import Database
from ops_pipelines.setup.projects import look

OPS = str(Path(sys.executable).with_name("ops"))

DJANGO = {
    "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings")',
    "site_/__init__.py": "",
}
SPRING = {"pom.xml": "<artifactId>spring-boot-starter-data-jpa</artifactId>"}
LARAVEL = {"artisan": "#!/usr/bin/env php"}
SYMFONY = {"bin/console": "#!/usr/bin/env php"}

CASES: dict[str, tuple[dict[str, str], dict[str, str], list[str]]] = {
    "django, hard-coded": (
        DJANGO
        | {
            "site_/settings.py": """
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "USER": "u", "PASSWORD": "p/w",
                         "HOST": "db.example", "PORT": 5433}}
"""
        },
        {},
        ["postgresql://u:p%2Fw@db.example:5433/shop"],
    ),
    "django, variables in every spelling": (
        DJANGO
        | {
            "site_/settings.py": """
import os
from decouple import config
env = environ.Env()
DATABASES = {
    "default": {"ENGINE": os.environ.get("DB_BACKEND", "django.db.backends.mysql"), "NAME": os.environ["SHOP"],
                "USER": config("SHOP_USER", default="u"), "PASSWORD": env.str("SHOP_SECRET"),
                "HOST": os.getenv("SHOP_HOST", "127.0.0.1")},
    "log": env.db("LOG", default="postgres://h/log"),
    "old": dj_database_url.parse("mysql://u:p@h/old"),
}
"""
        },
        {"SHOP": "shop", "SHOP_SECRET": "s"},
        ["mysql://u:s@127.0.0.1/shop", "postgres://h/log", "mysql://u:p@h/old"],
    ),
    "django, settings in parts": (
        DJANGO
        | {
            "manage.py": 'setdefault("DJANGO_SETTINGS_MODULE", "site_.settings.dev")',
            "site_/settings/base.py": "NAME = 'shop'\nDATABASES = {'default': {'ENGINE': 'x.postgis', 'NAME': NAME}}",
            "site_/settings/dev.py": "from .base import *\nDATABASES['default']['HOST'] = 'dev'",
            "site_/settings/production.py": "from .base import *\nDATABASES['default']['HOST'] = 'live'",
        },
        {},
        ["postgresql://live/shop"],
    ),
    "django, as it is begun": (
        DJANGO
        | {
            "site_/settings.py": """
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
"""
        },
        {},
        ["sqlite:///HERE/db.sqlite3"],
    ),
    "rails": (
        {
            "config/database.yml": """
default: &default
  adapter: postgresql
  pool: <%= ENV.fetch("RAILS_MAX_THREADS") { 5 } %>
development:
  <<: *default
  database: shop_development
production:
  primary: &primary
    <<: *default
    host: <%= ENV.fetch("SHOP_HOST", "db.example") %>
    database: shop_production
    username: shop
    password: <%= ENV["SHOP_DATABASE_PASSWORD"] %>
  cache:
    <<: *primary
    database: shop_cache
"""
        },
        {"SHOP_DATABASE_PASSWORD": "a: #b"},
        [
            "postgresql://shop:a%3A%20%23b@db.example/shop_production",
            "postgresql://shop:a%3A%20%23b@db.example/shop_cache",
        ],
    ),
    "rails with mysql on a socket": (
        {"config/database.yml": "production: {adapter: trilogy, database: shop, username: u, socket: /run/m.sock}"},
        {},
        ["mysql://u@localhost/shop?socket=%2Frun%2Fm.sock"],
    ),
    "laravel": (
        LARAVEL
        | {
            "config/database.php": """
'default' => env('DB_CONNECTION', 'mysql'),
'connections' => [
    'mysql' => [
        'driver' => 'mysql',
        'host' => env('DB_HOST', '127.0.0.1'), 'port' => env('DB_PORT', '3306'),
        'database' => env('DB_DATABASE', 'forge'), 'username' => env('DB_USERNAME', 'forge'),
        'password' => 'hard-coded',
    ],
],
"""
        },
        {"DB_DATABASE": "shop"},
        ["mysql://forge:hard-coded@127.0.0.1:3306/shop"],
    ),
    "laravel, as it is begun": (
        LARAVEL | {".env": "DB_CONNECTION=sqlite"},
        {"DB_CONNECTION": "sqlite"},
        ["sqlite:///HERE/database/database.sqlite"],
    ),
    "symfony": (
        SYMFONY | {"config/packages/doctrine.yaml": "doctrine: {dbal: {url: '%env(resolve:DATABASE_URL)%'}}"},
        {"DATABASE_URL": "mysql://app:p@127.0.0.1:3306/app?serverVersion=8.0.32&charset=utf8mb4"},
        ["mysql://app:p@127.0.0.1:3306/app?serverVersion=8.0.32&charset=utf8mb4"],
    ),
    "symfony with parameters": (
        SYMFONY
        | {
            "config/packages/doctrine.yaml": """
doctrine:
  dbal:
    connections:
      default: {driver: pdo_pgsql, host: db, dbname: shop, user: u, password: '%env(SHOP_PASSWORD)%'}
"""
        },
        {"SHOP_PASSWORD": "p"},
        ["postgresql://u:p@db/shop"],
    ),
    "prisma": (
        {
            "prisma/schema.prisma": 'datasource db {\n provider = "postgresql"\n url = env("POOLED")\n'
            ' directUrl = env("DIRECT")\n}'
        },
        {"POOLED": "postgresql://u:p@h:6543/shop?pgbouncer=true", "DIRECT": "postgresql://u:p@h/shop?schema=public"},
        ["postgresql://u:p@h/shop?schema=public"],
    ),
    "spring, properties": (
        SPRING
        | {
            "src/main/resources/application.properties": "spring.datasource.username=u\nspring.datasource.url="
            "jdbc:postgresql://${DB_HOST:localhost}:5432/shop\nspring.datasource.password=${DB_PASSWORD}\n"
        },
        {"DB_PASSWORD": "p@"},
        ["jdbc:postgresql://u:p%40@localhost:5432/shop"],
    ),
    "spring, the production profile of yaml": (
        SPRING
        | {
            "src/main/resources/application.yml": "spring: {datasource: {url: 'jdbc:h2:mem:x', username: u}}",
            "src/main/resources/application-prod.yml": "spring: {datasource: {url: 'jdbc:mariadb://h/shop', "
            "password: p}, data: {mongodb: {host: m, database: log}}}",
        },
        {},
        ["jdbc:mariadb://u:p@h/shop", "mongodb://m/log"],
    ),
    "wordpress": (
        {
            "wp-config.php": "define( 'DB_NAME', 'blog' );\ndefine('DB_USER', 'u');define('DB_PASSWORD', 'it\\'s');\n"
            "define('DB_HOST', 'localhost:/run/m.sock');\n$table_prefix = 'wp_';"
        },
        {},
        ["mysql://u:it%27s@localhost/blog?socket=%2Frun%2Fm.sock"],
    ),
    "a repository of several": (
        {f"backend/{name}": text for name, text in DJANGO.items()}
        | {
            "backend/.env": "SHOP=shop",
            "backend/site_/settings.py": "import os\nDATABASES = {'default': "
            "{'ENGINE': 'x.mysql', 'HOST': 'h', 'NAME': os.environ['SHOP']}}",
        },
        {},
        ["mysql://h/shop"],
    ),
}


def lay(folder: Path, files: dict[str, str]) -> Path:
    """A folder with files in it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("case", CASES)
def test_a_projects_own_settings_name_its_databases(case: str, tmp_path: Path) -> None:
    files, values, wanted = CASES[case]
    [project] = look.projects(lay(tmp_path, files), values)
    assert [each.url.replace(str(tmp_path), "/HERE") for each in project.databases] == [
        each.replace("///HERE", "////HERE") for each in wanted
    ]
    assert project.missing is None


MISSING = {
    "django": DJANGO | {"site_/settings.py": "DATABASES = vault.read('database')"},
    "rails": {"config/database.yml": "production: <%= Rails.application.credentials.db %>"},
    "spring": SPRING,
    "laravel": LARAVEL | {".env": "DB_CONNECTION=mysql"},
    "symfony": SYMFONY | {"config/packages/doctrine.yaml": "doctrine: {dbal: {url: '%env(DATABASE_URL)%'}}"},
    "prisma": {"prisma/schema.prisma": 'datasource db {\n url = env("DATABASE_URL")\n}'},
    "compose": {"compose.yaml": "services: {db: {image: 'mysql:8', environment: {MYSQL_ROOT_PASSWORD: x}}}"},
}


def init(folder: Path, *words: str, expect: int, variables: dict[str, str] | None = None) -> Any:
    """Type `ops init --yes` there; returns what it printed."""
    home = {"PATH": os.environ["PATH"], "HOME": str(folder), **(variables or {})}
    done = subprocess.run(
        [OPS, "init", "--yes", "--json", *words], cwd=folder, env=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_project_whose_database_is_not_found_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    for name, files in MISSING.items():
        folder = tmp_path / name
        lay(folder, files | {"media/a.jpg": "picture"})
        said = [each.missing for each in look.projects(folder, variables.dotenv(folder)[1])] + [
            *compose.read(folder, {}).missing
        ]
        assert len(said) == 1 and said[0] is not None and name in said[0].what.lower() + said[0].why
    django = tmp_path / "django"
    refused = init(django, expect=2)
    assert "the database of this Django project was not found" in refused["what"]
    assert "site_/settings.py" in refused["why"]
    assert not (django / "ops.yaml").exists()
    # Both commands that it advises work as they are typed.
    assert "export DATABASE_URL=" in refused["next"] and "ops init --yes --no-database" in refused["next"]
    init(django, "--database-url-env", "DATABASE_URL", expect=1, variables={"DATABASE_URL": "postgres://127.0.0.1:1/x"})
    (django / "ops.yaml").unlink()
    assert init(django, "--no-database", expect=0)["folders"][0]["name"] == "media"


def test_an_empty_folder_is_no_green_beginning(tmp_path: Path) -> None:
    assert "no database and no folder was found" in init(tmp_path, expect=2)["what"]
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_answer_is_protected_and_its_backup_fails_aloud(tmp_path: Path) -> None:
    lay(
        tmp_path,
        DJANGO | {"site_/settings.py": "DATABASES = {'default': {'ENGINE': 'x.sqlite3', 'NAME': 'db.sqlite3'}}"},
    )
    lay(tmp_path, {".env": "DATABASE_URL=postgresql://u:canary-pw@127.0.0.1:1/shop\n"})
    found = init(tmp_path, expect=1)
    assert {each["name"]: (each["protected"], bool(each["problem"])) for each in found["databases"]} == {
        "shop": (True, True), "db": (True, True),
    }  # fmt: skip
    text = (tmp_path / "ops.yaml").read_text()
    assert "NOT REACHED YET" in text and "canary" not in text
    config = load_config(tmp_path / "ops.yaml", environ={})
    assert isinstance(config.sources["db"], SQLiteSource)
    done = subprocess.run(
        [OPS, "backup", "shop"], cwd=tmp_path, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "cannot be opened" in done.stderr and "canary" not in done.stdout + done.stderr


def test_compose_networks_and_volumes_are_told_as_this_machine_has_them(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "compose.yaml": """
name: Shop
services:
  db: {image: "postgres:16", ports: ["127.0.0.1:5544:5432"], environment: {POSTGRES_PASSWORD: p, POSTGRES_DB: shop}}
  inner: {image: "mariadb:11", environment: {MARIADB_ROOT_PASSWORD: p, MARIADB_DATABASE: inner}}
  app:
    build: .
    volumes: ["media:/app/media:rw", "./data/uploads:/srv/uploads", "cache:/var/cache", {type: volume, source: ext,
              target: /app/storage}]
volumes: {media: {}, cache: {}, ext: {external: true, name: kept}}
"""
        },
    )
    found = compose.read(tmp_path, {}, volumes=Path("/volumes"))
    assert [(each.url, bool(each.problem)) for each in found.databases] == [
        ("postgresql://postgres:p@127.0.0.1:5544/shop", False),
        ("mysql://root:p@inner/inner", True),
    ]
    assert found.folders == [
        ("media", Path("/volumes/shop_media/_data")),
        ("uploads", tmp_path / "data/uploads"),
        ("ext", Path("/volumes/kept/_data")),
    ]
    inside = Database("postgres", "shop", "postgres://u:p@db:5432/shop", ".env")
    assert found.from_here(inside).url == "postgres://u:p@127.0.0.1:5544/shop"


def test_units_and_client_files_are_read(tmp_path: Path) -> None:
    app = lay(tmp_path / "app", {"run.sh": ""})
    lay(tmp_path, {
        "etc/app.service": f"[Service]\nWorkingDirectory={app}\nEnvironment=\"A=b c\" D=e\n"
                           f"EnvironmentFile=-{tmp_path}/app.env\n",
        "etc/other.service": "[Service]\nWorkingDirectory=/srv/other\nEnvironment=X=y\n",
        "app.env": 'SHOP_URL="postgres://h/shop"\n',
        "home/.pgpass": "# mine\nh:5432:shop:u:p\\:w\ndb.example:*:*:admin:x\n",
        "home/.my.cnf": "[client]\nuser = u\npassword='p#w'\n[mysqldump]\nquick\n",
    })  # fmt: skip
    assert list(units.given(app, tmp_path / "etc")) == [
        (str(tmp_path / "app.env"), {"SHOP_URL": "postgres://h/shop"}),
        (str(tmp_path / "etc/app.service"), {"A": "b c", "D": "e"}),
    ]
    logins = clients.logins(tmp_path / "home", {})
    assert [each.url for each in clients.databases(logins)] == ["postgresql://u:p%3Aw@h:5432/shop"]
    for url, completed in {
        "postgres://h/shop": "postgres://u:p%3Aw@h/shop",
        "postgres://admin@db.example/x?sslmode=require": "postgres://admin:x@db.example/x?sslmode=require",
        "postgres://else@h/shop": "postgres://else@h/shop",
        "mysql://localhost/blog": "mysql://u:p%23w@localhost/blog",
    }.items():
        named = Database("mysql" if url[0] == "m" else "postgres", "x", url, "a test")
        assert clients.completed(named, logins).url == completed


def test_variables_of_frameworks_name_a_database_in_parts(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media/a").write_text("x")
    (tmp_path / ".env").write_text(
        "DB_ENGINE=django.db.backends.postgresql\nDB_NAME=shop\nDB_HOST=127.0.0.1\nDB_PORT=1\n"
    )
    (tmp_path / ".env.local").write_text("DB_NAME=shop_local\n")
    found = init(tmp_path, expect=1)
    assert [each["name"] for each in found["databases"]] == ["shop_local"]
