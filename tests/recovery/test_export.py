"""What older tools find beside ours: their names, their sums, and a file that their own recipe restores."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops_pipelines.backup.take import take_backup
from ops_pipelines.cli.main import app
from ops_pipelines.recovery.export import export
from ops_pipelines.recovery.verify import verify
from ops_pipelines.workspace import Workspace
from tests.conftest import Made, MakeWorkspace, TestServer
from tests.engines.mysql.conftest import TestServer as MysqlServer
from tests.engines.mysql.conftest import (
    mariadb,  # noqa: F401 - a fixture
    protect,  # noqa: F401 - a fixture
)
from tests.engines.sqlite.conftest import (
    House,
    house,  # noqa: F401 - a fixture
)
from tests.recovery.test_lent_server import EVERY
from tests.stops import stopped_at_each_line

PASSPHRASE = "kůň 'a' $b"
SOURCE = (
    "create table t (id int primary key, v text)",
    "insert into t select i, repeat(chr(400 + i), i) from generate_series(1, 300) i",
    "create view w as select count(*) from t",
)


def proved(workspace: Workspace) -> str:
    """A restore point that is verified; its id."""
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    assert verify(workspace, point).outcome == "verified"
    return point.id


def ops(made: Made, *words: str, expect: int = 0) -> str:
    """What `ops` prints; OLD_WORD is in its environment."""
    done = CliRunner().invoke(
        app, [*words, "--config", str(made.path / "ops.yaml")], env={"OLD_WORD": PASSPHRASE, "COLUMNS": "200"}
    )
    assert done.exit_code == expect, done.output
    return done.output


def by_recipe(folder: Path, recipe: str) -> bytes:
    """What a runbook's line gives, typed in the folder."""
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", recipe], cwd=folder, env={"PATH": "/usr/bin:/bin", "OLD_WORD": PASSPHRASE},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("form", ["custom", "directory", "sql"])
@pytest.mark.daily(3)
def test_the_old_recipe_restores_a_postgres_export(
    pg: TestServer, make_workspace: MakeWorkspace, tmp_path: Path, form: str
) -> None:
    database, again = pg.new_database(), pg.new_database()
    pg.sql(*SOURCE, database=database)
    made = make_workspace(pg.url(database), format=form)
    backup_id = proved(made.workspace)
    folder = tmp_path / "db"
    assert backup_id in ops(made, "export", "crm", "--to", str(folder), "--passphrase-env", "OLD_WORD")
    sealed, _sum = sorted(path.name for path in folder.iterdir())
    assert sealed.startswith("full-") and sealed.endswith(".sql.gz.enc")
    assert b"OK" in by_recipe(folder, "sha256sum -c *.sha256")
    script = by_recipe(folder, f"openssl enc -d -aes-256-cbc -pbkdf2 -in {sealed} -pass env:OLD_WORD | gunzip")
    (tmp_path / "script.sql").write_bytes(script)
    pg.psql(again, f"--file={tmp_path / 'script.sql'}", "--set=ON_ERROR_STOP=1")
    everything = "select md5(string_agg(t::text, ',' order by id)), (select * from w) from t"
    assert pg.sql(everything, database=again) == pg.sql(everything, database=database)


def test_a_mysql_export_is_the_dump_and_is_replaced_whole(
    mariadb: MysqlServer,  # noqa: F811
    protect: Callable[..., Made],  # noqa: F811
    tmp_path: Path,
) -> None:
    name = mariadb.new_database()
    mariadb.sql("create table t (id int primary key, v text)", "insert into t values (1, 'žluť')", database=name)
    made = protect(mariadb.url(name), copies=[])
    proved(made.workspace)
    folder = tmp_path / "db"
    for _twice in range(2):
        ops(made, "export", "crm", "--to", str(folder))
        plain, _sum = sorted(path.name for path in folder.iterdir())
        assert b"OK" in by_recipe(folder, "sha256sum -c *.sha256")
    assert (folder / plain).stat().st_mode & 0o077 == 0
    script = by_recipe(folder, f"gunzip < {plain}")
    assert "žluť".encode() in script and b"-- Dump completed" in script


def test_an_export_that_is_stopped_at_any_line_leaves_nothing_that_can_be_read(
    pg18: TestServer, make_workspace: MakeWorkspace, tmp_path: Path
) -> None:
    database = pg18.new_database()
    pg18.sql(SOURCE[0], database=database)
    workspace = make_workspace(pg18.url(database)).workspace
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None

    def work() -> None:
        export(workspace, point, tmp_path / "out")
        workspace.local.trial()

    def left() -> list[Path]:
        base = workspace.config.base
        return [*(tmp_path / "out").glob(".*"), *(base / "scratch").glob("*/"), *base.rglob(".trial*")]

    assert stopped_at_each_line(work, ["export.py", "directory.py"], left, every=EVERY) > 50


def test_what_is_no_script_is_not_exported_and_writes_nothing(
    house: House,  # noqa: F811
    tmp_path: Path,
) -> None:
    house.database("app.sqlite", "create table t (v text)")
    workspace = house.configure(copies=[])
    take_backup(workspace, "app")
    made = Made(workspace, house.path)
    told = ops(made, "export", "app", "--to", str(tmp_path / "db"), "--backup", workspace.catalogue("app").points[0].id,
               expect=2)  # fmt: skip
    assert "a sqlite backup is no SQL script" in told
    assert not (tmp_path / "db").exists()
