"""A backup that is not whole is none; what moves while it is read is said."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from ops_pipelines.engines.files import restic
from ops_pipelines.engines.files.restic import failure
from ops_pipelines.engines.files.restore import verdict_on
from ops_pipelines.errors import Inconclusive, OpsError, SourceError, StoreError
from tests.engines.files.conftest import PASSWORD, House


def snapshots(house: House, store: str = "local") -> int:
    return len(list((house.repository(store) / "snapshots").glob("*")))


def test_a_missing_folder_fails_the_backup(house: House) -> None:
    house.configure(paths=["uploads", "elsewhere"])
    with pytest.raises(SourceError, match=r"elsewhere .*cannot be read"):
        house.backup()
    assert not house.workspace.catalogue("files").points


def test_a_folder_that_is_suddenly_empty_looks_unmounted(house: House) -> None:
    house.backup()
    house.uploads.rename(house.path / "aside")
    house.uploads.mkdir()
    with pytest.raises(SourceError, match="is empty, and had 3 files"):
        house.backup()
    house.configure(allow_empty=True)
    assert house.backup().contents.rows == 0
    assert house.verify().outcome == "verified"


def test_files_that_cannot_be_read_fail_the_backup_and_are_listed(house: House, tmp_path: Path) -> None:
    """Root may read everything, so restic gives its rights away first, as a program would that is not root."""
    house.backup()
    house.uploads.joinpath("secret 1.txt").touch(mode=0o000)
    house.uploads.joinpath("secret 2.txt").touch(mode=0o000)
    if os.geteuid() == 0:
        restic = tmp_path / "bin" / "restic"
        restic.parent.mkdir()
        # The capabilities that let root read everything are dropped from what restic may have.
        without = "-dac_override,-dac_read_search"
        restic.write_text(
            f'#!/bin/sh\nexec setpriv --bounding-set {without} --inh-caps {without} /usr/bin/restic "$@"\n',
            encoding="utf-8",
        )
        restic.chmod(0o755)
        house.configure(bin_dirs=[str(restic.parent)])
    before = snapshots(house)
    with pytest.raises(SourceError, match=r"2 files .* cannot be read: .*secret 1\.txt.*secret 2\.txt"):
        house.backup()
    assert snapshots(house) == before
    assert len(house.workspace.catalogue("files").points) == 1


def test_files_that_change_or_come_and_go_while_they_are_read_are_named_and_compared_by_existence(house: House) -> None:
    moving = house.uploads / "moving.log"
    moving.write_bytes(b"0")
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with moving.open("ab") as log:
                log.write(b"another line\n")
            (house.uploads / f"temporary {number}").write_bytes(b"x")
            (house.uploads / f"temporary {number - 1}").unlink(missing_ok=True)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        manifest = house.backup()
    finally:
        stop.set()
        writer.join()
    assert any("changed while being read" in told and "moving.log" in told for told in manifest.warnings)
    verdict = house.verify()
    assert verdict.outcome == "verified", verdict.reason
    schema = next(check for check in verdict.checks if check.name == "schema")
    content = next(check for check in verdict.checks if check.name == "content")
    assert "only known to exist" in schema.detail
    assert content.detail.startswith("0 of 1 tables")


def test_a_full_disk_fails_the_backup_and_leaves_no_restore_point(house: House, tmp_path: Path) -> None:
    """restic stands on a limit of the size of files, which is what a full disk is to it."""
    house.backup()
    (house.uploads / "big").write_bytes(os.urandom(40_000_000))
    limited = tmp_path / "bin" / "restic"
    limited.parent.mkdir()
    limited.write_text('#!/bin/sh\nulimit -f 1000\nexec /usr/bin/restic "$@"\n', encoding="utf-8")
    limited.chmod(0o755)
    house.configure(bin_dirs=[str(limited.parent)])
    with pytest.raises(OpsError, match="restic"):
        house.backup()
    assert len(house.workspace.catalogue("files").points) == 1
    house.configure()
    house.backup()
    assert house.verify().outcome == "verified"


def test_a_repository_that_lost_its_config_is_not_made_anew(house: House) -> None:
    house.backup()
    (house.repository() / "config").unlink()
    with pytest.raises(StoreError, match="no restic repository any more"):
        house.backup()


def test_a_wrong_password_fails_the_backup_and_is_shown_nowhere(house: House) -> None:
    house.backup()
    (house.path / "password").write_text("another secret", encoding="utf-8")
    with pytest.raises(OpsError, match="password does not open") as caught:
        house.backup()
    assert PASSWORD not in str(caught.value)
    assert "another secret" not in str(caught.value)


def test_questions_to_folders_are_refused(house: House) -> None:
    with pytest.raises(SourceError, match="cannot be queried"):
        house.engine.ask("file:///", "select 1")


def test_where_in_its_program_restic_failed_does_not_hide_what_failed() -> None:
    said = (
        "Save(<data/8ae4>) returned error, retrying after 5s: rename: operation not permitted\n"
        "rename /nas/data/8a/8ae4-tmp-1 /nas/data/8a/8ae4: operation not permitted\n"
        "github.com/restic/restic/internal/backend/local.(*Local).Save\n"
        "\tgithub.com/restic/restic/internal/backend/local/local.go:186\n"
        "golang.org/x/sync/errgroup.(*Group).Go.func1\n\tgolang.org/x/sync/errgroup/errgroup.go:75\n"
        "runtime.goexit\n\truntime/asm_amd64.s:1594\n"
    )
    why = failure("copy", said, 1).why
    assert why.splitlines()[-1] == "rename /nas/data/8a/8ae4-tmp-1 /nas/data/8a/8ae4: operation not permitted"
    assert "errgroup" not in why


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Fatal: unable to open config file: stat /nas/crm/config: no such file or directory", "missing"),
        ("Fatal: unable to open config file: <config/> does not exist", "missing"),
        ("Fatal: unable to open config file: Stat: The specified key does not exist.", "missing"),
        ('Fatal: unable to open config file: client.Head: Head "http://127.0.0.1:4/config": read: connection reset by peer', "unreached"),  # noqa: E501
        ("Fatal: unable to open config file: Stat: Access Denied.", "unreached"),
        ("Fatal: unable to open config file: Stat: 503 Service Unavailable", "unreached"),
    ],
)  # fmt: skip
def test_a_repository_that_does_not_answer_is_not_one_that_is_gone(said: str, kind: str) -> None:
    asked = "\nIs there a repository at the following location?\nrest:http://127.0.0.1:4/"
    assert failure("snapshots", said + asked, 1).kind == kind


def test_a_pack_that_nobody_delivers_is_not_a_damaged_one() -> None:
    said = "Load(<data/0123456789>, 0, 0) returned error, retrying after 1s: dial tcp 127.0.0.1:4: connection refused"
    assert failure("restore", said, 1).kind == "unreached"
    assert failure("restore", "Load(<data/0123456789>, 0, 0): ciphertext verification failed", 1).kind == "damaged"


def test_restic_itself_says_so_of_a_server_that_is_gone(house: House) -> None:
    """Two of 944 kills ended the server of a repository before restic: the proof called the copy bad."""
    house.backup()
    program = restic.find(house.workspace.config.source("files").bin_dirs)
    asking = subprocess.Popen(
        [program, "-r", "rest:http://127.0.0.1:1/", "snapshots"],
        env={"RESTIC_PASSWORD": PASSWORD, "HOME": str(house.path)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert asking.stderr is not None
    # Newer ones ask again for a quarter of an hour.
    said = next(line for line in asking.stderr if "refused" in line)
    asking.terminate()
    said += asking.communicate()[1]
    error = failure("snapshots", said, asking.returncode)
    assert error.kind == "unreached" and isinstance(verdict_on(error, "rest:…"), Inconclusive), said
