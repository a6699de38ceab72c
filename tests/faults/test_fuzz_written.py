"""Files that people write: `ops.yaml`, and what `ops init` reads in a project. Damaged ones cost a sentence each."""

from pathlib import Path
from random import Random
from typing import Any

import yaml

from ops_pipelines.config import load
from ops_pipelines.config.errors import ConfigError
from ops_pipelines.errors import OpsError
from ops_pipelines.setup import compose, own, variables
from ops_pipelines.setup.projects import look
from tests.faults.fuzz import each_try, only
from tests.faults.mutate import torn, twisted

ROOT = Path(__file__).parents[2]


def words_of_the_schema() -> list[str]:
    """Every key that `ops.yaml` may have anywhere."""
    return sorted({key for model in load._every_model() for key in model.model_fields})


def test_an_ops_yaml_is_good_or_every_mistake_in_it_has_a_line() -> None:
    texts = [(ROOT / each).read_text(encoding="utf-8") for each in ("demo/ops.yaml", "deploy/ops.example.yaml")]
    words = words_of_the_schema()
    for random, name in each_try("ops.yaml", 150):
        text = random.choice(texts)
        if random.random() < 0.5:
            text = torn(random, text.encode()).decode(errors="replace")
        else:
            text = yaml.safe_dump(twisted(random, yaml.safe_load(text), words), allow_unicode=True)
        with only(ConfigError, name):
            try:
                load.config_of(text, ROOT / "ops.yaml", {"HOME": "/root"})
            except ConfigError as error:
                assert error.mistakes, name
                assert all(1 <= each.line <= text.count("\n") + 2 for each in error.mistakes), name
                raise


COMPOSE: Any = {
    "name": "shop",
    "services": {
        "db": {
            "image": "postgres:16",
            "ports": ["127.0.0.1:5432:5432", {"target": 5432, "published": 5433}],
            "environment": {"POSTGRES_USER": "u", "POSTGRES_PASSWORD_FILE": "/run/secrets/pw", "POSTGRES_DB": "d"},
            "env_file": [".env", {"path": "more.env"}],
        },
        "maria": {"image": "mariadb", "environment": ["MARIADB_ROOT_PASSWORD=${PW:-x}", "MARIADB_DATABASE=x"]},
        "mongo": {"image": "mongo", "ports": "27017:27017", "environment": {"MONGO_INITDB_DATABASE": "q"}},
        "app": {"image": "app", "volumes": ["up:/app/uploads", "./m:/srv/media", {"source": "f", "target": "/files"}]},
    },
    "volumes": {"up": {"external": True}, "f": {"name": "ff"}},
}
_VARIABLES = (
    "DATABASE_URL=postgresql://u:p@h/db\nDB_HOST=localhost\nDB_NAME='a b'\nDB_ENGINE=mysql\nexport X=${DATABASE_URL}\n"
    "MYSQL_HOST=h\nMYSQL_DATABASE=d\nPGHOST=x\nPGPORT=1\nPGDATABASE=q\nMONGO_URL=mongodb://a,b/c?x=1\n"
)
PROJECT = {
    ".env": _VARIABLES,
    "more.env": _VARIABLES,
    "secrets/pw": "pw\n",
    "dagster.yaml": "storage: {postgres: {postgres_db: {hostname: h, username: u, password: p, db_name: d}}}\n",
    "config/database.yml": "default: &default\n  adapter: postgresql\n  pool: <%= ENV.fetch('THREADS') { 5 } %>\n"
    "production:\n  <<: *default\n  database: app\n  password: <%= ENV['PW'] %>\n  url: <%= ENV['DATABASE_URL'] %>\n",
    "pom.xml": "<artifactId>spring-boot-starter-data-jpa</artifactId><artifactId>postgresql</artifactId>",
    "src/main/resources/application.yml": "spring:\n  datasource:\n    url: jdbc:postgresql://localhost:5432/app\n"
    "    password: ${PW:x}\n  data:\n    mongodb: {uri: 'mongodb://localhost/db'}\n",
    "src/main/resources/application-prod.properties": "spring.datasource.url=jdbc:mysql://h:3306/db?useSSL=false\n",
    "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "shop/settings.py": "import os\nfrom pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent\n"
    "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': os.environ.get('N'), 'PORT': 1}}\n",
    "wp-config.php": "<?php\ndefine('DB_NAME','wp');\ndefine('DB_USER','u');\ndefine('DB_HOST','localhost:33');\n",
    "prisma/schema.prisma": 'datasource db {\n provider = "postgresql"\n url = env("DATABASE_URL")\n}\n',
    "bin/console": "",
    "config/packages/doctrine.yaml": "doctrine: {dbal: {connections: {a: {url: '%env(DATABASE_URL)%'}}}}\n",
    "artisan": "",
    "config/database.php": "<?php return ['default' => env('DB_CONNECTION', 'mysql'), 'connections' => ['mysql' => "
    "['driver' => 'mysql', 'host' => env('DB_HOST', 'h'), 'database' => env('DB_DATABASE', 'd')]]];\n",
}
"""A folder with everything in it that `ops init` looks for."""


def _changed(random: Random, file: str, text: str) -> bytes:
    """A file of the project as it is this time."""
    if file.endswith((".yaml", ".yml")) and "<%" not in text and random.random() < 0.3:
        text = yaml.safe_dump(twisted(random, yaml.safe_load(text)))
    return torn(random, text.encode()) if random.random() < 0.3 else text.encode()


def test_ops_init_looks_at_a_project_whose_files_are_damaged_and_goes_on(tmp_path: Path) -> None:
    for name in PROJECT:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    environ = {"PW": "x", "DATABASE_URL": "postgres://u:p@h/d"}
    for random, name in each_try("a project", 60):
        for file, text in {**PROJECT, "compose.yaml": yaml.safe_dump(twisted(random, COMPOSE))}.items():
            (tmp_path / file).write_bytes(_changed(random, file, text))
        with only(OpsError, name):
            compose.read(tmp_path, environ)
            list(variables.named_by(variables.dotenv(tmp_path)[1], ".env", directory=tmp_path))
            list(look.projects(tmp_path, environ))
            own.own(tmp_path, environ)
