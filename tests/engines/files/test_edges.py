"""What is rare about folders: a restic that is too old, silent or hangs, files that vanish, disks that are others."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from ops_pipelines.engines import folders
from ops_pipelines.engines.files import carry, listing, restic
from ops_pipelines.engines.files.digests import Memory
from ops_pipelines.engines.files.listing import Root
from ops_pipelines.engines.files.restic import Restic, ResticFailed
from ops_pipelines.errors import Inconclusive, SafetyRefusal, SourceError, StoreError, ToolMissing
from ops_pipelines.process import CommandTimedOut, Limits
from ops_pipelines.repository import Repository
from ops_pipelines.streams import silent
from tests.engines.files.conftest import House

_MINUTE = timedelta(minutes=1)
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def stands_for_restic(folder: Path, script: str) -> Path:
    """A program called restic; returns its folder."""
    folder.mkdir(exist_ok=True)
    (folder / "restic").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / "restic").chmod(0o755)
    return folder


@contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_restic_that_is_not_there_or_too_old_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = stands_for_restic(tmp_path / "old", "echo restic 0.9.6 compiled with go1.12")
    with pytest.raises(ToolMissing, match=r"restic is restic 0\.9\.6, which cannot copy between repositories"):
        restic.find([old])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="restic is not installed") as absent:
        restic.find([tmp_path / "nowhere"])
    assert "apt-get install restic" in absent.value.next


def test_what_restic_could_not_read_and_did_not_name_is_in_no_backup(house: House, tmp_path: Path) -> None:
    real = restic.find([])
    bin_dir = stands_for_restic(tmp_path / "bin", f'{real} "$@" || exit $?\ncase " $* " in *" backup "*) exit 3;; esac')
    house.configure(bin_dirs=[str(bin_dir)])
    with pytest.raises(SourceError, match=r"cannot be read: .restic did not say which"):
        house.backup()
    assert not house.workspace.catalogue("files").points


def test_a_restic_that_only_says_it_is_alive_is_stopped(house: House, tmp_path: Path) -> None:
    status = '{"message_type": "status", "bytes_done": 0}'
    hung = stands_for_restic(tmp_path / "bin", f"echo no JSON; while :; do echo '{status}'; sleep 0.1; done")
    tool = Restic(hung / "restic", Repository("/nowhere"), "x", Limits(timedelta(seconds=1), _MINUTE))
    with pytest.raises(CommandTimedOut, match=r"restic read nothing for 1\.0s"):
        tool.backup(["--", str(house.uploads)], silent)


def test_what_changes_under_a_reader_has_no_digest(tmp_path: Path) -> None:
    for name in ("exchanged", "gone", "folder"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    (tmp_path / "link").symlink_to("exchanged")
    seen = listing.walk([Root(str(tmp_path), "/t"), Root(str(tmp_path / "nowhere"), "/n")])
    (tmp_path / "exchanged").rename(tmp_path / "aside")
    (tmp_path / "exchanged").write_text("another file", encoding="utf-8")
    (tmp_path / "gone").unlink()
    (tmp_path / "link").unlink()
    (tmp_path / "folder").unlink()
    (tmp_path / "folder").mkdir()
    assert [listing.digest(seen[f"/t/{name}"]) for name in ("exchanged", "gone", "folder")] == [None] * 3
    told = listing.describe(seen, {"/t/gone": "0" * 64}, "full")
    assert told["/t/link"] == "exists symlink" and told["/t/exchanged"] == "exists file"
    assert listing.describe(seen, {}, "counts")["/t/link"] == "symlink"


def test_what_was_remembered_may_be_missing_broken_or_impossible_to_keep(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    seen = listing.walk([Root(str(tmp_path / "file"), "/file")])
    for content in ("[]", "no json", '{"digests": 3}'):
        (tmp_path / "r.known").write_text(content, encoding="utf-8")
        assert Memory(Repository(str(tmp_path / "r"))).files == {}
    Memory(Repository("s3:host/bucket")).keep(seen, {"/file": "0"}, {"/": 1})
    Memory(Repository(str(tmp_path / "nowhere" / "r"))).keep(seen, {"/file": "0"}, {"/": 1})
    (stop := Event()).set()
    assert Memory(Repository("")).digests(seen, stop) == {}


def test_one_restic_cannot_have_the_keys_of_two_buckets() -> None:
    def at(bucket: str) -> Restic:
        keys = {"AWS_ACCESS_KEY_ID": bucket}
        return Restic(Path("/nowhere"), Repository(f"s3:host/{bucket}", keys), "x", Limits(_MINUTE, _MINUTE))

    with pytest.raises(StoreError, match="with different keys") as refused:
        carry.carry("files", at("one"), at("other"), {}, anew=False, progress=silent)
    assert refused.value.next == "ops copy files --to local, then this again"


def test_a_repository_with_another_password_is_neither_read_nor_emptied(house: House) -> None:
    made = house.backup()
    local = house.workspace.stores["local"].repository("files")
    assert house.examiner.strays(Repository(str(house.path / "nowhere")), set()) == ()
    house.engine.forget([made.engine], Repository(str(house.path / "nowhere")))
    (house.path / "password").write_text("another secret", encoding="utf-8")
    with pytest.raises(StoreError, match="restic's repository of files cannot be read"):
        house.examiner.strays(local, set())
    with pytest.raises(StoreError, match="1 snapshots of files cannot be removed"):
        house.engine.forget([made.engine], local)
    with pytest.raises(ResticFailed, match="the password does not open"):
        house.engine._restic(local).is_whole("0" * 64)
    # What is to be copied is not there, and what it is to be copied into is somebody else's.
    with pytest.raises(StoreError, match=r"cannot take the snapshot .* of files"):
        house.engine.carry(made.engine, local, local)


def test_a_target_or_a_machine_without_room_is_refused(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, facts = house.engine, {"bytes": 2**60, "files": 2**40}
    with pytest.raises(Inconclusive, match="a restore of files needs"), engine.scratch(tmp_path, facts):
        pass
    assert not engine.is_source("mysql://somewhere/db")
    with pytest.raises(SafetyRefusal, match="is, holds or lies in a folder of the source files"):
        engine.create_target(str(house.uploads / "below"), {})
    assert engine.contents("file:///", "off").level == "off"
    assert list(engine.assertions("file:///", engine.contents("file:///", "off"))) == []
    monkeypatch.setenv("PATH", str(tmp_path))
    problems = engine.readiness(str(tmp_path / "to"), facts, 0).problems
    assert [each.what.split()[-1] for each in problems] == ["installed", "free"]
    with pytest.raises(SourceError, match="the backup has no /somewhere"):
        folders.exchange([(tmp_path / "nowhere", Path("/somewhere"))], ".former")


def test_folders_on_several_disks_or_mounted_ones_are_not_swapped(house: House) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        for paths, why in ((["uploads", memory], "several disks"), (["/dev/shm"], "a mounted volume")):
            house.configure(paths=paths)
            with pytest.raises(SafetyRefusal, match="cannot be swapped") as refused:
                house.engine.beside(".new")
            assert why in refused.value.why


@AS_ROOT
def test_what_a_user_may_not_read_is_named_with_the_command_that_lets_them(house: House) -> None:
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        for number in range(5):
            Path(open_to_all, f"secret {number}").touch(mode=0o600)
        (closed := Path(open_to_all, "closed")).mkdir(mode=0o700)
        house.configure(paths=[open_to_all])
        examiner = house.examiner
        with as_nobody():
            (lack,) = examiner.lacks()
        assert str(closed) in lack.what and "and 3 more" in lack.what
        assert lack.grant == f"setfacl -R -m u:65534:rX {open_to_all}"
    with pytest.raises(SourceError, match="is not there"):
        examiner.lacks()
