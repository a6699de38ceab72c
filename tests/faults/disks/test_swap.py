"""A database file is put in the place of another one: whoever looks, or comes after a power cut, finds a whole one.

It is the old one with all that was committed to it, or the new one; never none, and never the new one beside a log of
the old one, which SQLite would play into it.
"""

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.sqlite import swap
from ops_pipelines.recovery.verify import verify
from tests.faults.disks.conftest import House, newest
from tests.faults.disks.disk import Tree
from tests.faults.disks.judged import worlds
from tests.faults.tries import chance, tries

LATER = "insert into people (name) values ('Later')"
LOGS = ("-wal", "-journal")


def cut_off(path: Path, script: str, folder: Path) -> None:
    """Commit something, and leave the database as a process that was killed then."""
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("pragma journal_mode=wal")
        opened.execute(script)
        opened.commit()
        shutil.copytree(path.parent, folder)
    for each in folder.iterdir():
        each.replace(path.with_name(each.name))
    assert path.with_name(path.name + "-wal").stat().st_size


def names(path: Path) -> tuple[str, ...]:
    """Who is in it, as any other reader finds it; opening it plays in its log."""
    with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as opened:
        assert opened.execute("pragma integrity_check").fetchall() == [("ok",)]
        return tuple(str(row[0]) for row in opened.execute("select name from people order by id"))


def found_in(tree: Tree, at: str, folder: Path) -> tuple[str, ...]:
    folder.mkdir(exist_ok=True)
    for ending in ("", *LOGS):
        path = folder / f"app.sqlite{ending}"
        path.unlink(missing_ok=True)
        if (content := tree.get(f"{at}{ending}")) is not None:
            path.write_bytes(content)
    return names(folder / "app.sqlite")


def test_a_power_cut_while_a_database_is_replaced(house: House, tmp_path: Path) -> None:
    taken = take_backup(house.workspace(), "app")
    assert verify(house.workspace(), newest(house.workspace(), "app")).outcome == "verified"
    place = house.path / "data" / "app.sqlite"
    new = names(place)
    cut_off(place, LATER, tmp_path / "killed")
    old = (*new, "Later")
    wanted = ("--into-production", "--yes-replace", "app", "--backup", taken.id)
    disk, _said = house.recorded(house.ops("restore", "app", *wanted), accept=(0, 1))
    assert names(place) == new
    seen = []
    last = None
    for at, which, kept in worlds(disk, chance("swap"), drawn=tries(1)):
        tree = disk.tree(at, kept)
        now = {ending: tree.get(f"data/app.sqlite{ending}") for ending in ("", *LOGS)}
        if now == last:
            continue
        last = now
        done = disk.steps[at - 1].what if at else "the start"
        assert now[""] is not None, f"after step {at} ({done}), {which} on the disk: there is no database"
        seen.append(found_in(tree, "data/app.sqlite", tmp_path / "looked"))
        assert seen[-1] in (old, new), f"after step {at} ({done}), {which} on the disk"
    assert seen[0] == old
    assert seen[-1] == new
    (kept_beside,) = place.parent.glob("app.sqlite_before_*")
    assert names(kept_beside) == old


@pytest.mark.parametrize("lacks", [(), ("exchange",), ("exchange", "links")], ids=["all", "no exchange", "no links"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_old_one_is_kept_whole_on_any_file_system_and_back_when_it_fails(
    lacks: tuple[str, ...], fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {name: tmp_path / name / "app.sqlite" for name in ("place", "restored")}
    for path, name in zip(made.values(), ("old", "new"), strict=True):
        path.parent.mkdir()
        with closing(sqlite3.connect(path)) as opened:
            opened.executescript(f"create table people (id integer primary key, name text);"
                                 f"insert into people (name) values ('{name}');")  # fmt: skip
    cut_off(made["place"], LATER, tmp_path / "killed")

    def refuse(*_paths: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    if "exchange" in lacks:
        monkeypatch.setattr(swap, "change_places", refuse)
    if "links" in lacks:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    pairs = {made["place"]: made["restored"]}
    if fails:
        pairs[tmp_path / "place" / "second.sqlite"] = tmp_path / "restored" / "none.sqlite"
        with pytest.raises(OSError, match=r"none\.sqlite"):
            swap.put(pairs, "_before")
        assert names(made["place"]) == ("old", "Later")
        assert names(made["restored"]) == ("new",)
        assert [each.name for each in made["place"].parent.iterdir()] == ["app.sqlite"]
    else:
        assert swap.put(pairs, "_before") == [tmp_path / "place" / "app.sqlite_before"]
        assert names(made["place"]) == ("new",)
        assert names(tmp_path / "place" / "app.sqlite_before") == ("old", "Later")
