"""Settings as people write them, too: expressions, half-filled files, volumes that are not there. Nothing is run."""

import json
from pathlib import Path

import pytest

from ops_pipelines.errors import OpsError, SafetyRefusal, SourceError
from ops_pipelines.setup import clients, compose, discover, here, units, variables
from ops_pipelines.setup.document import Choice, Copies, text
from ops_pipelines.setup.found import Database, Folder, database_of, with_login
from ops_pipelines.setup.own import own
from ops_pipelines.setup.projects import look
from ops_pipelines.setup.servers import every_database
from ops_pipelines.setup.write import write
from tests.setup.test_projects import DJANGO, LARAVEL, SPRING, SYMFONY, lay

# What an expression of Django's settings gives for the name of a database; nothing for what only running it would tell.
EXPRESSIONS = {
    "f'{PREFIX}_shop'": "a_shop",
    "PREFIX + '_shop'": "a_shop",
    "os.environ.get('UNSET') or 'shop'": "shop",
    "'shop' if DEBUG else 'other'": "shop",
    "unknown() if DEBUG else 'other'": "other",
    "{'live': 'shop'}['live']": "shop",
    "os.path.basename('x')": "",
    "{'live': 'shop'}['test']": "",
    "[name for name in names][0]": "",
    "os.environ['DB']": "from_environ",
    "env('DB')": "from_environ",
    "config('UNSET', 'default')": "default",
    "get_secret('UNSET')": "",
    "-1": "",
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_in_settings_of_django_is_read_or_left_alone(expression: str, tmp_path: Path) -> None:
    settings = f"""
import os
PREFIX: str = 'a'
DEBUG: bool
DATABASES = {{"default": {{"ENGINE": "x.mysql", "HOST": "h", "NAME": {expression}, **MORE}}, "odd": 3}}
a, b = 1, 2
first = second = 3
unknown().field = 4
MORE['x'] = unknown()
PREFIX['x'] = 5
lost()['x'] = 6
"""
    [project] = look.projects(lay(tmp_path, DJANGO | {"site_/settings.py": settings}), {"DB": "from_environ"})
    wanted = EXPRESSIONS[expression]
    assert [each.url for each in project.databases] == ([f"mysql://h/{wanted}"] if wanted else [])
    assert (project.missing is None) is bool(wanted)


FOUND = {
    "django, paths of old": (
        DJANGO
        | {
            "site_/settings.py": "import os\nBASE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))\n"
            "DATABASES = {'default': {'ENGINE': 'x.sqlite3', 'NAME': os.path.join(BASE, 'db.sqlite3')}}"
        },
        {}, ["sqlite:////HERE/db.sqlite3"],
    ),
    "django, settings in a package": (
        DJANGO | {"manage.py": 'setdefault("DJANGO_SETTINGS_MODULE", "conf")',
                  "conf/__init__.py": "DATABASES = {'log': env.db_url(default='postgres://h/log'),"
                  " 'own': env.db('mysql://h/own')}"},
        {}, ["postgres://h/log", "mysql://h/own"],
    ),
    "django, a file that is not Python": (
        DJANGO | {"site_/settings.py": "DATABASES = {", "site_/settings/local.py": "DATABASES = lost()\nDATABASES = 3"},
        {}, [],
    ),
    "django without any settings": ({"manage.py": "DJANGO_SETTINGS_MODULE"}, {}, []),
    "rails with a url": ({"config/database.yml": "production: {url: 'mysql2://u@h/shop'}"}, {}, ["mysql2://u@h/shop"]),
    "rails of another section": ({"config/database.yml": "test: {adapter: mysql2}"}, {}, []),
    "rails that is not YAML": ({"config/database.yml": "production: ["}, {}, []),
    "laravel with a url": (LARAVEL, {"DB_URL": "mysql://u@h/shop"}, ["mysql://u@h/shop"]),
    "laravel with another url": (LARAVEL, {"DB_URL": "https://h/shop"}, []),
    "symfony without doctrine's keys": (SYMFONY | {"config/packages/doctrine.yaml": "doctrine: 3"}, {}, []),
    "spring with values that go round": (
        SPRING | {"config/application.yml": "spring: {datasource: {url: 'jdbc:mysql://${a}/x', none: }}\n"
                  "a: ${b}\nb: ${a}\n"},
        {}, ["jdbc:mysql://${a}/x"],
    ),
    "wordpress by itself": ({"wp-config.php": "define('DB_NAME', 'blog');"}, {}, ["mysql://localhost/blog"]),
}  # fmt: skip


@pytest.mark.parametrize("case", FOUND)
def test_what_projects_say_in_rare_ways(case: str, tmp_path: Path) -> None:
    files, values, wanted = FOUND[case]
    found = list(look.projects(lay(tmp_path, files), values))
    urls = [each.url.replace(str(tmp_path), "/HERE") for project in found for each in project.databases]
    if case.startswith("spring"):
        assert len(urls) == 1 and urls[0].startswith("jdbc:mysql://")
    elif case.startswith("wordpress"):
        assert len(urls) == 1 and urls[0].endswith("/blog")
    else:
        assert urls == wanted
    assert bool(wanted) is not any(each.missing for each in found)


def test_a_folder_that_cannot_be_looked_into_has_no_projects(tmp_path: Path) -> None:
    assert list(look.projects(tmp_path / "nowhere", {})) == []


def test_half_a_compose_file_is_told(tmp_path: Path) -> None:
    lay(tmp_path, {"compose.yaml": """
services:
  other: {image: 'postgres:16', environment: {POSTGRES_DB: a}, ports: [{target: 9187, published: 1}, '9000']}
  broken: {image: 'mysql:8', ports: ['3306:3306'], environment: {MYSQL_DATABASE: b, MYSQL_USER: "u", MYSQL_PASSWORD: p}}
  app: {image: app, volumes: ['/app/media', 'lost:/app/media', '/srv/files:/app/uploads', x]}
volumes: 3
"""})  # fmt: skip
    found = compose.read(tmp_path, {}, volumes=Path("/volumes"))
    assert [(each.name, bool(each.problem)) for each in found.databases] == [("a", True), ("b", False)]
    assert found.folders[0][1] == Path(f"/volumes/{tmp_path.name.lower()}_lost/_data") and len(found.folders) == 2
    for url, kind in (
        ("sqlite:///x", "sqlite"),
        ("mysql://a,b/c", "mysql"),
        ("mysql://else/c", "mysql"),
        ("x", "mysql"),
    ):
        each = Database(kind, "n", url, "a test")
        assert found.from_here(each) is each


def test_logins_complete_only_what_lacks_one(tmp_path: Path) -> None:
    lay(tmp_path, {".pgpass": "too:few\nh:5432:*:*:p\n", ".my.cnf": "[client]\nquick\n"})
    known = clients.logins(tmp_path, {})
    assert len(known) == 1 and list(clients.databases(known)) == []
    for kind, url in (("sqlite", "sqlite:///x"), ("postgres", "x"), ("postgres", "postgres://u:p@h/d"),
                      ("postgres", "postgres:///d"), ("postgres", "postgres://u@else/d")):  # fmt: skip
        each = Database(kind, "n", url, "a test")
        assert clients.completed(each, known) is each
    (tmp_path / ".my.cnf").write_text("no section\n")
    assert clients.logins(tmp_path, {}) == known
    assert (with_login("mysql://u@h/d", "x", "y"), with_login("mysql://h:x/d", "x", "y")) == (
        "mysql://u@h/d",
        "mysql://h:x/d",
    )
    [missing] = every_database(clients.Login("postgres", ".pgpass", "127.0.0.1", "1", "*", "u", "p"))
    assert missing.what == "the databases that .pgpass leads to" and missing.why


def test_variables_that_name_a_database_are_asked_for_by_name() -> None:
    environ = {"GONE": "postgres://u@127.0.0.1:1/gone", "TWICE": "postgres://v@127.0.0.1:1/gone", "PAGE": "https://h/x"}
    one, *more = discover.of_variables(["GONE", "TWICE"], environ)
    assert (one.name, bool(one.problem), more) == ("gone", True, [])
    for name, why in (("PAGE", "PAGE holds no URL of a database"), ("UNSET", "UNSET is not set")):
        with pytest.raises(SourceError, match=why):
            discover.of_variables([name], environ)
    parts = {"DB_ENGINE": "sqlite3", "DB_NAME": "app.db"}
    assert [each.kind for each in variables.named_by(parts, "x", directory=Path("/srv"))] == ["sqlite"]
    assert database_of("sqlite://", origin="x") is None
    unread = database_of("mysql://u:p@h:port/d", origin="a test")
    assert unread is not None and unread.key == ("mysql", "a test", "", "") and unread.problem


def test_folders_are_counted_once_and_a_volume_that_is_not_there_is_told(tmp_path: Path) -> None:
    lay(tmp_path, {"media/a": "x", "uploads/.keep": "", "data/uploads/b": "y"})
    (tmp_path / "media").rename(tmp_path / "storage")
    found = discover.folders(
        tmp_path, [("data", tmp_path / "data"), ("again", tmp_path / "data"), ("lost", Path("/nowhere"))]
    )
    assert [(each.name, each.files, bool(each.problem)) for each in found] == [
        ("data", 1, False), ("lost", 0, True), ("uploads", 1, False), ("storage", 1, False),
    ]  # fmt: skip
    with pytest.raises(SourceError, match="is no folder"):
        discover.folder_at(tmp_path / "nowhere")


def test_units_whose_words_do_not_fit_give_nothing(tmp_path: Path) -> None:
    lay(tmp_path, {"app.service": '[Service]\nEnvironment="open\n', "deploy/b.service": "[Service]\nEnvironment=A=b\n"})
    assert list(units.given(tmp_path, tmp_path / "none")) == [("deploy/b.service", {"A": "b"})]


def test_the_time_zone_is_this_machine_s_or_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LOCALTIME", "_TIMEZONE"):
        monkeypatch.setattr(here, name, tmp_path / "nowhere")
    for said, zone in ((":Europe/Prague", "Europe/Prague"), ("No/Where", "UTC"), ("", "UTC")):
        monkeypatch.setenv("TZ", said)
        assert here.time_zone() == zone
    (tmp_path / "timezone").write_text("Asia/Tokyo\n")
    monkeypatch.setattr(here, "_TIMEZONE", tmp_path / "timezone")
    assert here.time_zone() == "Asia/Tokyo"


def test_our_own_state_is_told_where_nobody_knows_where_it_is(tmp_path: Path) -> None:
    for storage, files, unknown in (
        ("{sqlite: {base_dir: /srv/dagster}}", ["/srv/dagster"], 0),
        ("{postgres: {postgres_url: {env: UNSET}}}", [], 1),
        ("{postgres: 3}", [], 1), ("3", [], 1),
    ):  # fmt: skip
        (tmp_path / "dagster.yaml").write_text(f"storage: {storage}\n")
        found = own(tmp_path, {}, ledger="UNSET")
        assert ([str(each) for each in found.files], len(found.unknown)) == (files, unknown + 1)
        assert "the ledger has no source" in found.unknown[0]


def test_a_second_file_is_written_only_when_told_and_keys_stay(tmp_path: Path) -> None:
    lite = Database("sqlite", "lite", f"sqlite:///{tmp_path}/lite.db", "here", server="SQLite 3", size_bytes=5)
    shop = Database("postgres", "shop", "postgres://u@h/shop", "here")
    lost = Folder("media", tmp_path / "media", 0, 0, problem="not there")
    keys = Copies("s3://bucket", credentials="OFFSITE")
    choice = Choice([lite, shop], [lost], own(tmp_path, {}), copies=keys)
    first = write(tmp_path, choice, replace=False, environ={})
    with pytest.raises(SafetyRefusal, match="exists already"):
        write(tmp_path, choice, replace=False, environ={})
    again = write(tmp_path, choice, replace=True, environ={})
    assert again.recipient == first.recipient and "keys/age.key" in again.kept and "dagster.yaml" in again.kept
    written = text(choice, first.recipient, tmp_path)
    assert "paths: [lite.db]" in written and "credentials: {env: OFFSITE}" in written and "NOT REACHED YET" in written
    assert json.dumps("bucket") in written and "with: " not in written
    (tmp_path / "file").touch()
    with pytest.raises(OpsError, match="cannot be written"):
        write(tmp_path / "file", choice, replace=False, environ={})
