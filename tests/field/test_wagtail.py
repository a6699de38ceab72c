"""A Wagtail site (Django): made by its own command and migrations, with pages, revisions, pictures and users."""

from pathlib import Path

import pytest

from tests.conftest import MakeWorkspace
from tests.conftest import TestServer as PostgresServer
from tests.engines.mysql.conftest import TestServer as MysqlServer
from tests.field.conftest import HERE, MYSQLS, PYTHON, SCHEMAS, Login, application, mysql_login, needed, postgres_login
from tests.oracle.rounds import mysql_round, postgres_round

# Its migrations are three hundred, and a busy machine takes its time.
pytestmark = pytest.mark.timeout(900)

# The settings that a new site leaves to its machine.
_LOCAL = """
import os
import pymysql
pymysql.version_info = (2, 2, 7, "final", 0)
pymysql.install_as_MySQLdb()
from .base import INSTALLED_APPS
if os.environ["FIELD_ENGINE"] == "postgresql":
    INSTALLED_APPS.append("django.contrib.postgres")  # Django 6 asks for it, and Wagtail's new sites lack it
DATABASES = {"default": {
    "ENGINE": "django.db.backends." + os.environ["FIELD_ENGINE"],
    "NAME": os.environ["FIELD_DATABASE"],
    "USER": os.environ["FIELD_USER"],
    "PASSWORD": os.environ["FIELD_PASSWORD"],
    "HOST": os.environ["FIELD_SOCKET"] or os.environ["FIELD_HOST"],
    "PORT": os.environ["FIELD_PORT"],
}}
"""


def _installed(login: Login, directory: Path) -> None:
    needed(PYTHON)
    site = directory / "site"
    site.mkdir()
    application([PYTHON.with_name("wagtail"), "start", "mysite", site], directory, {})
    (site / "mysite/settings/local.py").write_text(_LOCAL, encoding="utf-8")
    manage = [PYTHON, site / "manage.py"]
    application([*manage, "migrate", "--verbosity", "0"], site, login.environment())
    content = (HERE / "wagtail_data.py").read_text(encoding="utf-8")
    application([*manage, "shell"], site, login.environment(), fed=content)
    application([*manage, "rebuild_references_index", "--verbosity", "0"], site, login.environment())
    application([*manage, "update_index", "--verbosity", "0"], site, login.environment())


def test_a_site_on_postgresql(field_pg: PostgresServer, tmp_path: Path, make_workspace: MakeWorkspace) -> None:
    login = postgres_login(field_pg)
    _installed(login, tmp_path)
    postgres_round(field_pg, login.database, make_workspace)


# MySQL proper is played by `make field`; daily other tests have it.
@pytest.mark.parametrize("field_mysql", MYSQLS[:1] if SCHEMAS < 100 else MYSQLS, indirect=True)
def test_a_site_on_mysql(field_mysql: MysqlServer, tmp_path: Path, make_workspace: MakeWorkspace) -> None:
    login = mysql_login(field_mysql)
    _installed(login, tmp_path)
    mysql_round(field_mysql, login.database, make_workspace)
