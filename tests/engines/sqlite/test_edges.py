"""What is rare about SQLite files: columns that cannot be computed, files that vanish, folders that are none."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.base import Contents, Level
from ops_pipelines.engines.folders import url_of
from ops_pipelines.engines.sqlite import contents
from ops_pipelines.engines.sqlite.engine import SQLiteEngine
from ops_pipelines.engines.sqlite.settings import SQLiteSource
from ops_pipelines.errors import Inconclusive, OpsError, SafetyRefusal, SourceError
from ops_pipelines.recovery.compare import compare
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import fingerprint_of, verify
from ops_pipelines.vault.reader import Copy
from tests.engines.sqlite.conftest import House

FINE = "create table fine (a); insert into fine values (1);"
# For one of its rows the column cannot be computed: whoever reads all of the table gets an error.
FAILING = (
    "create table t (a text); insert into t values ('{}'), ('no json');"
    "alter table t add column s as (json_extract(a, '$.x')) virtual;"
)


def test_a_column_that_fails_for_a_row_costs_the_proof_no_other_column(house: House, tmp_path: Path) -> None:
    path = house.database("app.db", f"{FAILING} {FINE}", journal="delete")
    workspace = house.configure()
    point, verdict = house.proved(workspace)
    assert (verdict.outcome, point.manifest.contents.tables, verdict.words) == ("verified", 2, "verified")
    held = fingerprint_of(Copy(workspace.local, point.manifest, lambda: workspace.identities("app")))
    assert restore_to(workspace, point, str(tmp_path / "restored")).good
    with closing(sqlite3.connect(f"{tmp_path}/restored{path}")) as opened:
        opened.execute("update t set a = '[]' where rowid = 1")
        opened.commit()
    found = house.engine(workspace).contents(url_of(tmp_path / "restored"), held.level)
    assert [each.name for each in compare(held, found) if not each.passed] == ["content"]


def test_a_backup_of_which_nothing_was_read_is_not_called_bad_by_who_reads_more(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = house.database("app.db", f"{FAILING} {FINE}")
    house.database("other.db", FINE)
    workspace, real = house.configure(), contents._one

    def as_before(name: str, at: Path, level: Level) -> Contents:
        """What was noted when one row could void a database."""
        if name != str(path):
            return real(name, at, level)
        return Contents(level=level, objects={f"{contents.DAMAGED}{name}": "malformed JSON"})

    with monkeypatch.context() as before:
        before.setattr(contents, "_one", as_before)
        take_backup(workspace, "app")
    point = workspace.catalogue("app").newest
    assert point is not None
    for verdict in (verify(workspace, point), verify(workspace, point)):
        assert (verdict.outcome, [gap.what for gap in verdict.gaps]) == ("verified", [f"everything in {path}"])
    assert restore_to(workspace, point, str(tmp_path / "restored")).good


def test_rows_that_only_the_application_can_read_are_a_gap(house: House) -> None:
    path = house.data / "app.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as opened:
        opened.create_collation("icu", lambda one, other: (one > other) - (one < other))
        opened.executescript(f"create table t (a text collate icu primary key) without rowid; {FINE}")
    _point, verdict = house.proved(house.configure())
    assert verdict.outcome == "verified"
    assert any(gap.what == f"rows of t in {path}" and gap.why for gap in verdict.gaps), verdict.gaps


def test_without_a_fingerprint_a_database_is_still_named_by_its_path(house: House, tmp_path: Path) -> None:
    one, other = (house.database(name, FINE) for name in ("one.db", "other.db"))
    workspace = house.configure(fingerprint="off")
    point, verdict = house.proved(workspace)
    assert (verdict.outcome, verdict.grade) == ("verified", "restored")
    restore_to(workspace, point, str(tmp_path / "one"), only=[str(one)])
    assert Path(f"{tmp_path}/one{one}").is_file() and not Path(f"{tmp_path}/one{other}").exists()


def test_a_check_asks_one_database(house: House) -> None:
    for name in ("one.db", "other.db"):
        house.database(name, FINE)
    workspace = house.configure(checks=[{"name": "rows", "sql": "select 1", "equals": 1}])
    _point, verdict = house.proved(workspace)
    (said,) = [each for each in verdict.checks if each.name == "check rows"]
    assert not said.passed and "a check queries one database" in said.detail


def test_what_vanishes_during_a_dump_is_told_and_too_long_a_dump_ends(house: House) -> None:
    paths = [house.database(name, FINE, journal="delete") for name in ("one.db", "other.db")]
    workspace = house.configure()

    def vanish(phase: str, _done: int, _total: int | None) -> None:
        if phase == "dump":
            paths[1].unlink(missing_ok=True)

    taken = take_backup(workspace, "app", progress=vanish)
    assert taken.contents.tables == 1
    assert f"vanished while being read: {paths[1]}" in taken.warnings
    with pytest.raises(OpsError) as late:
        source = workspace.config.sources["app"]
        assert isinstance(source, SQLiteSource)
        over = source.model_copy(update={"limits": source.limits.model_copy(update={"total": timedelta(seconds=-1)})})
        [*_members(SQLiteEngine("app", over), house)]
    assert "longer than limits.total" in late.value.what


def _members(engine: SQLiteEngine, house: House) -> list[object]:
    from ops_pipelines.engines.sqlite.engine import _Dump  # noqa: PLC0415

    (spool := house.path / "spool").mkdir()
    return list(_Dump("app", engine._source, spool).members([house.data / "one.db"], lambda *_said: None))


def test_folders_that_cannot_be_restored_into_are_refused(house: House, tmp_path: Path) -> None:
    house.database("app.db", FINE)
    engine = house.engine(house.configure())
    assert not engine.is_source("postgresql://somewhere/app")
    with pytest.raises(SafetyRefusal, match="is, holds or lies in what source app protects"):
        engine.create_target(str(house.data / "below"), {})
    with (
        pytest.raises(Inconclusive, match=r"a restore of app needs .* and .* are free"),
        engine.scratch(tmp_path, {"bytes": 2**60}),
    ):
        pass
    with pytest.raises(SourceError, match="is no folder of this machine"):
        engine.locate("https://example.org/app")


def test_databases_on_several_disks_are_not_swapped(house: House) -> None:
    house.database("app.db", FINE)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        shutil.copy(house.data / "app.db", memory)
        engine = house.engine(house.configure(paths=["data/app.db", f"{memory}/app.db"]))
        with pytest.raises(SafetyRefusal, match="lie on several disks"):
            engine.beside(".new")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_database_that_this_user_cannot_read_is_named_with_the_command_that_lets_them(house: House) -> None:
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        path = Path(open_to_all, "app.db")
        shutil.copy(house.database("app.db", FINE), path)
        path.chmod(0o600)
        examiner = house.configure(paths=[str(path)]).config.sources["app"].examiner("app")
        assert not examiner.lacks() and examiner.clock() is None
        assert examiner.programs().startswith("SQLite 3.")
        os.seteuid(65534)
        try:
            with pytest.raises(SourceError, match=r"app\.db of source app cannot be read") as refused:
                examiner.lacks()
        finally:
            os.seteuid(0)
        assert refused.value.next == f"setfacl -m u:65534:rX {path}"
