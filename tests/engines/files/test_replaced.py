"""The folders themselves are replaced: each in one step, with what was there kept beside."""

import threading
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.folders import exchange
from ops_pipelines.errors import SourceError
from ops_pipelines.recovery.replace import replace_source
from tests.engines.files.conftest import MakeHouse


def test_a_folder_in_use_is_replaced_and_is_never_missing(make_house: MakeHouse) -> None:
    house = make_house()
    (house.uploads / "a.txt").write_text("as it was")
    house.backup()
    point = house.point()
    (house.uploads / "a.txt").write_text("oops")
    missing, stop = list[int](), threading.Event()

    def watch() -> None:
        while not stop.is_set():
            if not (house.uploads / "a.txt").exists():
                missing.append(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        replaced = replace_source(house.workspace, point, take_safety=lambda: take_backup(house.workspace, "files").id)
    finally:
        stop.set()
        watcher.join()
    assert (missing, (house.uploads / "a.txt").read_text()) == ([], "as it was")
    assert (Path(replaced.kept) / "a.txt").read_text() == "oops"
    assert {path.name for path in house.path.iterdir() if "restore" in path.name} == set()
    assert house.workspace.catalogue("files").find(replaced.safety) is not None


def test_folders_that_are_gone_come_back(make_house: MakeHouse) -> None:
    house = make_house()
    (house.uploads / "a.txt").write_text("as it was")
    house.backup()
    (house.uploads / "a.txt").unlink()
    house.uploads.rmdir()
    replaced = replace_source(house.workspace, house.point(), take_safety=None)
    assert ((house.uploads / "a.txt").read_text(), replaced.kept) == ("as it was", "")


def test_when_one_of_several_cannot_be_exchanged_all_are_as_they_were(tmp_path: Path) -> None:
    pairs = []
    for name in ("one", "two"):
        restored, place = tmp_path / "restored" / name, tmp_path / name
        for folder, content in ((restored, "new"), (place, "old")):
            folder.mkdir(parents=True)
            (folder / "a").write_text(content)
        pairs.append((restored, place))
    (tmp_path / "two_before").mkdir()
    (tmp_path / "two_before" / "in the way").touch()
    with pytest.raises(SourceError, match="could not be swapped"):
        exchange(pairs, "_before")
    assert [(tmp_path / name / "a").read_text() for name in ("one", "two")] == ["old", "old"]
