"""Whatever a folder can hold comes back as it was, or what happens to it instead is said."""

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from ops_pipelines.engines.files.listing import read_back, written
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.vault.reader import Copy
from tests.engines.files.conftest import House, MakeHouse

NAMES = (
    b"\xff\xfe bytes",
    b"\xff\xff bytes",
    b"new\nline",
    b"quote\"'",
    b"back\\slash",
    b"\\xff",
    "ünï😀".encode(),
    b"*[?] -x",
)


def fill(folder: Path) -> None:
    """Everything a folder can hold."""
    (folder / "empty").mkdir()
    (folder / "plain").write_bytes(b"plain")
    os.utime(folder / "plain", ns=(10**18, 1_600_000_000_123_456_789))
    os.link(folder / "plain", folder / "hard link")
    (folder / "relative link").symlink_to("plain")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "outside").symlink_to("/etc/hostname")
    (folder / "setuid").write_bytes(b"#!/bin/true")
    (folder / "setuid").chmod(0o4755)
    (folder / "shared").mkdir()
    (folder / "shared").chmod(0o2775)
    (folder / "empty file").touch()
    with (folder / "sparse").open("wb") as sparse:
        sparse.seek(50_000_000)
        sparse.write(b"end")
    os.mkfifo(folder / "fifo")
    for name in NAMES:
        with open(os.fsencode(folder) + b"/" + name, "wb") as named:  # noqa: PTH123 (a name of bytes)
            named.write(name)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
    if os.geteuid() == 0:
        os.mknod(folder / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.chown(folder / "empty file", 1234, 4321)
    try:
        os.setxattr(folder / "plain", "user.owner", b"sales")
    except OSError as error:
        assert error.errno == errno.ENOTSUP  # not on this file system


def test_whatever_a_folder_can_hold_comes_back_and_is_proved(make_house: MakeHouse) -> None:
    house = make_house(tags=["uploads"])
    fill(house.uploads)
    manifest = house.backup()
    assert manifest.identity["paths"] == str(house.uploads.resolve()) and len(manifest.identity["machine"]) == 32
    verdict = house.verify()
    assert verdict.outcome == "verified", verdict.reason
    assert [warning for warning in manifest.warnings if "sockets are not backed up" in warning]

    target = house.path / "restored"
    recovered = restore_to(house.workspace, house.point(), str(target))
    assert recovered.good, recovered.checks
    back = Path(f"{target}{house.uploads.resolve()}")
    names = {path.name for path in house.uploads.iterdir()}
    assert {path.name for path in back.iterdir()} == names - {"s"}
    assert (back / "plain").stat().st_ino == (back / "hard link").stat().st_ino
    assert (back / "plain").stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert (back / "outside").readlink() == Path("/etc/hostname")
    assert (back / "dangling").readlink() == Path("nowhere")
    assert stat.S_IMODE((back / "setuid").stat().st_mode) == 0o4755
    assert stat.S_IMODE((back / "shared").stat().st_mode) == 0o2775
    assert stat.S_ISFIFO((back / "fifo").stat().st_mode)
    assert (back / "empty").is_dir()
    assert (back / "sparse").read_bytes() == (house.uploads / "sparse").read_bytes()
    for name in NAMES:
        assert Path(os.fsdecode(os.fsencode(back) + b"/" + name)).read_bytes() == name
    if "user.owner" in os.listxattr(house.uploads / "plain"):
        assert os.getxattr(back / "plain", "user.owner") == b"sales"
    if os.geteuid() == 0:
        assert (back / "device").stat().st_rdev == os.makedev(1, 3)
        assert ((back / "empty file").stat().st_uid, (back / "empty file").stat().st_gid) == (1234, 4321)


@pytest.mark.parametrize("name", [*NAMES, b"\xe2\x82", b"\xed\xa0\x80", b"\x7f\x80", "\u0085".encode()])
def test_any_name_can_be_written_down_and_read_back(name: bytes) -> None:
    path = os.fsdecode(name)
    assert written(path).encode().decode().isprintable()
    assert os.fsencode(read_back(written(path))) == name


def test_names_that_differ_are_written_differently() -> None:
    assert len({written(os.fsdecode(name)) for name in NAMES}) == len(NAMES)


def test_excluded_files_are_left_out_and_not_missed(make_house: MakeHouse) -> None:
    house = make_house(exclude=["*.tmp", "cache"])
    for name in ("kept.txt", "left.tmp", "cache/1", "sub/kept", "sub/left.tmp"):
        path = house.uploads / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name, encoding="utf-8")
    manifest = house.backup()
    assert house.verify().outcome == "verified"
    assert manifest.contents.rows == 2


def test_a_folder_that_is_a_symbolic_link_is_followed(house: House) -> None:
    (house.path / "current").symlink_to(house.uploads)
    house.configure(paths=["current", "uploads"])
    manifest = house.backup()
    assert manifest.contents.rows == 3
    assert house.verify().outcome == "verified"


@pytest.mark.parametrize("level", ["off", "counts", "sample", "full"])
def test_every_level_of_fingerprint_is_proved_as_far_as_it_goes(house: House, level: str) -> None:
    house.configure(fingerprint=level)
    house.backup()
    verdict = house.verify()
    assert verdict.outcome == "verified"
    assert ("content" in {check.name for check in verdict.checks}) == (level in ("sample", "full"))


def test_a_second_backup_reads_only_what_changed_and_both_can_be_proved(house: House) -> None:
    first = house.backup()
    (house.uploads / "logo.png").write_bytes(b"another logo")
    second = house.backup()
    assert house.verify(backup_id=first.id).outcome == "verified"
    assert house.verify(backup_id=second.id).outcome == "verified"
    assert first.contents.content_digest != second.contents.content_digest


def test_only_some_paths_can_be_restored(house: House, tmp_path: Path) -> None:
    house.backup()
    workspace, engine, point = house.workspace, house.engine, house.point()
    copy = Copy(workspace.local, point.manifest, lambda: workspace.identities("files"))
    target = engine.create_target(str(tmp_path / "some"), point.manifest.engine).url
    engine.restore(
        copy, point.manifest.engine, target, work=tmp_path, globals_too=False, only=["invoices/2.pdf", "logo.png"]
    )
    found = sorted(str(path.name) for path in (tmp_path / "some").rglob("*") if path.is_file())
    assert found == ["2.pdf", "logo.png"]


def test_the_marker_of_old_runbooks_names_the_snapshot(house: House) -> None:
    manifest = house.backup()
    marker = house.base / "snapshots" / f"snapshot-{manifest.started_at:%Y%m%d-%H%M}.txt"
    snapshot, _time, source, path = marker.read_text(encoding="utf-8").split()
    assert (snapshot, source, path) == (manifest.engine["snapshot"], "files", str(house.uploads))
    assert len(snapshot) == 64
