"""Whoever stops a command is told what became of what it worked on, and that is true."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines import folders
from ops_pipelines.engines.sqlite import swap
from ops_pipelines.errors import Stopped
from ops_pipelines.recovery.leftovers import leftovers, remove
from ops_pipelines.recovery.replace import replace_source
from ops_pipelines.recovery.restore import restore_to
from tests.faults.aftermath import aftermath, back_up, standing
from tests.faults.conftest import MakeHouse, wait_until
from tests.faults.house import OPS
from tests.faults.test_killed_prune import MANY, opened
from tests.faults.test_killed_prune import house as many  # noqa: F401 (a fixture)
from tests.stops import stopped_at_each_line


@pytest.fixture(autouse=True)
def _stops() -> None:
    # What runs the tests may have been started in the background, where Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_restore_that_is_stopped_names_its_half_target_and_the_command_that_removes_it(
    make_house: MakeHouse, engine: str
) -> None:
    house = make_house(engine)
    back_up(house)
    before, target = standing(house), house.protected.beside("back")

    def stop_in_load(_phase: str, _done: int, _total: int | None) -> None:
        if house.workspace().config.engine("crm").exists(target):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Stopped) as caught:
        restore_to(house.workspace(), house.newest(), target, progress=stop_in_load)
    assert "the source and every backup are untouched; " in caught.value.safe
    assert f"{target} is incomplete" in caught.value.safe or "back on " in caught.value.safe
    assert "ops leftovers --apply" in caught.value.next
    workspace = house.workspace()
    (left,) = leftovers(workspace.config, workspace.places)
    remove(workspace, left)
    assert not workspace.config.engine("crm").exists(target)
    aftermath(house, before, kind="SIGINT of a restore that loads", swept=False)


def test_a_source_that_was_emptied_when_its_replacement_was_stopped_is_called_not_whole(make_house: MakeHouse) -> None:
    house = make_house("mongodb")
    back_up(house)
    point = house.newest()

    def stop_once_it_is_empty(_phase: str, _done: int, _total: int | None) -> None:
        if house.protected.state() == 0:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Stopped) as caught:
        workspace = house.workspace()
        replace_source(
            workspace, point, take_safety=lambda: take_backup(workspace, "crm").id, progress=stop_once_it_is_empty
        )
    assert caught.value.what.startswith("crm is NOT whole: we were stopped after it was emptied")
    assert f"{point.id} is restored and proved in " in caught.value.safe
    back = caught.value.next.split("go back: ", 1)[1]
    assert back.startswith("ops restore crm --backup ")
    done = house.ops(*back.split()[1:], "--yes-replace", "crm")
    assert done.returncode == 0, done.stdout + done.stderr
    assert house.protected.state() == 100, "the command that it advises brings back what was there"


def test_a_prune_that_is_stopped_says_what_is_gone_and_keeps_what_is_kept(many: Path) -> None:  # noqa: F811
    kept = [point.id for point in opened(many).catalogue("crm").points[-3:]]
    local = opened(many).local
    argv = [OPS, "prune", "crm", "--apply", "--config", str(many)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: len(local.ids("crm")) < MANY)
        os.kill(process.pid, signal.SIGTERM)
        _out, said = process.communicate()
    assert process.returncode == 130, said
    assert "what was deleted until then is gone" in said
    assert "every restore point that keep: keeps is untouched" in said
    assert "ops prune" in said
    assert 3 < len(local.ids("crm")) < MANY, "it stopped at once"
    assert [point.id for point in opened(many).catalogue("crm").points[-3:]] == kept


def _exchange_databases(restored: Sequence[Path], places: Sequence[Path]) -> None:
    swap.put(dict(zip(places, restored, strict=True)), ".before")


def _exchange_folders(restored: Sequence[Path], places: Sequence[Path]) -> None:
    folders.exchange(list(zip(restored, places, strict=True)), ".before")


@pytest.mark.parametrize("exchange", [_exchange_databases, _exchange_folders])
def test_all_that_belongs_to_a_source_changes_places_or_nothing_does_when_it_is_stopped(
    tmp_path: Path, exchange: Callable[[Sequence[Path], Sequence[Path]], None]
) -> None:
    """Who is stopped then is told that the source is unchanged or completely the other: one of two was, once."""
    restored, places = ([tmp_path / side / name for name in ("one", "two")] for side in ("restored", "places"))

    def said(place: Path) -> str:
        return (place / "rows" if place.is_dir() else place).read_text(encoding="utf-8") if place.exists() else "none"

    def work() -> None:
        for word, paths in (("old", places), ("new", restored)):
            shutil.rmtree(paths[0].parent, ignore_errors=True)
            for each in paths:
                file = each / "rows" if exchange is _exchange_folders else each
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(word, encoding="utf-8")
        exchange(restored, places)

    def mixed() -> set[str]:
        found = {said(each) for each in places}
        return found if len(found) > 1 or found == {"none"} else set()

    assert stopped_at_each_line(work, ["swap.py", "folders.py"], mixed) > 20
    assert {said(each) for each in places} == {"new"}
