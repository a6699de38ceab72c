"""A legacy dump that names the database it came from never touches that one, wherever it is restored to."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ops_pipelines.backup.adopt import adopt, look
from ops_pipelines.engines.mysql.connection import options_for_programs
from ops_pipelines.errors import SourceError
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from tests.conftest import Made
from tests.engines.mysql.conftest import TestServer


@pytest.mark.parametrize(
    "options", [(), ("--databases",), ("--databases", "--add-drop-database")], ids=["plain", "create", "create_drop"]
)
@pytest.mark.daily(1)
def test_a_dump_that_names_its_database_is_restored_beside_it_and_leaves_it_alone(
    mariadb: TestServer, protect: Callable[..., Made], tmp_path: Path, options: tuple[str, ...]
) -> None:
    name = mariadb.new_database()
    mariadb.sql("create table t (v varchar(40))", "insert into t values ('one')", database=name)
    path = tmp_path / "full-20260203-0415.sql"
    with options_for_programs(mariadb.root) as login, path.open("wb") as written:
        subprocess.run(["mariadb-dump", login, *options, name], stdout=written, check=True)
    mariadb.sql("insert into t values ('written after the dump')", "create table newer (i int)", database=name)
    workspace = protect(mariadb.url(name)).workspace
    (candidate,) = look(workspace, "crm", path)
    assert not candidate.refused, candidate.refused
    manifest = adopt(workspace, "crm", candidate)
    point = workspace.catalogue("crm").find(manifest.id)
    assert point is not None
    assert verify(workspace, point).outcome == "verified"
    restore_to(workspace, point, f"{name}_beside")
    assert mariadb.sql("select v from t order by v", database=name) == [("one",), ("written after the dump",)]
    assert mariadb.sql("select count(*) from newer", database=name) == [(0,)]
    assert mariadb.sql("select v from t", database=f"{name}_beside") == [("one",)]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda text: text[: len(text) // 2], "trailer"),
        (lambda text: text[:0], "is empty"),
        (lambda text: text.replace(b"\nUSE `", b"\nUSE `another`;\nUSE `", 1), "several databases"),
    ],
    ids=["cut_off", "empty", "several"],
)
def test_a_dump_that_is_not_whole_or_not_one_database_is_refused(
    mariadb: TestServer,
    protect: Callable[..., Made],
    tmp_path: Path,
    spoil: Callable[[bytes], bytes],
    why: str,
) -> None:
    name = mariadb.new_database()
    mariadb.sql("create table t (v varchar(40))", "insert into t values ('one')", database=name)
    path = tmp_path / "full-20260203-0415.sql"
    with options_for_programs(mariadb.root) as login:
        dumped = subprocess.run(["mariadb-dump", login, "--databases", name], capture_output=True, check=True).stdout
    path.write_bytes(spoil(dumped))
    workspace = protect(mariadb.url(name)).workspace
    (candidate,) = look(workspace, "crm", path)
    said = candidate.refused
    if not said:
        with pytest.raises(SourceError) as caught:
            adopt(workspace, "crm", candidate)
        said = str(caught.value)
    assert why in said
    assert not workspace.catalogue("crm").points
