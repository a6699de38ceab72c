"""A restore goes into a new folder, and never into, over or around what is protected."""

import subprocess
from pathlib import Path

import pytest

from ops_pipelines.errors import SafetyRefusal
from ops_pipelines.recovery.restore import restore_to
from tests.engines.files.conftest import House


def test_a_target_that_is_holds_or_lies_in_a_source_is_refused(house: House) -> None:
    house.backup()
    (house.path / "link").symlink_to(house.uploads)
    (house.path / "way").symlink_to(house.path)
    before = sorted(house.uploads.rglob("*"))
    for target in (
        house.uploads,
        house.uploads / "invoices",
        house.uploads / "new" / "deep",
        house.path,
        house.path / "link",
        house.path / "link" / "new",
        house.path / "way" / "uploads",
        house.uploads / ".." / "uploads" / "new",
        Path("/"),
    ):
        with pytest.raises(SafetyRefusal, match="source files"):
            restore_to(house.workspace, house.point(), str(target))
        with pytest.raises(SafetyRefusal, match="source files"):
            restore_to(house.workspace, house.point(), target.as_uri())
    assert sorted(house.uploads.rglob("*")) == before


def test_a_folder_that_is_mounted_elsewhere_is_known_by_its_inode(house: House) -> None:
    mounted = house.path / "mounted"
    mounted.mkdir()
    done = subprocess.run(["mount", "--bind", house.uploads, mounted], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("no right to mount here")
    try:
        assert house.engine.is_source(str(mounted))
        assert house.engine.is_source(str(mounted / "new"))
    finally:
        subprocess.run(["umount", mounted], check=True)
    assert not house.engine.is_source(str(mounted))


def test_a_folder_with_something_in_it_and_a_file_are_refused(house: House) -> None:
    house.backup()
    taken = house.path / "taken"
    taken.mkdir()
    (taken / "file").touch()
    for target in (taken, taken / "file"):
        with pytest.raises(SafetyRefusal):
            restore_to(house.workspace, house.point(), str(target))
    assert [path.name for path in taken.iterdir()] == ["file"]


def test_a_bare_name_lies_beside_the_folder(house: House) -> None:
    house.backup()
    assert restore_to(house.workspace, house.point(), "uploads_restored").good
    assert (house.path / f"uploads_restored{house.uploads}" / "logo.png").is_file()


@pytest.mark.parametrize(
    "url",
    ["postgresql://u@h/db", "host=/tmp dbname=x", "mysql://h/db", "mongodb://h/db", "crm", "service=crm", "uploads"],
)
def test_what_names_no_folder_is_not_the_source(house: House, url: str) -> None:
    assert not house.engine.is_source(url)
