"""MediaWiki as Debian packages it: installed by its own script, with pages that its own script writes."""

import shutil
from pathlib import Path

from tests.conftest import MakeWorkspace
from tests.conftest import TestServer as PostgresServer
from tests.engines.mysql.conftest import TestServer as MysqlServer
from tests.field.conftest import Login, application, mysql_login, needed, postgres_login
from tests.oracle.rounds import mysql_round, postgres_round

_MAINTENANCE = Path("/usr/share/mediawiki/maintenance")
_DOCS = Path(__file__).parents[2] / "docs"


def _installed(login: Login, directory: Path) -> None:
    install = needed(_MAINTENANCE / "install.php")
    passwords = {"admin": "A long password of nobody 1", "database": login.password}
    for name, password in passwords.items():
        (directory / name).write_text(password, encoding="utf-8")
    kind = {"postgresql": "postgres", "mysql": "mysql"}[login.engine]
    server = f"{login.host}:{login.socket}" if login.socket else login.host
    options = {
        "dbtype": kind, "dbserver": server, "dbname": login.database, "dbuser": login.user, "server": "http://wiki.test",
        "dbpassfile": directory / "database", "passfile": directory / "admin", "confpath": directory, "scriptpath": "",
        "installdbuser": login.user, "installdbpass": login.password,
    }  # fmt: skip
    if login.port:
        options["dbport"] = login.port
    given = [f"--{name}={value}" for name, value in options.items()]
    # It refuses where a configuration lies already, and the package may have put one there.
    application(
        ["php", install, *given, "Wiki ůňé", "Admin"], directory, {"MW_CONFIG_FILE": str(directory / "none.php")}
    )
    variables = {"MW_CONFIG_FILE": str(directory / "LocalSettings.php")}
    pages = directory / "pages"
    pages.mkdir()
    for page in [*_DOCS.glob("*.md"), *_DOCS.glob("how-to/*.md")]:
        shutil.copy(page, pages / f"{page.stem} ž.txt")
    texts = sorted(pages.iterdir())
    application(["php", _MAINTENANCE / "importTextFiles.php", "--user=Admin", *texts], directory, variables)
    for page in texts:
        page.write_text(page.read_text(encoding="utf-8") + "\n[[Category:Docs]] [[Drill ž]] 🐎", encoding="utf-8")
    application(
        ["php", _MAINTENANCE / "importTextFiles.php", "--user=Admin", "--overwrite", *texts], directory, variables
    )
    application(["php", _MAINTENANCE / "createAndPromote.php", "Editor", "Another long one 2"], directory, variables)
    (directory / "deleted").write_text(f"{texts[0].stem}\n", encoding="utf-8")
    application(["php", _MAINTENANCE / "deleteBatch.php", "-u", "Admin", directory / "deleted"], directory, variables)
    application(["php", _MAINTENANCE / "runJobs.php"], directory, variables)


def test_a_wiki_on_postgresql(field_pg: PostgresServer, tmp_path: Path, make_workspace: MakeWorkspace) -> None:
    login = postgres_login(field_pg)
    _installed(login, tmp_path)
    postgres_round(field_pg, login.database, make_workspace)


def test_a_wiki_on_mysql(field_mysql: MysqlServer, tmp_path: Path, make_workspace: MakeWorkspace) -> None:
    login = mysql_login(field_mysql)
    _installed(login, tmp_path)
    mysql_round(field_mysql, login.database, make_workspace)
